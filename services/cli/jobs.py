"""Commands that show jobs: jobs, job."""

import time
from collections.abc import Mapping
from itertools import islice
from typing import Annotated

import typer
from rich.live import Live

from libs.client.client import Client
from libs.client.models import Job, JobState
from services.cli.connection import connect
from services.cli.exit_codes import ExitCode
from services.cli.job_view import jobs_table, show_log
from services.cli.loads import finish, show_jobs
from services.cli.options import DAY_SECONDS, AnyDataset, Date, JobId, Json, Seconds, Watch
from services.cli.output import console, show_json

_LOOK_SECONDS = 2.0

State = Annotated[JobState | None, typer.Option(help="In this state alone.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]
Log = Annotated[
    bool, typer.Option("--log", help="Show instead what the services have logged about it.")
]
Follow = Annotated[
    bool, typer.Option("--watch", "-w", help="Show the list anew every 2 s, until Ctrl-C.")
]


def list_jobs(
    dataset: AnyDataset = None,
    state: State = None,
    date: Date = None,
    limit: Limit = 20,
    *,
    watch: Follow = False,
    json: Json = False,
) -> ExitCode:
    """List the newest jobs."""
    filters = {"dataset": dataset, "state": state, "data_date": date.date() if date else None}
    with connect() as client:
        jobs = _newest(client, filters, limit)
        if json:
            show_json(jobs)
            return ExitCode.OK
        target = console()
        width = target.width
        if not watch:
            target.print(jobs_table(jobs, width))
            return ExitCode.OK
        with Live(jobs_table(jobs, width), console=target, auto_refresh=False) as live:
            while True:
                time.sleep(_LOOK_SECONDS)
                live.update(jobs_table(_newest(client, filters, limit), width), refresh=True)


def _newest(client: Client, filters: Mapping[str, object], limit: int) -> list[Job]:
    return list(islice(client.jobs(**filters, page_size=min(limit, 500)), limit))


def show_one(
    job_id: JobId,
    *,
    watch: Watch = False,
    wait: Seconds = DAY_SECONDS,
    log: Log = False,
    json: Json = False,
) -> ExitCode:
    """Show a job: its times, counts, error, warnings, and what to do next."""
    with connect() as client:
        if log:
            show_log(client.job_log(job_id), as_json=json)
            return ExitCode.OK
        job = client.job(job_id)
        if watch:
            return finish(client, [job], wait, as_json=json)
    show_jobs([job], as_json=json)
    return ExitCode.OK
