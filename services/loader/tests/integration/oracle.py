"""Promise 3 in its plainest form: one INSERT and one savepoint per record, in file order.

Shares nothing with the loader but the session settings: it reads through the reference splitter, quotes through
psycopg2 and decides by itself which SQLSTATE means what. Slow on purpose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from libs.common.csv.header import with_names
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import LoadMode
from libs.devstack.testing.reference_judgement import ReferenceRecord
from libs.devstack.testing.reference_layout import reference_layout
from libs.devstack.testing.reference_splitter import reference_split
from services.loader.tests.integration.reference_cells import ReferenceCells, Unreadable

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


DAY = "2026-01-02"
"""The data date of the bench's jobs."""
ROW_STATES = {"P0001", "54000", "54001"}
CONVERSIONS = {"type-error", "out-of-range", "value-too-long"}


@dataclass(frozen=True)
class Refusal:
    """What a failed row must say: place, bytes, code, what Postgres said, and which column is at fault."""

    line_number: int
    byte_offset: int
    raw: bytes
    stage: str
    error_code: str
    sqlstate: str | None
    message: str | None
    column: str | None


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
    job: Mapping[str, str] | None = None,
) -> Verdict:
    """Load a file into a table of schema `feed` record by record; the caller commits.

    `job` are the values of `add` that are those of a job.
    """
    layout = reference_layout(data, definition.format, cap)
    header = layout.cells
    records = reference_split(
        layout.body,
        with_names(definition.format, layout.cells),
        width=len(header),
        cap=cap,
        kept=len(layout.body),
        first_line=layout.first_line,
        cr_ends_records=layout.ends_with_cr,
        header_line=layout.header_line,
    )
    verdict, keys = Verdict(), set[tuple[str | None, ...]]()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        part = _Part.of(cursor, table, definition)
        if definition.mode is LoadMode.REPLACE:
            cursor.execute(f"DELETE FROM feed.{table} WHERE {part.condition if part else 'true'}")
        cells = ReferenceCells(header, definition, _types(cursor, table), job or {})
        judge = _Judge(cursor, table, cells.columns, definition.key)
        for record in records:
            refusal, written = judge.convert_and_judge(record, cells, layout.byte_offset, part)
            if refusal is not None:
                verdict.refusals.append(refusal)
                continue
            verdict.accepted += 1
            verdict.superseded += written in keys
            if written is not None and (nulls_are_equal or None not in written):
                keys.add(written)
    return verdict


@dataclass(frozen=True)
class _Part:
    """The rows that a replace replaces: of which column, and what holds for it."""

    column: str
    condition: str

    @classmethod
    def of(cls, cursor: Cursor, table: str, definition: DatasetDefinition) -> "_Part | None":
        """Return the part of a job of `DAY`; columns have plain names here."""
        name = definition.slice_column
        if name is None:
            return None
        cursor.execute(
            "SELECT atttypid::regtype::text FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attname = %s",
            (f"feed.{table}", name),
        )
        [(kind,)] = cursor.fetchall()
        zone = (definition.schedule or definition).time_zone
        day = {
            "timestamp without time zone": f"{name}::date",
            "timestamp with time zone": f"({name} AT TIME ZONE '{zone}')::date",
        }.get(kind, name)
        return cls(name, f"{day} = '{DAY}'")


