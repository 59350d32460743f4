"""Read many failed rows in pages, bounded in bytes as well as rows (rule 12), each in a transaction of its own.

Whoever asks for all rows may read them slowly, or never: between two pages nothing is held, neither a connection nor
a snapshot that Postgres would have to keep old rows for. Rows of a chunk appear together and never change.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from sqlalchemy import Row, Select, func, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from libs.common.ledger.models import FailedRow

_MOST_ROWS = 3_200
_PAGE_BYTES = 1 << 20

# Right after a load the planner knows nothing of its rows, and would sort all of them for each page. Without sorts
# the unique index on job and offset is left, which has them in order.
_READ_IN_ORDER = text("SET LOCAL enable_sort = off")
_PLAN_AS_BEFORE = text("SET LOCAL enable_sort TO DEFAULT")


def pages_of(sessions: sessionmaker[Session], query: Select[Any]) -> Iterator[list[Any]]:
    """Yield what the query selects first of each failed row of one job, in the order of the file."""
    for rows in row_pages(sessions, query):
        yield [row[0] for row in rows]


def row_pages(sessions: sessionmaker[Session], query: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
    """Yield all that the query selects of each failed row of one job, in the order of the file."""
    query = query.add_columns(FailedRow.byte_offset.label("place")).order_by(FailedRow.byte_offset)
    after = -1
    while True:
        page = query.where(FailedRow.byte_offset > after)
        rows, has_more = _read_again_when_cut(sessions, page)
        if rows:
            yield rows
            after = rows[-1].place
        if not has_more:
            return


def read_page(
    session: Session, query: Select[Any], most_rows: int, most_bytes: int = _PAGE_BYTES
) -> tuple[Sequence[Row[Any]], bool]:
    """Return the first rows of a query over failed rows and whether there are more.

    At most `most_rows`, and no more than fit into `most_bytes` of raw text, but one in any case. Their sizes are
    asked for first: a few hundred failed rows of the largest size would fill the api's memory.
    """
    session.execute(_READ_IN_ORDER)
    sizes = session.scalars(
        query.with_only_columns(func.octet_length(FailedRow.raw)).limit(most_rows + 1)
    ).all()
    fitting = sum(1 for total in accumulate(sizes[:most_rows]) if total <= most_bytes)
    rows = session.execute(query.limit(max(1, fitting))).all()
    session.execute(
        _PLAN_AS_BEFORE
    )  # the newest job of a few is found by a sort, not by a walk over all jobs
    return rows, len(sizes) > len(rows)


def _read_again_when_cut(
    sessions: sessionmaker[Session], page: Select[Any]
) -> tuple[Sequence[Row[Any]], bool]:
    """Read a page; when the connection breaks, once more on another: the answer has begun already."""
    try:
        return _read(sessions, page)
    except DBAPIError as exc:
        if not exc.connection_invalidated:
            raise
        return _read(sessions, page)


def _read(sessions: sessionmaker[Session], page: Select[Any]) -> tuple[Sequence[Row[Any]], bool]:
    with sessions() as session:
        return read_page(session, page, _MOST_ROWS)
