"""Bound each wait for Postgres: a server that is stopped keeps its connections open and never answers.

Neither keepalives nor `tcp_user_timeout` notice, since its kernel goes on acknowledging. libpq has no such bound for an
answer, so psycopg2 gets a way to wait. Only the api does this: COPY, which loaders need, cannot be waited for so.
"""

import select

import psycopg2
from psycopg2 import extensions

_READS_OR_WRITES = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}


def bound_waits(connect_seconds: float, answer_seconds: float) -> None:
    """Let every connection of this process give up when so long nothing comes, and be closed then."""

    def wait(connection: extensions.connection) -> None:
        while (state := connection.poll()) != extensions.POLL_OK:
            is_made = connection.status != extensions.STATUS_SETUP
            seconds = answer_seconds if is_made else connect_seconds
            poller = select.poll()
            poller.register(connection.fileno(), _READS_OR_WRITES[state])
            if not poller.poll(seconds * 1000):
                raise psycopg2.OperationalError(f"Postgres said nothing for {seconds:g} s")

    extensions.set_wait_callback(wait)
