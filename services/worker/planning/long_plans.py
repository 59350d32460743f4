"""Keep a worker free for what is short while it plans large files.

To plan reads the whole file, for minutes where it is large. Finishes, ticks and sweeps go through the same children
of a worker, so all of them but one may plan large files at a time; what finds no room is planned later.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from libs.common.ledger.advisory_locks import holding_one
from services.worker.dependencies import WorkerContext

WAIT_SECONDS = 2.0


class NoRoomToPlan(Exception):
    """All children that may plan large files do so already."""


@contextmanager
def room_for_plan(worker: WorkerContext, size: int) -> Iterator[None]:
    """Take one of this worker's places for plans of large files while the block runs; `size` in bytes.

    Raises `NoRoomToPlan`. The place is an advisory lock, so that a child that is killed leaves none taken.
    """
    if size < worker.settings.long_plan_bytes:
        yield
        return
    pool = f"{socket.gethostname()}:{os.getppid()}"
    numbers = range(max(1, worker.settings.worker_concurrency - 1))
    places = [f"adsp.long-plan:{pool}:{number}" for number in numbers]
    with holding_one(worker.engine, *places) as place:
        if place is None:
            raise NoRoomToPlan
        yield
