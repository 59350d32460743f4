"""Take Postgres advisory locks of a transaction: a killed worker leaves none behind, also not with a pooler.

Nothing here belongs to a session: behind pgbouncer in transaction mode the next statement may run on another one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import ARRAY, Engine, String, bindparam, text
from sqlalchemy.orm import Session

_KEY = "hashtextextended(:name, 0)"
# The holding transaction stands idle for as long as a plan takes; a role's limits are not meant for it.
_WITHOUT_LIMITS = text(
    "SELECT set_config('idle_in_transaction_session_timeout', '0', true), set_config('transaction_timeout', '0', true)"
)
_TRY = text(f"SELECT pg_try_advisory_xact_lock({_KEY})")
_TRY_BOUND = text(
    f"SELECT pg_try_advisory_xact_lock({_KEY}),"
    " set_config('idle_in_transaction_session_timeout', (1000 * :seconds)::text, true)"
)
# In one order for everybody: nobody waits for a lock while he holds one that its holder wants.
_TAKE_ALL = text(
    "SELECT pg_advisory_xact_lock(key),"
    " set_config('idle_in_transaction_session_timeout', (1000 * :seconds)::text, true)"
    " FROM (SELECT hashtextextended(name, 0) AS key FROM unnest(:names) AS name ORDER BY key OFFSET 0) AS keys"
).bindparams(bindparam("names", type_=ARRAY(String)))

IDLE_SECONDS = 300
"""How long a transaction that holds a lock may stand idle. Postgres ends it then: its process is frozen."""


@contextmanager
def holding(engine: Engine, name: str) -> Iterator[bool]:
    """Hold the lock called `name` while the block runs, if it is free; yield whether it is.

    A transaction of its own holds it, on a second connection.
    """
    with engine.connect() as connection:
        connection.execute(_WITHOUT_LIMITS)
        yield bool(connection.scalar(_TRY, {"name": name}))


def advisory_xact_lock(session: Session, *names: str) -> None:
    """Wait until no other transaction holds one of these locks; held until this one ends or is idle too long."""
    session.execute(_TAKE_ALL, {"names": list(names), "seconds": IDLE_SECONDS})


def try_to_take(session: Session, name: str, idle_seconds: int = IDLE_SECONDS) -> bool:
    """Return whether the lock called `name` was free; then this transaction holds it until it ends.

    Postgres ends it when it stands idle for longer than `idle_seconds`.
    """
    return bool(session.scalar(_TRY_BOUND, {"name": name, "seconds": idle_seconds}))
