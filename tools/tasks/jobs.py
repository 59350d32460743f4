"""Commands that load: the demo, a trigger of the daily job, cancel, replay."""

from collections.abc import Collection
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from libs.common.enums import LOADED_STATES, JobState
from tools.tasks.errors import plain_errors

_GOOD_ENDS = frozenset({*LOADED_STATES, JobState.DUPLICATE})


@task
def demo(_context: Context) -> None:
    """Start the local stack, load the sample file through the API and show what happened."""
    from libs.client.client import Client
    from tools.bootstrap.system_packages import ensure_rabbitmq
    from tools.client import demo as show
    from tools.client.progress import show_result, watch
    from tools.local_env.display import console
    from tools.local_env.layout import Layout
    from tools.local_env.start import start_local_stack

    ensure_rabbitmq()
    layout = Layout.of_checkout()
    with plain_errors():
        state = start_local_stack(layout)
        with Client(state.api_url) as client:
            client.put_dataset("items", show.ITEMS)
            show.drop_todays_file(layout)
            job = watch(client, client.trigger(dataset="items", force=True), console)
            show_result(client, job, console)
    show.show_table(state, console)
    show.show_next_steps(state, console)
    _expect(job.state, LOADED_STATES, "the demo's job")


@task(
    help={
        "dataset": "Which dataset to load.",
        "force": "Load the file even if it is loaded already.",
    }
)
def trigger(_context: Context, dataset: str = "items", force: bool = False) -> None:  # noqa: FBT001, FBT002
    """Start the daily job, wait for its end, and show progress and result."""
    from libs.client.client import Client
    from tools.client.progress import follow
    from tools.local_env.connections import api_url

    with plain_errors(), Client(api_url()) as client:
        ended = follow(client, client.trigger(dataset=dataset, force=force))
    _expect(ended.state, _GOOD_ENDS, "the job")


@task(positional=["job"], help={"job": "The job's id."})
def cancel(_context: Context, job: str) -> None:
    """Cancel a job, wait for its end, and show what it has loaded."""
    from libs.client.client import Client
    from tools.client.progress import follow
    from tools.local_env.connections import api_url

    with plain_errors(), Client(api_url()) as client:
        ended = follow(client, client.cancel(job))
    _expect(ended.state, {JobState.CANCELLED}, "the job")


@task(
    positional=["job"],
    help={"job": "The job's id.", "file": "The corrected rows; without it they go as they are."},
)
def replay(_context: Context, job: str, file: str = "") -> None:
    """Load the failed rows of a job again, wait for the end, and show the result."""
    from libs.client.client import Client
    from tools.client.progress import follow
    from tools.local_env.connections import api_url

    if file and not Path(file).is_file():
        raise Exit(f"there is no file {file}; name the corrected rows, or leave --file out", code=1)
    with plain_errors(), Client(api_url()) as client:
        ended = follow(client, client.replay(job, Path(file) if file else None))
    _expect(ended.state, _GOOD_ENDS, "the replay")


def _expect(state: str, wanted: Collection[str], what: str) -> None:
    """Exit with status 1 when a job has ended in another state than those wanted."""
    if state not in wanted:
        raise Exit(f"{what} ended as {state}", code=1)
