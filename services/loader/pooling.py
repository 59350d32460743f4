"""Return whether a pooler stands before Postgres and gives a session's backend to others between its transactions.

There a setting of one load counts for another one, and a lease names a backend that somebody else uses. With a
backend for each session (``pool_mode = session``) a pooler does no harm.
"""

from collections.abc import Callable
from contextlib import closing

from psycopg2.extensions import connection as Connection

from libs.common.errors import BadInput
from libs.common.postgres.backends import backend_of

_LOOKS = 8
"""A pooler that is busy may give a session the same backend a few times at random."""


def shares_backends(connection: Connection, connect: Callable[[], Connection]) -> bool:
    """Return whether the connection, in autocommit, may run its transactions on backends that others use too.

    `connect` opens another one. A pooler answers a client with a process id of its own, so that without one
    nothing is asked but the first question.
    """
    first = backend_of(connection)
    if connection.info.backend_pid == first:
        return False
    with closing(connect()) as other:
        other.autocommit = True
        for _ in range(_LOOKS):
            if backend_of(other) == first or backend_of(connection) != first:
                return True
    return False


def refuse_shared_backends() -> BadInput:
    """Make the error of a load that has no session of its own."""
    return BadInput(
        "session-shared",
        "the loader reaches Postgres through a pooler that shares backends between sessions (pgbouncer with "
        "pool_mode transaction or statement), where the settings of one load would count for another; let the "
        "loader's ADSP_DATABASE_URL lead to Postgres itself or to a pool with pool_mode = session, then trigger the "
        "job again",
    )
