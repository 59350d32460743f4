"""Compare what is in Postgres with what must be there, row by row."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from libs.common.enums import LOADED_STATES, JobState
from tests.endtoend.system import System
from tests.faults.harness.clients import Accepted, Feed
from tests.faults.harness.contents import Row
from tests.faults.harness.deliveries import Ended, replay_ends


@dataclass
class Verdict:
    """What is wrong; all zero and empty when nothing is."""

    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Return whether nothing is wrong."""
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
            feed = jobs[0].feed
            ended = [_judge_job(connection, job, verdict) for job in jobs]
            rows, wrong = replay_ends(feed.definition["mode"], ended)
            verdict.faults += wrong
            _judge_rows(connection, feed, rows, verdict)
    return verdict


def _judge_rows(connection: Any, feed: Feed, expected: Counter[Row], verdict: Verdict) -> None:
    """Count rows that are missing, there too often, or not of this feed's files."""
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


def _judge_job(connection: Any, job: Accepted, verdict: Verdict) -> Ended:
    """See that the counts and failed rows of a job are exact; return how it ended."""
    [(state, code, error, data_date, force, finished_at, *counts)] = _query(
        connection,
        "SELECT state, error_code, error_message, data_date, force, finished_at,"
        " rows_loaded, rows_rejected, rows_superseded FROM adsp.jobs WHERE id = %s",
        job.job_id,
    )
    name = f"{job.feed.name} {job.content.path.name} job {job.job_id}"
    if state in LOADED_STATES:
        if tuple(counts) != job.content.counts:
            verdict.faults.append(f"{name}: counts {counts}, expected {job.content.counts}")
        _judge_failed_rows(connection, job, name, verdict)
    # A small file may have bad records alone: whether that is so, the sequential loader says.
    elif state not in {JobState.DUPLICATE, JobState.OUTDATED} and code != "nothing-good":
        verdict.faults.append(f"{name}: ended as {state}: {error}")
    return Ended(job.job_id, job.content, data_date, force, state, finished_at)


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
