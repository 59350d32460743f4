"""Make Grafana's dashboards: they are written by code, and kept in git as the files that Grafana reads."""

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task


@task(help={"check": "Write nothing; exit 1 when a file is not as the code makes it."})
def dashboards(_context: Context, check: bool = False) -> None:  # noqa: FBT001, FBT002
    """Write Grafana's dashboards from their code into infra/grafana/dashboards."""
    from tools.dashboards.files import FOLDER, differing, write

    if check and (stale := differing()):
        raise Exit(f"not as the code makes them: {', '.join(stale)}; run ./dev dashboards", code=1)
    if not check:
        changed = write()
        print(f"{FOLDER}: {', '.join(changed) or 'nothing'} changed")
