"""Name everything that can go wrong, once, for every service.

    AdspError
    ├── BadInput            the caller or the file is at fault; carries a stable code and how to fix it
    │   ├── NotFound        a named thing does not exist
    │   ├── Conflict        the request contradicts what is already recorded
    │   ├── GuardTripped    a guard of the dataset stands against the load
    │   └── SourceError     the source cannot be loaded as it is
    │       ├── SourceUnsettled  the source is still being written; try again later
    │       │   └── SourceSettling  it has not been seen unchanged for long enough
    │       └── HeaderError      the header does not fit the target table
    │           └── HeaderMisfit      cells of it fit no columns
    └── SystemFault         ADSP or a server it needs is at fault; retried from the ledger
        ├── PublishFault    RabbitMQ did not confirm a message in time
        └── LeaseLost       another loader may own the chunk now; this one must stop

Bad input becomes a value at the edge (a problem+json answer, a job's ``error``); a system fault stays
an exception. Messages say what is wrong and how to fix it.
"""

from typing import ClassVar

MESSAGE_LIMIT = 2_000
"""Characters of a message: it may repeat what a user has given, of any size (rule 12)."""
LONG_MESSAGE_LIMIT = 8_000
"""Of one that holds a document to paste, such as a map of a hundred header cells."""

_KEPT_END = 500


def cut_message(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return the message in at most `limit` characters: of a longer one start and end, where its cure is."""
    if len(message) <= limit:
        return message
    start = message[: limit - _KEPT_END - 100]
    end = message[-_KEPT_END:]
    left_out = len(message) - len(start) - len(end)
    return f"{start} … ({left_out:,} characters left out) … {end}"


class AdspError(Exception):
    """Root of every error that ADSP raises on purpose."""


class BadInput(AdspError):
    """Something given to ADSP cannot be accepted.

    `code` is the stable kebab-case name used as problem type and as a failed job's error code;
    `message` says what is wrong and how to fix it; it is cut.
    """

    limit: ClassVar[int] = MESSAGE_LIMIT

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = cut_message(message, self.limit)
        super().__init__(self.message)


class NotFound(BadInput):
    """A dataset, job or task that was named does not exist."""


class Conflict(BadInput):
    """The request contradicts what is recorded, for example a used idempotency key."""


class GuardTripped(BadInput):
    """The rows of a file are not what its dataset expects; nothing of it is loaded."""


class SourceError(BadInput):
    """The source cannot be loaded as it is."""


class SourceUnsettled(SourceError):
    """The source changed while it was read: it is probably still being written."""


class SourceSettling(SourceUnsettled):
    """The source has not been seen unchanged for as long as its dataset asks for.

    `wait_seconds` is how long until it can have settled; `has_changed` tells that an earlier look saw it otherwise.
    """

    def __init__(self, message: str, *, wait_seconds: float, has_changed: bool) -> None:
        super().__init__("source-changing", message)
        self.wait_seconds = wait_seconds
        self.has_changed = has_changed


class HeaderError(SourceError):
    """The header line does not fit the columns of the target table."""


class HeaderMisfit(HeaderError):
    """Cells of a header fit no columns; the message has a map of all of them to paste."""

    limit = LONG_MESSAGE_LIMIT


class SystemFault(AdspError):
    """A server or a connection failed; the ledger says what has to be tried again."""


class PublishFault(SystemFault):
    """RabbitMQ did not confirm a message within the bound; the sweeper sends it later."""


class LeaseLost(SystemFault):
    """The lease of a chunk expired or changed hands while it was loading."""
