"""Stage the rows of an upsert: many blocks by COPY into a table, then into the target with one statement.

Each row has the line that it stands on, so that the last record of a key wins however the rows came. Rows that are
the same as the target's, byte for byte, are not written again: of a large table they are found by a comparison in
several processes, which cannot read temporary tables, else by the statement that writes.
"""

from collections.abc import Sequence
from dataclasses import replace

import psycopg2
from psycopg2 import sql
from psycopg2.errors import CardinalityViolation
from psycopg2.extensions import cursor as Cursor

from libs.common.csv.records import Record
from libs.common.failpoints import FailPoint, failpoint
from libs.common.postgres.copy.statements import column_list, unused_name
from libs.common.postgres.copy.text import encode_record
from libs.common.postgres.prepared import fetch_prepared
from libs.common.postgres.target_table import TargetColumn, TargetTable, UniqueKey
from services.loader.blocks.superseded_rows import are_sound
from services.loader.changes.comparison import Comparison
from services.loader.changes.row_changes import RowChanges
from services.loader.changes.rules import read_upsert_rules
from services.loader.changes.stand_in import SCHEMA
from services.loader.load_errors import RowsRepeated, StagedRowsRefused
from services.loader.nulls import is_null
from services.loader.rejects.rejection import is_row_error
from services.loader.rows.upsert import Upserter, changed_columns, changes, name_list
from services.loader.settings import LoaderSettings

_NO_ANSWER = {"21000", "42501", "42883"}
"""A row to be written twice; a table that must not be read, or values without an equality, in a question about it."""
_SORT_MEMORY = "64MB"
"""For the search for repeated keys; what needs more goes to temporary files of the server."""


