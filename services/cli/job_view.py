"""Show a job, or a list of jobs, on the terminal."""

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table
from rich.text import Text

from libs.client.job_log import LogLine
from libs.client.models import Job
from services.cli.output import Column, coloured, console, made_table, moment, show_json, size

_JOBS = (
    Column("job", 36, rank=0),
    Column("dataset", 12, rank=2),
    Column("data date", 10, rank=4),
    Column("state", 22, rank=1),
    Column("loaded", 10, rank=5, is_number=True),
    Column("rejected", 8, rank=3, is_number=True),
    Column("trigger", 8, rank=7),
    Column("created", 19, rank=6),
)

_LEVELS = {"warning": "yellow", "error": "red", "critical": "red"}


def jobs_table(jobs: Iterable[Job], width: int) -> Table:
    """Return jobs as a table of at most so many characters."""
    return made_table(_JOBS, (_row(job) for job in jobs), width)


def _row(job: Job) -> tuple[str | Text, ...]:
    return (
        job.id,
        job.dataset,
        str(job.data_date),
        coloured(job.state),
        f"{job.rows_loaded:,}",
        f"{job.rows_rejected:,}",
        job.trigger,
        moment(job.created_at),
    )


def show_log(lines: Sequence[LogLine], *, as_json: bool) -> None:
    """Print the log lines of a job, one below the other."""
    if as_json:
        show_json(lines)
        return
    for line in lines:
        said = ", ".join(f"{name} {value}" for name, value in line.fields.items())
        text = Text(f"{moment(line.at)}  {line.service:<6}  ", style="dim")
        text.append(line.event, style=_LEVELS.get(line.level, "default"))
        console().print(text.append(f"  {said}", style="default"), soft_wrap=True)


def show_job(job: Job) -> None:
    """Print all that matters of a job, and what to do next."""
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(job):
        facts.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(value))
    console().print(facts)


def _facts(job: Job) -> Iterator[tuple[str, str | Text]]:
    yield "job", job.id
    yield "state", coloured(job.state)
    yield "dataset", f"{job.dataset}, data of {job.data_date}"
    yield "source", job.source
    yield "trigger", " by ".join(filter(None, (job.trigger, job.owner)))
    yield from _times(job)
    yield from _counts(job)
    yield from _relations(job)
    if job.error:
        yield "error", Text(f"{job.error.code}: {job.error.message}", style="red")
    if job.problem:
        yield "tried again", Text(job.problem, style="yellow")
    for warning in job.warnings:
        yield "warning", Text(f"{warning.code}: {warning.message}", style="yellow")
    if job.dry_run:
        yield "dry run", "nothing of it is in the table; counts are as if"
    if job.rows_rejected:
        hint = "" if job.dry_run else ", then --edit"
        yield "failed rows", f"adsp rejects {job.id} --by-reason{hint}"


def _times(job: Job) -> Iterator[tuple[str, str]]:
    yield "created", moment(job.created_at)
    if job.waiting_since:
        yield "waiting since", moment(job.waiting_since)
    if job.started_at:
        yield "started", moment(job.started_at)
    if job.finished_at:
        began = job.started_at or job.created_at
        seconds = (job.finished_at - began).total_seconds()
        yield "finished", f"{moment(job.finished_at)}, after {seconds:,.1f} s"


def _counts(job: Job) -> Iterator[tuple[str, str]]:
    superseded = f" + {job.rows_superseded:,} superseded" if job.rows_superseded else ""
    yield (
        "rows",
        f"{job.rows_read:,} read = {job.rows_loaded:,} loaded + {job.rows_rejected:,} rejected{superseded}",
    )
    if job.rows_inserted is not None:
        changed = f"{job.rows_inserted:,} inserted, {job.rows_updated or 0:,} updated"
        rest = f"{job.rows_deleted or 0:,} deleted, {job.rows_unchanged or 0:,} unchanged"
        yield "changes", f"{changed}, {rest}"
    if job.bytes_total is not None:
        yield "bytes", f"{size(job.bytes_done)} of {size(job.bytes_total)}"


def _relations(job: Job) -> Iterator[tuple[str, str]]:
    if job.duplicate_of:
        yield "duplicate of", job.duplicate_of
    if job.outdated_by:
        yield "outdated by", job.outdated_by
    if job.replay_of:
        yield "replay of", job.replay_of
