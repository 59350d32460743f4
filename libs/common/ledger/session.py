"""Open the ledger: one engine per process, sessions from it, made where a service is wired."""

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from libs.common.settings import DatabaseSettings

UNANSWERED_MS = (
    30_000  # a request over a dead network ends after this; keepalives see idle ones only
)

_DO_NOT_WAIT = text("SET LOCAL synchronous_commit TO off")


def make_engine(
    settings: DatabaseSettings,
    application_name: str,
    *,
    lock_timeout: float = 0,
    statement_timeout: float = 0,
) -> Engine:
    """Make the process's engine; `application_name` shows in pg_stat_activity.

    No statement waits longer than `lock_timeout` seconds for what another session has locked, or runs longer than
    `statement_timeout` seconds; 0: without a bound.
    Connections are checked before use, so that a restarted Postgres costs no request.
    """
    return create_engine(
        settings.database_url,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_connect_timeout,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": settings.database_connect_timeout,
            "application_name": application_name,
            "options": f"-c timezone=UTC -c lock_timeout={int(lock_timeout * 1000)}"
            f" -c statement_timeout={int(statement_timeout * 1000)}",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": UNANSWERED_MS,
        },
    )


def make_sessions(bind: Engine | Connection) -> sessionmaker[Session]:
    """Make the factory of sessions; objects stay readable after their commit.

    Those on one connection must not overlap.
    """
    return sessionmaker(bind, expire_on_commit=False)


def commit_without_waiting(session: Session) -> None:
    """Let this transaction's commit not wait for the disk.

    Others see it at once and no later commit is on disk without it; a crash of Postgres within a second
    may undo it. For what is then done again: steps that the ledger repeats, notes about messages.
    """
    session.execute(_DO_NOT_WAIT)
