"""Read what the ledger says, in one snapshot, for Prometheus.

Everything that must survive a restart is read here and nowhere counted: losing a process loses no number.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, text

from libs.common.errors import SystemFault
from libs.common.settings import DatabaseSettings
from libs.common.statements import read_statement

Row = Mapping[str, Any]

STATEMENT_MS = 2_000
DEADLINE_SECONDS = 6.0
"""Prometheus waits ten seconds for a scrape; a slow ledger must not take the process's own numbers with it."""


class ReadingTooSlow(SystemFault):
    """The ledger did not answer all questions in time."""


@dataclass(frozen=True)
class Readings:
    """The rows of each statement of this folder."""

    datasets: Sequence[Row]
    totals: Sequence[Row]
    failed_rows: Sequence[Row]
    open_failed_rows: Sequence[Row]
    jobs_in_progress: Sequence[Row]
    chunks_in_progress: Sequence[Row]
    outbox: Sequence[Row]


def make_reader(settings: DatabaseSettings) -> Engine:
    """Return an engine that connects for each reading alone: a pool of processes forks from this one."""
    return create_engine(
        settings.database_url,
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",
        connect_args={
            "connect_timeout": settings.database_connect_timeout,
            "application_name": "adsp-metrics",
            "options": f"-c timezone=UTC -c default_transaction_read_only=on -c statement_timeout={STATEMENT_MS}",
            "tcp_user_timeout": int(DEADLINE_SECONDS * 1000),
        },
    )


def read_ledger(reader: Engine) -> Readings:
    """Read everything; raises sqlalchemy's errors, or `ReadingTooSlow`."""
    end = time.monotonic() + DEADLINE_SECONDS
    with reader.connect() as connection:

        def rows(name: str) -> Sequence[Row]:
            if time.monotonic() > end:
                raise ReadingTooSlow(f"not all was read within {DEADLINE_SECONDS} s")
            statement = text(read_statement("services.worker.ledger", name))
            return [dict(row) for row in connection.execute(statement).mappings()]

        return Readings(**{name: rows(name) for name in Readings.__dataclass_fields__})
