"""The command that measures: bench."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from tools.bootstrap.locations import ROOT
from tools.tasks.errors import plain_errors

if TYPE_CHECKING:
    from tools.bench.report import Report

DOCUMENT = ROOT / "docs" / "benchmarks.md"

_WIDTH = 150


@task(
    help={
        "rows": "Rows of the files; 5,000,000 by default, of --short 100,000.",
        "pairs": "How many times each case and psql run in turn; 3 by default, of --short 1.",
        "cases": "Only these, with commas between; a wrong one gets the list. Or none.",
        "scale": "Load files of four times the rows as well: time and memory (slow).",
        "shapes": "Only tables of other shapes: narrow, wide, texts, types without a codec.",
        "daily": "Only the files of a full table of which little has changed.",
        "files": "Only small files: as many jobs, one alone, one over all of them, and beside large ones.",
        "peers": "Load a smaller file with bad rows with other tools that are installed.",
        "ledger": "Only what a ledger of two million ended jobs (or --rows) costs: sweeps, plans, scrapes, pages.",
        "small_files": "Files of the small jobs; fewer make a quick try.",
        "short": "100,000 rows and one pair: to see that it works, not how fast.",
        "write": "Put the tables into docs/benchmarks.md.",
        "json": "Write every number into this file.",
    }
)
def bench(  # noqa: PLR0913 - the options of a command
    _context: Context,
    *,
    rows: int = 0,
    pairs: int = 0,
    cases: str = "",
    shapes: bool = False,
    daily: bool = False,
    files: bool = False,
    scale: bool = False,
    peers: bool = False,
    ledger: bool = False,
    small_files: int = 0,
    short: bool = False,
    write: bool = False,
    json: str = "",
) -> None:
    """Measure jobs beside psql, on a stack of its own: time, memory, small jobs."""
    from tools.bench.cases import NAMES
    from tools.bench.long_history import JOBS, measure_long_history
    from tools.bench.program import Plan, run_bench
    from tools.bench.report import write_into
    from tools.bootstrap.system_packages import ensure_rabbitmq

    ensure_rabbitmq()
    if ledger:
        with plain_errors():
            measure_long_history(rows or JOBS)
        return
    with plain_errors():
        plan = Plan.short() if short else Plan()
        plan = replace(
            plan,
            rows=rows or plan.rows,
            pairs=pairs or plan.pairs,
            small_files=small_files or plan.small_files,
            cases=_chosen(shapes=shapes, daily=daily, files=files) or _names(cases, NAMES),
        )
        report = run_bench(replace(plan, scale=scale, peers=peers), print)
    _show(report)
    if json:
        Path(json).write_text(report.to_json(), encoding="utf-8")
    if write:
        write_into(DOCUMENT, report.to_markdown())


def _chosen(*, shapes: bool, daily: bool, files: bool) -> tuple[str, ...]:
    """Return the cases of the groups that were asked for."""
    from tools.bench.cases import DAILY, PASSING, SHAPED, SMALL

    chosen = (*(SHAPED if shapes else ()), *(DAILY if daily else ()))
    return (*(case.name for case in chosen), *([SMALL, PASSING] if files else []))


def _names(cases: str, known: tuple[str, ...]) -> tuple[str, ...]:
    if not cases:
        return known
    return () if cases == "none" else tuple(cases.split(","))


def _show(report: "Report") -> None:
    """Print the tables, at least as wide as they need to be read."""
    from rich.console import Console
    from rich.table import Table

    wide = Console(width=max(Console().width, _WIDTH))
    for found in report.tables():
        table = Table(*found.header, title=found.title)
        for row in found.rows:
            table.add_row(*row)
        wide.print(table)
