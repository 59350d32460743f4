"""Bound how long either end of a connection to Postgres waits for a host that has gone without a word.

A host that dies, or is cut off, closes nothing. Unasked the kernel waits a quarter of an hour for what is not
acknowledged, and Postgres two hours on a connection that idles: so long its locks would be held.
"""

import os
import socket
from collections.abc import Mapping
from typing import Any

from psycopg2.extensions import connection as Connection

UNANSWERED_MS = 30_000
"""Milliseconds after which what was sent and not acknowledged ends the connection."""

CLIENT_SIDE: dict[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""Parameters of libpq for a connection that idles or waits for an answer."""

SERVER_SIDE = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": str(2 * UNANSWERED_MS),
}
"""The same as settings of a session, for its backend: the locks of a client whose host is gone are free in a minute."""


def as_options(settings: Mapping[str, object]) -> str:
    """Return settings of a session as the parameter `options` of libpq."""
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def limit_unanswered(connection: Connection, milliseconds: int) -> None:
    """Set how long what is sent may stay unacknowledged; 0: as long as the kernel thinks.

    The kernel counts from the first byte that the server has no room for, too: a COPY that waits for a lock needs 0.
    """
    with _socket_of(connection) as ours:
        if ours.family != socket.AF_UNIX:
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def break_off(connection: Connection) -> None:
    """End a connection from another thread, also while it waits to send: nothing is sent any more."""
    with _socket_of(connection) as ours:
        ours.shutdown(socket.SHUT_RDWR)


def _socket_of(connection: Connection) -> socket.socket:
    """Return the connection's socket by a descriptor of its own."""
    return socket.socket(fileno=os.dup(connection.fileno()))
