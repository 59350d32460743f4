"""Read what the ledger says, in one snapshot, for Prometheus.

Everything that must survive a restart is read here and nowhere counted: losing a process loses no number.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from libs.common.errors import SystemFault
from libs.common.ledger.session import follow_the_primary, repeat_behind_a_pooler
from libs.common.postgres.silence import SERVER_SIDE, as_options
from libs.common.settings import DatabaseSettings
from libs.common.sql_files import statement

Row = Mapping[str, Any]

READINGS = (
    "totals",
    "failed_rows",
    "jobs_in_progress",
    "chunks_in_progress",
    "outbox",
    "datasets",
    "open_failed_rows",
)
"""Each a statement of this folder; the ones that might take long come last."""

STATEMENT_MS = 1_000
DEADLINE_SECONDS = 8.0
"""Prometheus waits ten seconds for a scrape; a slow ledger must not take the process's own numbers with it."""


class ReadingTooSlow(SystemFault):
    """The ledger did not answer the questions before in time."""


@dataclass(frozen=True)
class Readings:
    """The names of the datasets, and what each reading that did not fail has found."""

    names: Sequence[str]
    rows: Mapping[str, Sequence[Row]]
    failures: Mapping[str, Exception]


def make_reader(settings: DatabaseSettings) -> Engine:
    """Return an engine that connects for each reading alone: a pool of processes forks from this one."""
    limits = {
        "timezone": "UTC",
        "statement_timeout": str(STATEMENT_MS),
        # The last of many jobs stands at the end of an index. Before Postgres has counted them it takes them for few,
        # and would read and sort all.
        "enable_sort": "off",
        "enable_bitmapscan": "off",
    }
    engine = create_engine(
        settings.database_url,
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",
        # By transaction: a session that takes no changes would be refused where the URL asks for one that does.
        execution_options={"postgresql_readonly": True},
        connect_args={
            "connect_timeout": settings.database_connect_timeout,
            "application_name": "adsp-metrics",
            "options": as_options({**limits, **SERVER_SIDE}),
            "tcp_user_timeout": int(DEADLINE_SECONDS * 1000),
        },
    )
    follow_the_primary(engine)
    repeat_behind_a_pooler(engine, limits)
    return engine


def read_ledger(reader: Engine) -> Readings:
    """Read everything in one snapshot; what fails takes nothing else with it.

    Raises sqlalchemy's errors when not even the names of the datasets can be read.
    """
    end = time.monotonic() + DEADLINE_SECONDS
    rows: dict[str, Sequence[Row]] = {}
    failures: dict[str, Exception] = {}
    with reader.connect() as connection:
        names = sorted(row["dataset"] for row in _read(connection, "names"))
        for name in READINGS:
            try:
                if time.monotonic() > end:
                    raise ReadingTooSlow(f"not all was read within {DEADLINE_SECONDS} s")
                with connection.begin_nested():
                    rows[name] = _read(connection, name)
            except (SQLAlchemyError, ReadingTooSlow) as exc:
                failures[name] = exc
    return Readings(names, rows, failures)


def _read(connection: Connection, name: str) -> Sequence[Row]:
    return [dict(row) for row in connection.execute(statement(__package__, name)).mappings()]