class Staging:
    """Where the blocks of an upsert go."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        key: UniqueKey,
        upserter: Upserter,
        settings: LoaderSettings,
    ) -> None:
        """Make the table, which ends with the transaction, and the statements."""
        self._cursor = cursor
        rules = read_upsert_rules(cursor, table, columns, key.columns, settings.comparison_rows)
        self._comparison_bytes = settings.comparison_bytes
        self.changes: RowChanges | None = None
        self._staged = _name(cursor, is_shared=rules is not None)
        self._comparison = (
            None if rules is None else Comparison(cursor, table, self._staged, columns, rules)
        )
        self._upserter = upserter
        self.waiting = 0
        self._key = key
        self._line = unused_name(columns)
        self._names = names = column_list(columns)
        cursor.execute(
            sql.SQL(
                "CREATE TABLE {} AS SELECT {}, 0::bigint AS {} FROM {} WITH NO DATA"
                if self._comparison is not None
                else "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {}, 0::bigint AS {} FROM {} WITH NO DATA"
            ).format(self._staged, names, self._line, table.identifier)
        )
        self.copy = (
            sql.SQL("COPY {} ({}, {}) FROM STDIN").format(self._staged, names, self._line)
        ).as_string(cursor)
        self._table, self._columns = table, columns
        self._insert, self._on_conflict = _upsert(table, columns, key)
        self._order = sql.Composed([sql.SQL(" AS staged")])
        self._place = sql.Composed([self._line])
        if table.has_sequence_defaults(columns):
            self._order += sql.SQL(" ORDER BY {}").format(self._line)
            self._place = sql.SQL("min({}) OVER (PARTITION BY {})").format(
                self._line, self._group()
            )

    def text(self, records: Sequence[Record]) -> bytes:
        """Return records as lines of the COPY."""
        return b"".join(
            [b"%b\t%d\n" % (encode_record(record)[:-1], record.line_number) for record in records]
        )

    @property
    def has_end(self) -> bool:
        """Return whether a table has to be dropped in the end."""
        return self._comparison is not None

    def note(self, rows: int) -> None:
        """Count rows that have been copied."""
        self.waiting += rows

    def flush(self, *, is_last: bool) -> None:
        """Write the staged rows into the target; raises `StagedRowsRefused`.

        Without `is_last` the load goes on by the row path, which have to know the keys that are written.
        """
        self._cursor.execute(f"SET LOCAL work_mem = '{_SORT_MEMORY}'")
        try:
            if self.waiting and not (is_last and self._write_changes(self._comparison)):
                self._write_all(note=not is_last or self._upserter.has_written)
        except psycopg2.Error as exc:
            if not is_row_error(exc.pgcode) and exc.pgcode not in _NO_ANSWER:
                raise
            raise StagedRowsRefused from exc
        self.waiting = 0
        self._cursor.execute("RESET work_mem")
        if self._comparison is not None and is_last:
            self._comparison.drop()
        else:
            self._cursor.execute(sql.SQL("TRUNCATE {}").format(self._staged))

    def _write_all(self, *, note: bool) -> None:
        """Write the last row of each key; the statement leaves those alone that are there already."""
        keys = self._count_keys(note=note)
        rows = sql.Composed([self._staged])
        if keys < self.waiting:
            if not are_sound(self._cursor, self._table, self._columns, self._staged):
                raise StagedRowsRefused
            rows = self._newest()
        self._cursor.execute(self._insert + rows + self._order + self._on_conflict)
        self._upserter.rows_superseded += self.waiting - keys

    def _write_changes(self, comparison: Comparison | None) -> bool:
        """Write the rows that differ, or return False where all have to be: some are of one key, or most differ."""
        if comparison is None or self._upserter.has_written:
            return False
        if 2 * self.waiting < comparison.rules.rows_estimated:
            return False
        failpoint(FailPoint.AFTER_STAGING)
        if comparison.differ_mostly():
            return False
        self._cursor.execute("SAVEPOINT adsp_changes")
        try:
            found = comparison.run(self._comparison_bytes)
            failpoint(FailPoint.AFTER_COMPARISON)
            self._cursor.execute(
                self._insert + self._differing(comparison) + self._order + self._on_conflict
            )
        except (RowsRepeated, CardinalityViolation):
            self._cursor.execute("ROLLBACK TO SAVEPOINT adsp_changes")
            return False
        self._cursor.execute("RELEASE SAVEPOINT adsp_changes")
        failpoint(FailPoint.AFTER_CHANGES)
        self.changes = replace(found, deleted=0)
        return True

    def _differing(self, comparison: Comparison) -> sql.Composed:
        """Return the staged rows that are new or differ from the target's."""
        return sql.SQL(
            "(SELECT new.* FROM {} AS found JOIN {} AS new ON new.ctid = found.staged)"
        ).format(comparison.differences, self._staged)

    def _count_keys(self, *, note: bool) -> int:
        """Count the keys that this job has not written before."""
        if note:
            return self._upserter.note_keys(self._staged)
        self._cursor.execute(
            sql.SQL("SELECT count(*) FROM (SELECT FROM {} GROUP BY {}) AS keys").format(
                self._staged, self._group()
            )
        )
        row = self._cursor.fetchone()
        return int(row[0]) if row else 0

    def _newest(self) -> sql.Composed:
        """Return the staged rows, of each key the last, in the place of the first where rows are numbered."""
        return sql.SQL(
            "(SELECT DISTINCT ON ({group}) {names}, {place} AS {line} FROM {staged} AS staged"
            " ORDER BY {group}, staged.{line} DESC)"
        ).format(
            group=self._group(),
            names=self._names,
            place=self._place,
            line=self._line,
            staged=self._staged,
        )

    def _group(self) -> sql.Composed:
        """Return what rows of one key have in common; NULLs in a key differ unless the index says otherwise."""
        keys = name_list(self._key.columns)
        if self._key.nulls_are_equal:
            return keys
        has_null = sql.SQL(" OR ").join(is_null(sql.Identifier(name)) for name in self._key.columns)
        return sql.SQL("{}, CASE WHEN {} THEN {} END").format(keys, has_null, self._line)


def _name(cursor: Cursor, *, is_shared: bool) -> sql.Identifier:
    """Return the name of the table; one that several processes of the server read is not temporary."""
    if not is_shared:
        return sql.Identifier("pg_temp", "adsp_staged")
    return sql.Identifier(SCHEMA, f"adsp_staged_{cursor.connection.get_backend_pid()}")


def can_stage(cursor: Cursor, table: TargetTable, key: UniqueKey) -> bool:
    """Return whether an upsert of this table may put rows together before it writes them."""
    parameters = {"table": table.oid, "key": list(key.columns)}
    rows = fetch_prepared(cursor, __package__, "staging_rules", parameters)
    return bool(rows and rows[0][0])


def _upsert(
    table: TargetTable, columns: Sequence[TargetColumn], key: UniqueKey
) -> tuple[sql.Composed, sql.Composed]:
    """Return the statement up to its rows, and from there; a row that stays as it is is left alone."""
    names, changed = column_list(columns), changed_columns(columns, key)
    insert = sql.SQL("INSERT INTO {} AS target ({}) SELECT {} FROM ").format(
        table.identifier, names, names
    )
    return insert, sql.SQL(
        " ON CONFLICT ({keys}) DO UPDATE SET {changes}"
        " WHERE ROW({old})::record *<> ROW({new})::record"
    ).format(
        keys=name_list(key.columns),
        changes=changes(changed),
        old=sql.SQL(", ").join(sql.Identifier("target", name) for name in changed),
        new=sql.SQL(", ").join(sql.Identifier("excluded", name) for name in changed),
    )
