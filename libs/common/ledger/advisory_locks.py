"""Take Postgres advisory locks: they end with their connection, so a killed worker leaves none behind."""

from sqlalchemy import text
from sqlalchemy.orm import Session

_KEY = "hashtextextended(:name, 0)"


def try_to_hold(session: Session, name: str) -> bool:
    """Tell whether the session's connection could take the lock called `name`, which it keeps until `let_go`."""
    return bool(session.scalar(text(f"SELECT pg_try_advisory_lock({_KEY})"), {"name": name}))


def let_go(session: Session, name: str) -> None:
    """Release a lock that the session's connection holds."""
    session.execute(text(f"SELECT pg_advisory_unlock({_KEY})"), {"name": name})


def take_turns(session: Session, name: str) -> None:
    """Wait until no other transaction holds the lock called `name`; held until this one ends."""
    session.execute(text(f"SELECT pg_advisory_xact_lock({_KEY})"), {"name": name})


def try_to_take(session: Session, name: str) -> bool:
    """Tell whether the lock called `name` was free; then this transaction holds it until it ends."""
    return bool(session.scalar(text(f"SELECT pg_try_advisory_xact_lock({_KEY})"), {"name": name}))
