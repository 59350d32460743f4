"""Make identifiers that sort by the time they were made, so that lists and indexes stay in order."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION = 7


def uuid7() -> UUID:
    """Return a version 7 UUID: 48 bits of Unix milliseconds, then random bits (RFC 9562, section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    random_a = secrets.randbits(12)
    random_b = secrets.randbits(62)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | random_a << 64 | 0b10 << 62 | random_b)


def earliest_uuid7(moment: datetime) -> UUID:
    """Return the least of all version 7 UUIDs that can be made at a moment: all earlier ones sort before it."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62)


def made_at(value: UUID) -> datetime:
    """Return when a version 7 UUID was made, to the millisecond; raises ValueError for any other."""
    if value.version != _VERSION:
        raise ValueError(f"{value} is no version 7 UUID and tells no time")
    return _EPOCH + timedelta(milliseconds=value.int >> 80)
