"""Commit the chunks of a job in their order where that matters: each waits for its turn, or gives way (decision 5)."""

from time import monotonic, sleep

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from services.loader.leasing.chunks import ChunkKey, find_turn
from services.loader.leasing.lease import Heartbeat

_POLL_SECONDS = 0.05
"""Seconds between two looks at the chunks before one that is written."""
_LONGEST_HOLD_UP = 1.0
"""Seconds that a chunk before may wait for a lock; what is written here may be what it waits for."""


class ChunkYielded(Exception):
    """The chunk can only be loaded once those before it are done."""


def is_its_turn(loading: Connection, key: ChunkKey) -> bool:
    """Return whether all chunks before this one are done."""
    with loading.cursor() as cursor:
        return find_turn(cursor, key).is_now


def wait_for_turn(cursor: Cursor, key: ChunkKey, heartbeat: Heartbeat) -> None:
    """Return when the chunks before this one are done; raises `ChunkYielded` when they would wait for this one."""
    last_free = monotonic()
    while not (turn := find_turn(cursor, key)).is_now:
        heartbeat.check()
        if not turn.are_loaded:
            raise ChunkYielded("nobody loads a chunk before it")
        if not turn.is_held_up:
            last_free = monotonic()
        elif monotonic() - last_free > _LONGEST_HOLD_UP:
            raise ChunkYielded("a chunk before it waits for a lock")
        sleep(_POLL_SECONDS)