class _Judge:
    """Inserts one record after the other into one table."""

    def __init__(
        self, cursor: Cursor, table: str, columns: Sequence[str], key: Sequence[str]
    ) -> None:
        self._cursor = cursor
        self._table = table
        self._columns = columns
        self._statement = _statement(cursor, table, columns, key)
        # Its columns have the table's types, and nothing else refuses a value there.
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        cursor.execute(
            sql.SQL(
                "CREATE TEMP TABLE bare ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA"
            ).format(names, sql.Identifier("feed", table))
        )

    def convert_and_judge(
        self,
        record: ReferenceRecord,
        cells: ReferenceCells,
        offset: int,
        part: "_Part | None",
    ) -> tuple[Refusal | None, tuple[str | None, ...] | None]:
        """Insert what becomes of one record, if something does."""
        if record.cells is not None:
            try:
                made = cells.values(record.cells, record.line_number)
            except Unreadable as exc:
                place = (record.line_number, record.byte_offset + offset, record.raw)
                return Refusal(*place, "convert", "conversion-error", None, None, str(exc)), None
            record = replace(record, cells=made)
        return self.judge(record, offset, part)

    def judge(
        self, record: ReferenceRecord, offset: int, part: "_Part | None" = None
    ) -> tuple[Refusal | None, tuple[str | None, ...] | None]:
        """Insert one record under a savepoint; return its refusal, or the key that was written."""
        place = (record.line_number, record.byte_offset + offset, record.raw)
        cursor = self._cursor
        if record.cells is None:
            assert record.code is not None
            stage = "convert" if record.code.value in CONVERSIONS else "parse"
            return Refusal(*place, stage, record.code.value, None, None, None), None
        if part is not None and self._is_outside(record.cells, part):
            return Refusal(*place, "constraint", "check", None, None, part.column), None
        error = self._try(self._statement, [tuple(record.cells)])
        if error is not None:
            state, said = error.pgcode or "", error.diag
            column = self._blame(record, error)
            if not _is_row_state(state) and column is None:
                raise error
            code = CODES.get(state, "other" if _is_row_state(state) else "type-error")
            stage = "convert" if code in CONVERSIONS else "constraint"
            message = ": ".join(filter(None, (said.message_primary, said.message_detail)))
            return Refusal(*place, stage, code, state, message, column), None
        if cursor.rowcount == 0:
            return Refusal(*place, "constraint", "suppressed", None, None, None), None
        return None, cursor.fetchone() if cursor.description else None

    def _is_outside(self, cells: Sequence[str | None], part: "_Part") -> bool:
        """Return whether a record whose cells are all values of their columns is not of the part."""
        values: list[object] = [tuple(cells)]
        if self._try("TRUNCATE bare; INSERT INTO bare VALUES %s", values) is not None:
            return False
        self._cursor.execute(f"SELECT ({part.condition}) IS NOT TRUE FROM bare")
        row = self._cursor.fetchone()
        return bool(row and row[0])

    def _try(self, statement: str, parameters: list[object]) -> psycopg2.Error | None:
        """Run a statement under a savepoint; return its error, if there is one."""
        self._cursor.execute("SAVEPOINT one")
        try:
            self._cursor.execute(statement, parameters)
        except psycopg2.Error as exc:
            self._cursor.execute("ROLLBACK TO SAVEPOINT one")
            return exc
        return None

    def _blame(self, record: ReferenceRecord, error: psycopg2.Error) -> str | None:
        """Return the column that Postgres names, that the constraint is about, or whose cell alone is refused so."""
        if error.diag.column_name:
            return error.diag.column_name
        if error.diag.constraint_name:
            return self._column_of(error.diag.constraint_name)
        if (error.pgcode or "")[:2] == "23" or error.pgcode in ROW_STATES:
            return None
        for name, cell in zip(self._columns, record.cells or (), strict=True):
            insert = sql.SQL("INSERT INTO bare ({}) VALUES (%s)").format(sql.Identifier(name))
            again = self._try(
                insert.as_string(self._cursor).replace("%", "%%", name.count("%")), [cell]
            )
            said = again and (again.pgcode, again.diag.message_primary)
            if said == (error.pgcode, error.diag.message_primary):
                return name
        return None

    def _column_of(self, constraint: str) -> str | None:
        """Return the only column of a constraint or unique index of the table."""
        self._cursor.execute(
            "SELECT a.attname FROM pg_attribute AS a WHERE attrelid = %(table)s::regclass AND ("
            " ARRAY[attnum] = (SELECT conkey FROM pg_constraint"
            "  WHERE conrelid = attrelid AND conname = %(name)s)"
            " OR attnum = (SELECT indkey[0] FROM pg_index WHERE indrelid = attrelid AND indisunique"
            "  AND indnatts = 1 AND indexrelid::regclass = to_regclass('feed.' || quote_ident(%(name)s))))",
            {"table": f"feed.{self._table}", "name": constraint},
        )
        row = self._cursor.fetchone()
        return row[0] if row else None


def _types(cursor: Cursor, table: str) -> dict[str, str]:
    """Return the types of the table's columns by name."""
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        (f"feed.{table}",),
    )
    return dict(cursor.fetchall())


def _is_row_state(state: str) -> bool:
    """Return whether an error of this SQLSTATE is a row's by itself; 2200H is that of a sequence at its end."""
    return (state[:2] in {"22", "23"} and state != "2200H") or state in ROW_STATES


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
