"""Connect to one of several servers: begin with the one that took the last connection.

libpq asks hosts in their order each time, and waits `connect_timeout` for each that has vanished: after a failover
every connection would wait for the old primary. Where a process waits for Postgres itself
(`services.api.database_timeouts`) libpq has no such timeout at all, and would never come to the second host.
"""

from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from sqlalchemy.engine import make_url

from libs.common.database_url import Host, split_hosts


class DatabaseHosts:
    """Opens connections, and remembers which host took the last one; for use by any thread."""

    def __init__(self) -> None:
        self._last: Host | None = None

    def connect(self, parameters: Mapping[str, Any]) -> Connection:
        """Connect with libpq's parameters, whose `host` may name several, to the first that is as it must be.

        Raises `psycopg2.OperationalError` with what each of them said when none is.
        """
        hosts = split_hosts(str(parameters.get("host", "")), str(parameters.get("port", "")))
        if len(hosts) == 1:
            return _connect(parameters)
        refusals: list[psycopg2.OperationalError] = []
        for host, port in sorted(hosts, key=lambda each: each != self._last):
            try:
                connection = _connect({**parameters, "host": host, "port": port})
            except psycopg2.OperationalError as exc:
                refusals.append(exc)
                continue
            self._last = (host, port)
            return connection
        raise psycopg2.OperationalError("; ".join(str(exc).strip() for exc in refusals))


def _connect(parameters: Mapping[str, Any]) -> Connection:
    connection: Connection = psycopg2.connect(**parameters)
    return connection


def connection_parameters(url: str) -> dict[str, Any]:
    """Return libpq's parameters for a SQLAlchemy URL, those that an engine of it connects with."""
    parsed = make_url(url)
    _, parameters = parsed.get_dialect()().create_connect_args(parsed)
    return dict(parameters)
