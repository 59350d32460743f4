"""Say what a benchmark found: as tables of text, as Markdown for the docs, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from tools.bench.comparison import Comparison
from tools.bench.cpu import CpuTime
from tools.bench.machine import Machine
from tools.bench.passing import GOAL_SECONDS, Passing
from tools.bench.peers import Peer
from tools.bench.scale import (
    GOAL_PEAK_BYTES,
    GOAL_PEAK_DRIFT,
    GOAL_TIME_RATIO,
    Scale,
)
from tools.bench.small import (
    GOAL_ALONE_SECONDS,
    GOAL_FILES_PER_SECOND,
    GOAL_JOBS_PER_SECOND,
    SmallJobs,
)

BEGIN = "<!-- written by ./dev bench --write: begin -->"
END = "<!-- written by ./dev bench --write: end -->"
_MB = 1_000_000


@dataclass(frozen=True)
class Table:
    """A table with a title; all cells are text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Report:
    """Everything that a benchmark measured; what was not asked for is empty."""

    machine: Machine
    pairs: int
    comparisons: list[Comparison] = field(default_factory=list)
    small: SmallJobs | None = None
    passing: Passing | None = None
    scales: list[Scale] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)

    def tables(self) -> list[Table]:
        """Return what there is to show."""
        return [
            *([_compared(self.comparisons)] if self.comparisons else []),
            *([_small(self.small)] if self.small else []),
            *([_passed(self.passing)] if self.passing else []),
            *([_scaled(self.scales)] if self.scales else []),
            *([_peers(self.peers)] if self.peers else []),
        ]

    def to_json(self) -> str:
        """Return every number, single runs too."""
        derived = [
            {
                **asdict(one),
                "ratio": one.ratio,
                "reached": one.reached,
                "rows_per_second": one.rows_per_second,
                "bytes_per_second": one.bytes_per_second,
            }
            for one in self.comparisons
        ]
        return json.dumps({**asdict(self), "comparisons": derived}, indent=2, ensure_ascii=False)

    def to_markdown(self) -> str:
        """Return the machine and the tables as Markdown."""
        return "\n".join([_describe(self.machine, self.pairs), *map(_markdown, self.tables())])


