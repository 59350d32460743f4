"""Read many failed rows in pages, each in a transaction of its own.

Whoever asks for all rows may read them slowly, or never: between two pages nothing is held, neither a connection nor
a snapshot that Postgres would have to keep old rows for. Rows of a chunk appear together and never change.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, func, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from libs.common.db.models import FailedRow

_FEWEST_ROWS, _MOST_ROWS = 100, 3_200
_PAGE_BYTES = 1 << 20

# Right after a load the planner knows nothing of its rows, and would sort all of them for each page. Without sorts
# the unique index on job and offset is left, which has them in order.
_READ_IN_ORDER = text("SET LOCAL enable_sort = off")


def pages_of(sessions: sessionmaker[Session], query: Select[Any]) -> Iterator[list[Any]]:
    """Yield what the query selects first of each failed row of one job, in the order of the file."""
    query = query.add_columns(
        FailedRow.byte_offset.label("place"), func.octet_length(FailedRow.raw).label("bytes")
    ).order_by(FailedRow.byte_offset)
    after, size = -1, _FEWEST_ROWS
    while True:
        page = query.where(FailedRow.byte_offset > after).limit(size)
        rows = _read_again_when_cut(sessions, page)
        if not rows:
            return
        yield [row[0] for row in rows]
        after = rows[-1].place
        are_small = sum(row.bytes for row in rows) < _PAGE_BYTES
        size = min(2 * size, _MOST_ROWS) if are_small else _FEWEST_ROWS


def _read_again_when_cut(sessions: sessionmaker[Session], page: Select[Any]) -> Sequence[Row[Any]]:
    """Read a page; when the connection breaks, once more on another: the answer has begun already."""
    try:
        return _read(sessions, page)
    except DBAPIError as exc:
        if not exc.connection_invalidated:
            raise
        return _read(sessions, page)


def _read(sessions: sessionmaker[Session], page: Select[Any]) -> Sequence[Row[Any]]:
    with sessions() as session:
        session.execute(_READ_IN_ORDER)
        return session.execute(page).all()
