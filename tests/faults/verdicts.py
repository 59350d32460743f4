"""Compare what is in Postgres with what must be there, row by row."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from libs.common.states import LOADED_STATES
from tests.endtoend.system import System
from tests.faults.clients import Accepted, Feed
from tests.faults.contents import Content, Row


@dataclass
class Verdict:
    """What is wrong; all zero and empty when nothing is."""

    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing is wrong."""
        return not (self.lost or self.duplicated or self.unexpected or self.faults)

    def add(self, other: "Verdict") -> None:
        """Add another verdict's findings."""
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.unexpected += other.unexpected
        self.faults += other.faults

    def __str__(self) -> str:
        """Return the one line that counts, and what else was found."""
        counts = f"lost={self.lost} duplicated={self.duplicated} unexpected={self.unexpected}"
        return "\n".join([counts, *(f"  {fault}" for fault in self.faults)])


def judge(system: System, accepted: Iterable[Accepted]) -> Verdict:
    """Judge the tables, the ledger and the failed rows of these jobs, all of which are over."""
    verdict = Verdict()
    by_feed: dict[str, list[Accepted]] = defaultdict(list)
    for each in accepted:
        by_feed[each.feed.name].append(each)
    with closing(psycopg2.connect(system.database.dsn_for("owner"))) as connection:
        for jobs in by_feed.values():
            _judge_rows(connection, jobs[0].feed, [job.content for job in jobs], verdict)
            _judge_jobs(connection, jobs, verdict)
    return verdict


def _judge_rows(connection: Any, feed: Feed, contents: list[Content], verdict: Verdict) -> None:
    """Count rows that are missing, there too often, or not of this feed's files."""
    distinct = list({content.path: content for content in contents}.values())
    if feed.definition["mode"] == "replace":
        distinct = distinct[-1:]
    expected: Counter[Row] = Counter()
    for content in distinct:
        expected += content.rows
    found = Counter(
        (sku, name, str(price), quantity)
        for sku, name, price, quantity in _query(
            connection, f"SELECT sku, name, price, quantity FROM {feed.table}"
        )
    )
    verdict.lost += (expected - found).total()
    for row, count in (found - expected).items():
        if row in expected:
            verdict.duplicated += count
        else:
            verdict.unexpected += count


def _judge_jobs(connection: Any, jobs: list[Accepted], verdict: Verdict) -> None:
    """See that each content was loaded by one job, whose counts and failed rows are exact."""
    loaders: dict[str, list[str]] = defaultdict(list)
    for each in jobs:
        [(state, error, *counts)] = _query(
            connection,
            "SELECT state, error_message, rows_loaded, rows_rejected, rows_superseded"
            " FROM adsp.jobs WHERE id = %s",
            each.job_id,
        )
        name = f"{each.feed.name} {each.content.path.name} job {each.job_id}"
        if state in LOADED_STATES:
            loaders[each.content.path.name].append(each.job_id)
            if tuple(counts) != each.content.counts:
                verdict.faults.append(f"{name}: counts {counts}, expected {each.content.counts}")
            _judge_failed_rows(connection, each, name, verdict)
        elif state != "duplicate":
            verdict.faults.append(f"{name}: ended as {state}: {error}")
    for each in jobs:
        if len(loaders[each.content.path.name]) != 1:
            ids = loaders[each.content.path.name]
            verdict.faults.append(f"{each.content.path.name} was loaded by {len(ids)} jobs: {ids}")


def _judge_failed_rows(connection: Any, job: Accepted, name: str, verdict: Verdict) -> None:
    found = _query(
        connection,
        "SELECT line_number, error_code FROM adsp.failed_rows WHERE job_id = %s",
        job.job_id,
    )
    if sorted(found) != sorted(job.content.failed.items()):
        verdict.faults.append(
            f"{name}: {len(found)} failed rows, expected {len(job.content.failed)}; "
            f"{set(found) ^ set(job.content.failed.items())}"
        )


def _query(connection: Any, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
