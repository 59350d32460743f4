"""Connect to Postgres with patience: a host that is cut off keeps the message that it has, instead of using them up.

A task that fails for want of Postgres is over for the broker, and its job waits until the sweep sends it again. A host
that reaches RabbitMQ alone would so take every message, those that others could act on too.
"""

import time
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import connection as Connection

from libs.common.logs import get_logger

log = get_logger(__name__)

SECONDS = 60.0
"""As long as the sweep waits before it sends again what was not heard of: others get that then."""
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 2.0


def connect_patiently(connect: Callable[[], Connection], seconds: float = SECONDS) -> Connection:
    """Return what `connect` opens, tried again and again; raises its error when that has failed for so long."""
    end, wait = time.monotonic() + seconds, _FIRST_WAIT
    while True:
        try:
            return connect()
        except psycopg2.OperationalError as exc:
            if time.monotonic() + wait > end:
                raise
            log.warning("database_unreachable", error=str(exc).strip())
        time.sleep(wait)
        wait = min(_LONGEST_WAIT, 2 * wait)
