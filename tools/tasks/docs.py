"""Make the reference: it is written from the code, and kept in git as pages to read."""

from invoke.context import Context
from invoke.tasks import task


@task
def docs(_context: Context) -> None:
    """Write docs/reference from the code: settings, metrics, events, error codes, commands."""
    from tools.reference.pages import FOLDER, write

    print(f"{FOLDER}: {', '.join(write()) or 'nothing'} changed")
