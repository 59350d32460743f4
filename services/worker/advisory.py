"""Take Postgres advisory locks: they end with their connection, so a killed worker leaves none behind."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

_KEY = "hashtextextended(:name, 0)"


@contextmanager
def only_one(engine: Engine, name: str) -> Iterator[bool]:
    """Yield whether this process alone holds the lock called `name`, until the block ends."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        mine = connection.scalar(text(f"SELECT pg_try_advisory_lock({_KEY})"), {"name": name})
        try:
            yield bool(mine)
        finally:
            if mine:
                connection.execute(text(f"SELECT pg_advisory_unlock({_KEY})"), {"name": name})


def take_turns(session: Session, name: str) -> None:
    """Wait until no other transaction holds the lock called `name`; held until this one ends."""
    session.execute(text(f"SELECT pg_advisory_xact_lock({_KEY})"), {"name": name})
