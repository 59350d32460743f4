"""Promise 3 in its plainest form: one INSERT and one savepoint per record, in file order.

Shares nothing with the loader but the session settings: it reads through the reference splitter, quotes through
psycopg2 and decides by itself which SQLSTATE means what. Slow on purpose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from libs.common.datasets import DatasetDefinition
from libs.common.testing.reference_splitter import ReferenceRecord, reference_split

CODES = {
    "22P02": "type-error",
    "22007": "type-error",
    "22008": "type-error",
    "22003": "out-of-range",
    "22001": "value-too-long",
    "23502": "not-null",
    "23505": "unique",
    "23503": "foreign-key",
    "23514": "check",
    "23P01": "exclusion",
}


@dataclass(frozen=True)
class Refusal:
    """What a failed row must say: place, bytes, code, and what Postgres said."""

    line_number: int
    byte_offset: int
    raw: bytes
    error_code: str
    sqlstate: str | None
    message: str | None


@dataclass
class Verdict:
    """What became of a file."""

    refusals: list[Refusal] = field(default_factory=list)
    accepted: int = 0
    superseded: int = 0


def judge_file(
    connection: Connection,
    table: str,
    data: bytes,
    definition: DatasetDefinition,
    *,
    cap: int,
    nulls_are_equal: bool = False,
) -> Verdict:
    """Load a file into a table of schema `feed` record by record; the caller commits."""
    columns, body, offset, line = _read_header(data, definition, cap)
    records = reference_split(body, definition.format, width=len(columns), cap=cap, first_line=line)
    verdict, keys = Verdict(), set[tuple[str | None, ...]]()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        statement = _statement(cursor, table, columns, definition.key)
        for record in records:
            refusal, written = _judge(cursor, statement, record, offset)
            if refusal is not None:
                verdict.refusals.append(refusal)
                continue
            verdict.accepted += 1
            verdict.superseded += written in keys
            if written is not None and (nulls_are_equal or None not in written):
                keys.add(written)
    return verdict


def _judge(
    cursor: Cursor, statement: str, record: ReferenceRecord, offset: int
) -> tuple[Refusal | None, tuple[str | None, ...] | None]:
    """Insert one record under a savepoint; return its refusal, or the key that was written."""
    place = (record.line_number, record.byte_offset + offset, record.raw)
    if record.cells is None:
        assert record.code is not None
        return Refusal(*place, record.code.value, None, None), None
    cursor.execute("SAVEPOINT one")
    try:
        cursor.execute(statement, [tuple(record.cells)])
    except psycopg2.Error as exc:
        cursor.execute("ROLLBACK TO SAVEPOINT one")
        state = exc.pgcode or ""
        if state[:2] not in {"22", "23"} and state not in {"P0001", "54000", "54001"}:
            raise
        code = CODES.get(state, "other")
        return Refusal(*place, code, state, exc.diag.message_primary), None
    if cursor.rowcount == 0:
        return Refusal(*place, "suppressed", None, None), None
    return None, cursor.fetchone() if cursor.description else None


def _statement(cursor: Cursor, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """Return the INSERT of one record, with ON CONFLICT when there is a key."""

    def listed(template: str, names: Sequence[str]) -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL(template).format(sql.Identifier(n)) for n in names)

    target = sql.Identifier("feed", table)
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ").format(target, listed("{0}", columns))
    after: sql.Composable = sql.SQL("")
    if key:
        changed = [name for name in columns if name not in key] or key
        after = sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {} RETURNING {}").format(
            listed("{0}", key),
            listed("{0} = EXCLUDED.{0}", changed),
            listed(f"{table}.{{0}}::text", key),
        )
    before_text, after_text = (
        part.as_string(cursor).replace("%", "%%") for part in (statement, after)
    )
    return f"{before_text}%s{after_text}"


def _read_header(
    data: bytes, definition: DatasetDefinition, cap: int
) -> tuple[list[str], bytes, int, int]:
    """Return the columns, the bytes after the header, their offset and their first line."""
    start = 3 if definition.format.encoding == "utf-8" and data[:3] == b"\xef\xbb\xbf" else 0
    plain = definition.format.model_copy(update={"null": "\0"})
    header = reference_split(data[start:], plain, width=None, cap=cap)[0]
    assert header.cells is not None
    columns = [definition.columns.get(cell or "", cell or "") for cell in header.cells]
    end = start + header.byte_offset + len(header.raw)
    end += 2 if data[end : end + 2] == b"\r\n" else 1
    head = data[start:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return columns, data[end:], end, head.count(b"\n") + 1
