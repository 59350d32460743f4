"""Commands that load: load, replay, backfill; and cancel."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from libs.client.client import Client
from libs.client.models import Job, JobState
from services.cli.connection import connect
from services.cli.exit_codes import ExitCode, code_of_ends
from services.cli.job_view import show_job
from services.cli.options import (
    DAY_SECONDS,
    DatasetName,
    DatasetOption,
    Date,
    Force,
    JobId,
    Json,
    Seconds,
    Watch,
)
from services.cli.output import say, show_json
from services.cli.progress import upload_bar, watch

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Judge every record, and leave nothing in the table.")
]
Direct = Annotated[
    bool,
    typer.Option("--direct", help="Send to the bucket of uploads, not through the api."),
]
Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", exists=True, dir_okay=False, readable=True),
]
FirstDay = Annotated[
    datetime, typer.Option("--from", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="First day.")
]
LastDay = Annotated[
    datetime,
    typer.Option("--to", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Last day, included."),
]
Corrected = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        exists=True,
        dir_okay=False,
        readable=True,
        help="The corrected rows; left out: as they are.",
    ),
]


def load(  # noqa: PLR0913 - the options of a command
    files: Files,
    dataset: DatasetOption,
    date: Date = None,
    *,
    watch: Watch = False,
    wait: Seconds = DAY_SECONDS,
    force: Force = False,
    dry_run: DryRun = False,
    direct: Direct = False,
    json: Json = False,
) -> ExitCode:
    """Send files to a dataset; each is a job. Without --watch, the jobs go on by themselves."""
    with connect() as client:
        jobs = []
        for file in files:
            with upload_bar(file, is_shown=not json) as sent:
                made = client.load(
                    dataset,
                    file,
                    data_date=date.date() if date else None,
                    force=force,
                    dry_run=dry_run,
                    direct=direct,
                    on_progress=sent,
                )
            jobs.append(made)
            if not json:
                say(f"{file}: job {made.id}")
        return finish(client, jobs, wait if watch else None, as_json=json)


def check(
    files: Files,
    dataset: DatasetOption,
    date: Date = None,
    *,
    wait: Seconds = DAY_SECONDS,
    json: Json = False,
) -> ExitCode:
    """Have files judged as a load would, and leave nothing in the table: `load --dry-run --watch`."""
    return load(files, dataset, date, watch=True, wait=wait, dry_run=True, json=json)


def replay(
    job_id: JobId,
    file: Corrected = None,
    *,
    watch: Watch = False,
    wait: Seconds = DAY_SECONDS,
    force: Force = False,
    json: Json = False,
) -> ExitCode:
    """Load the failed rows of a job again, as they are or from a corrected file."""
    with connect() as client:
        made = client.replay(job_id, file, force=force)
        if not json:
            say(f"replay of {job_id}: job {made.id}")
        return finish(client, [made], wait if watch else None, as_json=json)


def backfill(
    dataset: DatasetName,
    first: FirstDay,
    last: LastDay,
    *,
    watch: Watch = False,
    wait: Seconds = DAY_SECONDS,
    force: Force = False,
    json: Json = False,
) -> ExitCode:
    """Load each day of a range on which the schedule is due; without a schedule, every day."""
    with connect() as client:
        days = client.backfill(dataset, first.date(), last.date(), force=force)
        for day in days:
            if day.problem:
                say(f"{day.data_date}: {day.problem.detail}")
            elif day.job and not json:
                say(f"{day.data_date}: job {day.job.id}")
        jobs = [day.job for day in days if day.job]
        code = finish(client, jobs, wait if watch else None, as_json=json)
    return ExitCode.FAILED if any(day.problem for day in days) else code


def cancel(
    job_id: JobId, *, watch: Watch = False, wait: Seconds = DAY_SECONDS, json: Json = False
) -> ExitCode:
    """Stop a job. An atomic one leaves no rows; of a chunked one, the chunks that are done stay."""
    with connect() as client:
        asked = client.cancel(job_id)
        ended = _ended(client, asked, wait, as_json=json) if watch else asked
        show_jobs([ended], as_json=json)
    return ExitCode.OK if not ended.is_over or ended.state == "cancelled" else ExitCode.FAILED


def finish(client: Client, jobs: list[Job], wait: float | None, *, as_json: bool) -> ExitCode:
    """Show jobs, after their ends where `wait` gives seconds for that, and return what to exit with."""
    if wait is None:
        if as_json:
            show_jobs(jobs, as_json=True)
        return ExitCode.OK
    ended = [_ended(client, job, wait, as_json=as_json) for job in jobs]
    show_jobs(ended, as_json=as_json)
    return code_of_ends(_end_of(job) for job in ended)


def _end_of(job: Job) -> str:
    """Return how a job has ended, of a dry run how the load would have."""
    if job.state != JobState.CHECKED:
        return job.state
    return JobState.COMPLETED_WITH_REJECTS if job.rows_rejected else JobState.SUCCEEDED


def _ended(client: Client, job: Job, wait: float, *, as_json: bool) -> Job:
    return watch(client, job, wait, is_shown=not as_json)


def show_jobs(jobs: list[Job], *, as_json: bool) -> None:
    """Print jobs for people or for programs."""
    if as_json:
        show_json(jobs)
        return
    for job in jobs:
        show_job(job)
