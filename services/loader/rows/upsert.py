"""Write records by key: insert what is new, update what is there, the last record of a key wins.

Many records go through a staging table of the target's own column types, then into the target with one INSERT …
ON CONFLICT in file order; a few go as the VALUES of that INSERT. One statement cannot touch a row twice, so records
whose key is written alike are kept apart; keys that are equal though written differently make Postgres say so
(21000), and the block is narrowed.
"""

from collections.abc import Sequence

from psycopg2 import sql

from libs.common.csv.records import Record
from libs.common.postgres.copy.statements import column_list, copy_in, unused_name
from libs.common.postgres.copy.text import encode_record
from libs.common.postgres.target_table import MOST_COLUMNS, TargetColumn, TargetTable, UniqueKey
from services.loader.rows.append import RowInsert
from services.loader.savepoint import SavepointCursor

STAGING = sql.Identifier("pg_temp", "adsp_staging")
WRITTEN = sql.Identifier("pg_temp", "adsp_written")
_FEW = 500
"""Up to so many records, VALUES are cheaper than emptying and filling the staging table."""
_FEW_WIDE = 20
"""So many at a time are written by VALUES where the staging table would have a column too many."""


class Upserter:
    """Insert or update rows by a unique key."""

    def __init__(
        self,
        cursor: SavepointCursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        key: UniqueKey,
    ) -> None:
        """Make the temporary tables, which end with the transaction, and the statements."""
        self.rows_superseded = 0
        self.has_written = False
        """Whether a record has been written, so that its key may be on the list."""
        self._cursor = cursor
        self._key = key
        self._key_cells = [i for i, column in enumerate(columns) if column.name in key.columns]
        self._order = unused_name(columns)
        self._most = _FEW_WIDE if len(columns) >= MOST_COLUMNS else None
        self._make_tables(table, columns, key)
        self._prepare(table, columns, key)

    def _make_tables(
        self, table: TargetTable, columns: Sequence[TargetColumn], key: UniqueKey
    ) -> None:
        """Make the staging table and the list of keys that this job has written."""
        names = column_list(columns)
        keys = name_list(key.columns)
        distinct = sql.SQL("NULLS NOT DISTINCT" if key.nulls_are_equal else "")
        if self._most is None:
            staging = sql.SQL(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT 0::bigint AS {}, {} FROM {}"
                " WITH NO DATA"
            )
            self._cursor.execute(staging.format(STAGING, self._order, names, table.identifier))
        for statement in (
            sql.SQL(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA"
            ).format(WRITTEN, keys, table.identifier),
            sql.SQL("CREATE UNIQUE INDEX ON {} ({}) {}").format(WRITTEN, keys, distinct),
        ):
            self._cursor.execute(statement)

    def _prepare(self, table: TargetTable, columns: Sequence[TargetColumn], key: UniqueKey) -> None:
        """Put the statements together; each returns how many rows and how many new keys it wrote."""
        names, keys = column_list(columns), name_list(key.columns)
        insert = sql.SQL("WITH adsp_upserted AS (INSERT INTO {} ({}) ").format(
            table.identifier, names
        )
        conflict = sql.SQL(
            " ON CONFLICT ({keys}) DO UPDATE SET {changes} RETURNING {own_keys}),"
            " adsp_new AS (INSERT INTO {written} ({keys}) SELECT {keys} FROM adsp_upserted"
            " ON CONFLICT DO NOTHING RETURNING 1)"
            " SELECT (SELECT count(*) FROM adsp_upserted), (SELECT count(*) FROM adsp_new)"
        ).format(
            keys=keys,
            changes=changes(changed_columns(columns, key)),
            written=WRITTEN,
            own_keys=sql.SQL(", ").join(
                sql.Identifier(table.schema, table.relation, name) for name in key.columns
            ),
        )
        staged = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(names, STAGING, self._order)
        self._insert_staged = insert + staged + conflict
        self._insert = RowInsert(
            self._cursor, insert + sql.SQL("VALUES "), conflict.as_string(self._cursor)
        )
        self._copy = (
            sql.SQL("COPY {} ({}, {}) FROM STDIN")
            .format(STAGING, self._order, names)
            .as_string(self._cursor)
        )

    def batch_limit(self, records: Sequence[Record]) -> int:
        """Return how many records one statement may write: those before the first that repeats a key."""
        seen: set[tuple[bytes | None, ...]] = set()
        for place, record in enumerate(records[: self._most]):
            key = tuple([record.cells[i] for i in self._key_cells])
            if key in seen:
                return place
            seen.add(key)
        return len(seen)

    def write_many(self, records: Sequence[Record]) -> int:
        """Upsert the records in their order."""
        if len(records) <= _FEW:
            self._insert.execute(records)
        else:
            rows = [b"%d\t%b" % (place, encode_record(r)) for place, r in enumerate(records)]
            self._cursor.execute(sql.SQL("TRUNCATE {}").format(STAGING))
            copy_in(self._cursor, self._copy, b"".join(rows))
            self._cursor.execute(self._insert_staged)
        return self._count()

    def write_one(self, record: Record) -> bool:
        """Insert the record, or update the row of its key."""
        self._insert.execute([record])
        return self._count() == 1

    def find_cell(self, record: Record, position: int) -> int | None:
        """Return the cell at a position of the INSERT."""
        return self._insert.find_cell(record, position)

    def note_keys(self, rows: sql.Composable) -> int:
        """Put the keys of rows on the list; return how many are new there."""
        self.has_written = True
        keys = name_list(self._key.columns)
        self._cursor.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING").format(
                WRITTEN, keys, keys, rows
            )
        )
        return self._cursor.rowcount

    def _count(self) -> int:
        """Return the rows written; those whose key was written before supersede a record."""
        row = self._cursor.fetchone()
        if row is None:
            raise RuntimeError("an aggregate without GROUP BY returned no row")
        written, new_keys = row
        self.has_written = self.has_written or written > 0
        self.rows_superseded += written - new_keys
        return int(written)


def changed_columns(columns: Sequence[TargetColumn], key: UniqueKey) -> list[str]:
    """Return what an update sets; a header of key columns only still writes them: the last record wins, 1.0 over 1."""
    return [c.name for c in columns if c.name not in key.columns] or list(key.columns)


def changes(names: Sequence[str]) -> sql.Composed:
    """Return the assignments of an update."""
    return sql.SQL(", ").join(
        sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in names
    )


def name_list(names: Sequence[str]) -> sql.Composed:
    """Return quoted names, separated by commas."""
    return sql.SQL(", ").join(map(sql.Identifier, names))
