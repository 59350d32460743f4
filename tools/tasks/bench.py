"""The command that measures: bench."""

from dataclasses import replace
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task
from rich.console import Console
from rich.table import Table

from tools.bench.cases import NAMES, ROWS
from tools.bench.program import Plan, run_bench
from tools.bench.report import Report, write_into
from tools.bootstrap.system_packages import ensure_rabbitmq
from tools.local_env.layout import REPOSITORY
from tools.tasks.stack import plain_errors

DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"

_WIDTH = 150

console = Console()


@task(
    help={
        "rows": "Rows of the files.",
        "pairs": "How many times each case and psql run in turn.",
        "cases": f"Only these, with commas between: {', '.join(NAMES)}; or none.",
        "scale": "Load files of four times the rows as well: time and memory (slow).",
        "peers": "Load a smaller file with bad rows with other tools that are installed.",
        "small_files": "Files of the small jobs; fewer make a quick try.",
        "short": "100,000 rows and one pair: to see that it works, not how fast.",
        "write": "Put the tables into docs/benchmarks.md.",
        "json": "Write every number into this file.",
    }
)
def bench(  # noqa: PLR0913 - the options of a command
    _context: Context,
    *,
    rows: int = ROWS,
    pairs: int = 3,
    cases: str = "",
    scale: bool = False,
    peers: bool = False,
    small_files: int = 0,
    short: bool = False,
    write: bool = False,
    json: str = "",
) -> None:
    """Measure jobs beside psql, on a stack of its own: time, memory, small jobs."""
    ensure_rabbitmq()
    with plain_errors():
        names = _names(cases)
        plan = Plan.short() if short else Plan(rows=rows, pairs=pairs)
        plan = replace(plan, small_files=small_files or plan.small_files)
        report = run_bench(replace(plan, cases=names, scale=scale, peers=peers), console.print)
    _show(report)
    if json:
        Path(json).write_text(report.to_json(), encoding="utf-8")
    if write:
        write_into(DOCUMENT, report.to_markdown())


def _names(cases: str) -> tuple[str, ...]:
    if not cases:
        return NAMES
    return () if cases == "none" else tuple(cases.split(","))


def _show(report: Report) -> None:
    """Print the tables, at least as wide as they need to be read."""
    wide = Console(width=max(console.width, _WIDTH))
    for found in report.tables():
        table = Table(*found.header, title=found.title)
        for row in found.rows:
            table.add_row(*row)
        wide.print(table)
