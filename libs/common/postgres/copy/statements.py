"""Write the parts of statements that name columns, and run a COPY in or out."""

from collections.abc import Sequence
from io import BytesIO
from itertools import count

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.postgres.target_table import TargetColumn


def copy_in(cursor: Cursor, statement: str, rows: bytes) -> int:
    """Run a ``COPY … FROM STDIN`` with these rows; return how many were written."""
    cursor.copy_expert(statement, BytesIO(rows), size=max(len(rows), 1))
    return cursor.rowcount


class _Received(list[bytes]):
    """What a COPY sends, piece by piece, as psycopg2 writes it."""

    write = list[bytes].append


def copy_out(cursor: Cursor, statement: str) -> tuple[bytes, int]:
    """Run a ``COPY … TO STDOUT``; return what it has sent and how many rows that is."""
    received = _Received()
    cursor.copy_expert(statement, received)
    return b"".join(received), cursor.rowcount


def column_list(columns: Sequence[TargetColumn]) -> sql.Composed:
    """Return the columns' quoted names, separated by commas."""
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def unused_name(columns: Sequence[TargetColumn]) -> sql.Identifier:
    """Return a name for the order of records that no column of the header has."""
    taken = {column.name for column in columns}
    return sql.Identifier(next(n for i in count() if (n := f"adsp_order_{i}") not in taken))