def write_into(document: Path, markdown: str) -> None:
    """Put the text between the markers of a document."""
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} needs the lines {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n\n{markdown}\n{END}{after}", encoding="utf-8")


def _compared(comparisons: Sequence[Comparison]) -> Table:
    header = (
        "case|rows|MB|psql s|ADSP s|ratio|goal|reached|rows/s|MB/s|peak MB (loader, process)"
        "|CPU s of Postgres and psql|CPU s of Postgres and loaders"
    )
    return Table(
        "Against `psql \\copy` of the clean file",
        header.split("|"),
        [
            (
                f"{one.name}: {one.what}",
                f"{one.rows:,}",
                f"{one.file_bytes / _MB:.0f}",
                f"{median(one.psql_seconds):.2f}",
                f"{median(one.job_seconds):.2f}",
                f"{one.ratio:.2f}",
                f"≤ {one.goal:.2f}",
                _yes(one.reached),
                f"{one.rows_per_second:,.0f}",
                f"{one.bytes_per_second / _MB:.1f}",
                f"{one.peak_loader_bytes / _MB:.0f}, {one.peak_process_bytes / _MB:.0f}",
                _cpu(one.psql_cpu),
                _cpu(one.job_cpu),
            )
            for one in comparisons
        ],
    )


def _cpu(runs: Sequence[CpuTime]) -> str:
    server, client = median(run.server for run in runs), median(run.client for run in runs)
    return f"{server:.2f} + {client:.2f}"


def _small(small: SmallJobs) -> Table:
    rate, alone = small.jobs_per_second, small.alone_median
    return Table(
        "Small jobs",
        ("case", "measured", "goal", "reached"),
        [
            (
                f"{small.files:,} files of 100 rows, 8 requests in flight",
                f"{rate:.1f} jobs/s",
                f"≥ {GOAL_JOBS_PER_SECOND:.0f}",
                _yes(rate >= GOAL_JOBS_PER_SECOND),
            ),
            ("CPU of one of these jobs", _cpu_of_job(small), "", ""),
            (
                f"the same {small.files:,} files as one job (`match: all`)",
                f"{small.files_per_second:.0f} files/s",
                f"≥ {GOAL_FILES_PER_SECOND:.0f}",
                _yes(small.files_per_second >= GOAL_FILES_PER_SECOND),
            ),
            (
                f"one such job alone, p50 of {len(small.alone_seconds)}",
                f"{alone * 1000:.0f} ms",
                f"≤ {GOAL_ALONE_SECONDS * 1000:.0f} ms",
                _yes(alone <= GOAL_ALONE_SECONDS),
            ),
        ],
    )


def _cpu_of_job(small: SmallJobs) -> str:
    each = {name: 1000 * spent / small.files for name, spent in small.cpu_seconds.items()}
    parts = ", ".join(f"{name} {spent:.0f}" for name, spent in each.items())
    return f"{sum(each.values()):.0f} ms: {parts}"


def _passed(passing: Passing) -> Table:
    longest = max(passing.seconds)
    what = (
        f"{len(passing.seconds)} jobs of 10 kB in turn while {passing.large_jobs} jobs of {passing.large_rows:,} "
        "rows load, half of them in chunks: p50, longest"
    )
    return Table(
        "Small jobs beside large ones",
        ("case", "measured", "goal", "reached"),
        [
            (
                what,
                f"{passing.median:.2f} s, {longest:.2f} s",
                f"≤ {GOAL_SECONDS:.0f} s",
                _yes(longest <= GOAL_SECONDS),
            )
        ],
    )


def _scaled(scales: Sequence[Scale]) -> Table:
    rows = []
    for one in scales:
        small, large = (f"{rows / 1e6:g} M" for rows in one.rows)
        peaks = [size / _MB for size in one.peak_loader_bytes]
        rows += [
            (
                f"{one.name}: time at {large} / time at {small} rows",
                f"{_of_times(one.seconds, one.time_ratio)}; psql: {_of_times(one.psql_seconds, one.psql_ratio)}",
                f"≤ {GOAL_TIME_RATIO}",
                _yes(one.time_ratio <= GOAL_TIME_RATIO),
            ),
            (
                f"{one.name}: peak memory of one loader at {small} and at {large} rows",
                f"{peaks[0]:.0f} MB, {peaks[1]:.0f} MB ({one.drift:.0%} apart)",
                f"≤ {GOAL_PEAK_BYTES / _MB:.0f} MB, within {GOAL_PEAK_DRIFT:.0%}",
                _yes(
                    max(one.peak_loader_bytes) <= GOAL_PEAK_BYTES and one.drift <= GOAL_PEAK_DRIFT
                ),
            ),
        ]
    return Table("Larger files", ("case", "measured", "goal", "reached"), rows)


def _of_times(seconds: tuple[float, float], ratio: float) -> str:
    return f"{seconds[1]:.1f} s / {seconds[0]:.1f} s = {ratio:.2f}"


def _peers(peers: Sequence[Peer]) -> Table:
    return Table(
        "Other tools, one file with 1 % bad rows into `items`",
        ("tool", "rows in the file", "rows loaded", "rows accounted for", "s", "remark"),
        [
            (
                one.name,
                f"{one.rows:,}",
                "" if one.loaded is None else f"{one.loaded:,}",
                "" if one.accounted is None else f"{one.accounted:,}",
                "" if one.seconds is None else f"{one.seconds:.1f}",
                one.remark,
            )
            for one in peers
        ],
    )


def _yes(reached: bool) -> str:  # noqa: FBT001  # its only meaning
    return "yes" if reached else "no"


def _describe(machine: Machine, pairs: int) -> str:
    settings = dict(machine.postgres)
    version = settings.pop("server_version", "?")
    shown = ", ".join(f"`{name}` {value}" for name, value in settings.items())
    return (
        f"{machine.date}, commit {machine.commit}: {machine.processor}, {machine.cores} cores, "
        f"{machine.memory_bytes / (1 << 30):.0f} GiB, Linux {machine.kernel}, PostgreSQL {version} "
        f"({shown}); {pairs} pair{'s' if pairs != 1 else ''} a case.\n"
    )


def _markdown(table: Table) -> str:
    lines = [table.header, ["---"] * len(table.header), *table.rows]
    body = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    return f"**{table.title}**\n\n{body}\n"
