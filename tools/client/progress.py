"""Show a job on the terminal: a progress bar while it runs, then its counts and failed rows."""

import time
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from libs.common.errors import AdspError
from tools.client.api import Client, is_over

POLL_SECONDS = 0.2
EXAMPLES = 3
COUNTS = ("rows_read", "rows_loaded", "rows_rejected", "rows_superseded")
RAW_SHOWN = 60


class JobTooSlow(AdspError):
    """A job was not over when its watcher had to give up; the job itself goes on."""


def watch(
    client: Client, job: dict[str, Any], console: Console, deadline: float = 3600.0
) -> dict[str, Any]:
    """Show a job's progress until it is over and return it as it ended.

    Raises `JobTooSlow` after `deadline` seconds.
    """
    give_up = time.monotonic() + deadline
    with _progress(console) as progress:
        bar = progress.add_task("loading", total=None, rows=0)
        while not is_over(job):
            if time.monotonic() > give_up:
                raise JobTooSlow(f"job {job['id']} is still {job['state']} after {deadline:.0f} s")
            time.sleep(POLL_SECONDS)
            job = client.job(job["id"])
            progress.update(
                bar, total=job["bytes_total"], completed=job["bytes_done"], rows=job["rows_read"]
            )
    return job


def show_result(client: Client, job: dict[str, Any], console: Console) -> None:
    """Print how a job ended: counts, the error if any, failed rows by reason with examples."""
    table = Table(title=f"job {job['id']}: {job['state']}", title_justify="left")
    for name in COUNTS:
        table.add_column(name, justify="right")
    table.add_row(*(f"{job[name]:,}" for name in COUNTS))
    console.print(table)
    if job["error"]:
        console.print(f"[red]{job['error']['code']}[/red]: {escape(job['error']['message'])}")
    for warning in job["warnings"]:
        console.print(f"[yellow]{warning['code']}[/yellow]: {escape(warning['message'])}")
    if job["rows_rejected"]:
        _show_failed_rows(client.failed_rows(job["id"]), console)


def follow(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """Show a job's progress and result on the terminal and return it as it ended."""
    console = Console()
    ended = watch(client, job, console)
    show_result(client, ended, console)
    return ended


def _show_failed_rows(rows: Iterable[dict[str, Any]], console: Console) -> None:
    reasons: Counter[str] = Counter()
    examples: dict[str, dict[str, Any]] = {}
    for row in rows:
        reasons[row["error_code"]] += 1
        examples.setdefault(row["error_code"], row)
    by_reason = Table(title="failed rows by reason", title_justify="left")
    by_reason.add_column("error_code")
    by_reason.add_column("rows", justify="right")
    for code, count in reasons.most_common():
        by_reason.add_row(code, f"{count:,}")
    console.print(by_reason)
    console.print("for example")
    for row in islice(examples.values(), EXAMPLES):
        raw = row["raw"] if len(row["raw"]) <= RAW_SHOWN else row["raw"][:RAW_SHOWN] + "…"
        console.print(
            f"  line {row['line_number']:,}: {escape(raw)}\n    [yellow]{escape(row['message'])}[/yellow]"
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
