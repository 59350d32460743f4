"""Show a job on the terminal: a progress bar while it runs, then its counts and failed rows."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from libs.client.client import Client
from libs.client.models import FailedRow, Job

EXAMPLES = 3
COUNTS = ("rows_read", "rows_loaded", "rows_rejected", "rows_superseded")
RAW_SHOWN = 60


def watch(client: Client, job: Job, console: Console, deadline: float = 3600.0) -> Job:
    """Show a job's progress until it is over and return it as it ended.

    Raises `JobTooSlow` after `deadline` seconds.
    """
    with _progress(console) as progress:
        bar = progress.add_task("loading", total=None, rows=0)

        def show(now: Job) -> None:
            progress.update(
                bar, total=now.bytes_total, completed=now.bytes_done, rows=now.rows_read
            )

        return client.wait(job, seconds=deadline, on_progress=show)


def show_result(client: Client, job: Job, console: Console) -> None:
    """Print how a job ended: counts, the error if any, failed rows by reason with examples."""
    table = Table(title=f"job {job.id}: {job.state}", title_justify="left")
    for name in COUNTS:
        table.add_column(name, justify="right")
    table.add_row(*(f"{getattr(job, name):,}" for name in COUNTS))
    console.print(table)
    if job.error:
        console.print(f"[red]{job.error.code}[/red]: {escape(job.error.message)}")
    for warning in job.warnings:
        console.print(f"[yellow]{warning.code}[/yellow]: {escape(warning.message)}")
    if job.rows_rejected:
        _show_failed_rows(client.failed_rows(job.id), console)


def follow(client: Client, job: Job) -> Job:
    """Show a job's progress and result on the terminal and return it as it ended."""
    console = Console()
    ended = watch(client, job, console)
    show_result(client, ended, console)
    return ended


def _show_failed_rows(rows: Iterable[FailedRow], console: Console) -> None:
    reasons: Counter[str] = Counter()
    examples: dict[str, FailedRow] = {}
    for row in rows:
        reasons[row.error_code] += 1
        examples.setdefault(row.error_code, row)
    by_reason = Table(title="failed rows by reason", title_justify="left")
    by_reason.add_column("error_code")
    by_reason.add_column("rows", justify="right")
    for code, count in reasons.most_common():
        by_reason.add_row(code, f"{count:,}")
    console.print(by_reason)
    console.print("for example")
    for row in islice(examples.values(), EXAMPLES):
        raw = row.raw if len(row.raw) <= RAW_SHOWN else row.raw[:RAW_SHOWN] + "…"
        console.print(
            f"  line {row.line_number:,}: {escape(raw)}\n    [yellow]{escape(row.message)}[/yellow]"
        )


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
        console=console,
    )
