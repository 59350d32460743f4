"""Open the ledger: one engine per process, sessions from it, made where a service is wired."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.orm import Session, sessionmaker

from libs.common.postgres.backends import backend_of
from libs.common.postgres.hosts import DatabaseHosts
from libs.common.postgres.patience import connect_patiently
from libs.common.postgres.silence import CLIENT_SIDE, SERVER_SIDE, UNANSWERED_MS, as_options
from libs.common.settings import DatabaseSettings

_READ_ONLY = "25006"
_IS_POOLED = "adsp_is_pooled"
_DO_NOT_WAIT = text("SET LOCAL synchronous_commit TO off")


def make_engine(
    settings: DatabaseSettings,
    application_name: str,
    *,
    lock_timeout: float = 0,
    statement_timeout: float = 0,
    patience: float = 0,
) -> Engine:
    """Make the process's engine; `application_name` shows in pg_stat_activity.

    No statement waits longer than `lock_timeout` seconds for what another session has locked, or runs longer than
    `statement_timeout` seconds; 0: without a bound. To reach Postgres is tried again for `patience` seconds.
    Connections are checked before use, so that a restarted Postgres costs no request.
    """
    limits = {
        "timezone": "UTC",
        "lock_timeout": str(int(lock_timeout * 1000)),
        "statement_timeout": str(int(statement_timeout * 1000)),
    }
    engine = create_engine(
        settings.database_url,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_connect_timeout,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": settings.database_connect_timeout,
            "application_name": application_name,
            "options": as_options({**limits, **SERVER_SIDE}),
            "tcp_user_timeout": UNANSWERED_MS,
            **CLIENT_SIDE,
        },
    )
    follow_the_primary(engine, patience)
    repeat_behind_a_pooler(engine, limits)
    return engine


def follow_the_primary(engine: Engine, patience: float = 0) -> None:
    """Connect to the host that takes changes, and give up what leads to one that does not any more.

    To connect is tried again for `patience` seconds.
    """
    hosts = DatabaseHosts()

    @event.listens_for(engine, "do_connect")
    def connect(
        _dialect: Any, _record: Any, _arguments: Sequence[Any], parameters: dict[str, Any]
    ) -> Any:
        return connect_patiently(partial(hosts.connect, parameters), patience)

    @event.listens_for(engine, "handle_error")
    def give_up(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, psycopg2.Error) and error.pgcode == _READ_ONLY:
            # A standby answers as ever, so that no check before use would find it.
            context.is_disconnect = True


def repeat_behind_a_pooler(engine: Engine, limits: dict[str, str]) -> None:
    """Set in each transaction what a pooler has not passed on: with it there is no session to set it for."""
    statement = "".join(f"SET LOCAL {name} TO '{value}';" for name, value in limits.items())

    @event.listens_for(engine, "connect")
    def look(connection: Any, record: Any) -> None:  # psycopg2's and SQLAlchemy's own
        record.info[_IS_POOLED] = backend_of(connection) != connection.info.backend_pid
        connection.rollback()

    @event.listens_for(engine, "begin")
    def repeat(connection: Connection) -> None:
        if connection.connection.info.get(_IS_POOLED):
            connection.exec_driver_sql(statement)


def make_sessions(bind: Engine | Connection) -> sessionmaker[Session]:
    """Make the factory of sessions; objects stay readable after their commit.

    Those on one connection must not overlap.
    """
    return sessionmaker(bind, expire_on_commit=False)


def commit_without_waiting(session: Session) -> None:
    """Let this transaction's commit not wait for the disk.

    Others see it at once and no later commit is on disk, or on a standby, without it; a crash of Postgres within
    a second, or a failover, may undo it. For what is then done again: steps that the ledger repeats, notes about
    messages.
    """
    session.execute(_DO_NOT_WAIT)
