"""Commands that load: the demo, and a trigger of the daily job."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task
from rich.console import Console
from rich.table import Table

from libs.common.enums import LOADED_STATES
from tools.bootstrap.system_packages import ensure_rabbitmq
from tools.client.api import Client
from tools.client.progress import show_result, watch
from tools.local_env import control
from tools.local_env.layout import Layout
from tools.local_env.state import LocalState
from tools.tasks.database import SAMPLE
from tools.tasks.stack import environment, plain_errors, start_local_stack

ITEMS = {
    "table": "public.items",
    "source": "items-{data_date}.csv",
    "mode": "upsert",
    "key": ["sku"],
    "schedule": {"cron": "30 2 * * *", "time_zone": "UTC"},
}
"""The daily dataset of the demo: each day's file brings the items up to date."""

console = Console()


@task
def demo(_context: Context) -> None:
    """Start the local stack, load the sample file through the API and show what happened."""
    ensure_rabbitmq(required=False)
    with plain_errors():
        state = start_local_stack(Layout.of_checkout())
        with _client(state.api_url) as client:
            client.put_dataset("items", ITEMS)
            _drop_todays_file(Layout.of_checkout())
            job = watch(client, client.trigger(dataset="items", force=True), console)
            show_result(client, job, console)
    _show_table(state)
    _show_next_steps(state)
    if job["state"] not in LOADED_STATES:
        raise Exit(f"the demo's job ended as {job['state']}", code=1)


@task(
    help={
        "dataset": "Which dataset to load.",
        "force": "Load the file even if it is loaded already.",
    }
)
def trigger(_context: Context, dataset: str = "items", force: bool = False) -> None:  # noqa: FBT001, FBT002
    """Start the daily job, wait for its end, and show progress and result."""
    with plain_errors(), _client(_api_url()) as client:
        job = watch(client, client.trigger(dataset=dataset, force=force), console)
        show_result(client, job, console)
    if job["state"] not in {*LOADED_STATES, "duplicate"}:
        raise Exit(f"the job ended as {job['state']}", code=1)


@task(positional=["job"], help={"job": "The job's id."})
def cancel(_context: Context, job: str) -> None:
    """Cancel a job, wait for its end, and show what it has loaded."""
    with plain_errors(), _client(_api_url()) as client:
        ended = watch(client, client.cancel(job), console)
        show_result(client, ended, console)
    if ended["state"] != "cancelled":
        raise Exit(f"the job ended as {ended['state']}", code=1)


@task(
    positional=["job"],
    help={"job": "The job's id.", "file": "The corrected rows; without it they go as they are."},
)
def replay(_context: Context, job: str, file: str = "") -> None:
    """Load the failed rows of a job again, wait for the end, and show the result."""
    if file and not Path(file).is_file():
        raise Exit(f"there is no file {file}; name the corrected rows, or leave --file out", code=1)
    with plain_errors(), _client(_api_url()) as client:
        made = client.replay(job, Path(file) if file else None)
        ended = watch(client, made, console)
        show_result(client, ended, console)
    if ended["state"] not in {*LOADED_STATES, "duplicate"}:
        raise Exit(f"the replay ended as {ended['state']}", code=1)


def _api_url() -> str:
    given = os.environ.get("ADSP_API_URL")
    return given or control.running_state(Layout.of_checkout()).api_url


@contextmanager
def _client(url: str) -> Iterator[Client]:
    """Open a client, turning a silent api into a message that names the cure."""
    try:
        with Client(url) as client:
            yield client
    except httpx.TransportError as exc:
        raise Exit(f"the api at {url} does not answer ({exc}); see ./dev status", code=1) from exc


def _drop_todays_file(layout: Layout) -> None:
    """Put the sample where the daily file is expected, as a feed would: written aside, then renamed."""
    target = layout.incoming / f"items-{datetime.now(UTC):%Y-%m-%d}.csv"
    aside = target.with_suffix(".part")
    shutil.copyfile(SAMPLE, aside)
    aside.replace(target)


def _show_table(state: LocalState) -> None:
    url = environment(state)["ADSP_DATABASE_URL"].replace("+psycopg2", "", 1)
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM public.items")
            counted: Any = cursor.fetchone()
    finally:
        connection.close()
    console.print(f"rows in items: [bold]{counted[0]:,}[/]")


def _show_next_steps(state: LocalState) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("web page", f"{state.api_url}/")
    table.add_row("API", f"{state.api_url}/docs")
    table.add_row("this demo's jobs", f"{state.api_url}/v1/jobs")
    table.add_row("failed rows as CSV", f"{state.api_url}/v1/jobs/<id>/failed-rows?format=csv")
    console.print(table)
    console.print(
        "\nNext: [bold]./dev trigger[/] sends the same file again (a duplicate: nothing is loaded twice), "
        "\n      [bold]./dev db.run --command 'SELECT * FROM items LIMIT 5'[/], "
        "[bold]./dev verify[/], [bold]./dev logs --follow[/], [bold]./dev down[/]"
    )
