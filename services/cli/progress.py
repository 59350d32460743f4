"""Show how far an upload or a job is, on the standard error, while a command waits for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from libs.client.client import Client
from libs.client.models import Job
from services.cli.output import messages


@contextmanager
def upload_bar(path: Path, *, is_shown: bool) -> Iterator[Callable[[int], None]]:
    """Show how much of a file is sent; gives what must hear the bytes sent so far."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=messages(),
        transient=True,
        disable=not (is_shown and messages().is_terminal),
    ) as progress:
        total = path.stat().st_size if path.is_file() else None
        bar = progress.add_task(f"sending {path.name}", total=total)
        yield lambda sent: progress.update(bar, completed=sent)


def watch(client: Client, job: Job, seconds: float, *, is_shown: bool) -> Job:
    """Return a job when it is over, showing how far it is; raise `JobTooSlow` after so many seconds."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
        console=messages(),
        transient=True,
        disable=not (is_shown and messages().is_terminal),
    ) as progress:
        bar = progress.add_task(job.state, total=None, rows=0)

        def show(now: Job) -> None:
            progress.update(
                bar,
                description=now.state,
                total=now.bytes_total,
                completed=now.bytes_done,
                rows=now.rows_read,
            )

        return client.wait(job, seconds=seconds, on_progress=show)
