"""Give each test process a numbered database of the shared Valkey to itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from libs.devstack.addresses import StackAddresses
from libs.devstack.errors import StackError
from libs.devstack.file_locks import EXCLUSIVE, try_hold
from libs.devstack.valkey import DATABASES

SLOT_VARIABLE = "ADSP_TEST_SLOT"


@contextmanager
def redis_slot(locks: Path) -> Iterator[int]:
    """Hold the first free number, looking from the slot that the test runner names, if it does."""
    first = int(os.environ.get(SLOT_VARIABLE, "0"))
    for offset in range(DATABASES):
        number = (first + offset) % DATABASES
        descriptor = try_hold(locks / f"{number}.lock", EXCLUSIVE)
        if descriptor is not None:
            try:
                yield number
            finally:
                os.close(descriptor)
            return
    raise StackError(f"all {DATABASES} Valkey databases of the test stack are in use")


def flush(addresses: StackAddresses, number: int) -> None:
    """Remove every key of one numbered database."""
    with Redis.from_url(addresses.redis_url(number)) as client:
        client.flushdb()
