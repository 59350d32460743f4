"""Compare staged rows with those of their target: which rows differ, by where they are stored.

One parallel full hash join by the key. What a column stores is compared, not what it equals: 1.0 and 1.00, or words
that differ in their case only, are not the same.
"""

from collections.abc import Sequence

from psycopg2 import sql
from psycopg2.errors import DiskFull, OutOfMemory
from psycopg2.extensions import cursor as Cursor

from libs.common.datasets.slices import Slice
from libs.common.logs import get_logger
from libs.common.postgres.target_table import TargetColumn, TargetTable
from libs.common.sql_files import read_statement
from services.loader.changes.row_changes import RowChanges
from services.loader.changes.rules import ComparisonRules
from services.loader.changes.stand_in import SCHEMA
from services.loader.load_errors import RowsRepeated

log = get_logger(__name__)

_SAMPLED = 2000
"""So many rows tell early whether a comparison is worth its while."""
_MOST = 0.5


class Comparison:
    """The rows of one load and those of its target, or of the slice of it that is replaced."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        staged: sql.Identifier,
        columns: Sequence[TargetColumn],
        rules: ComparisonRules,
        part: Slice | None = None,
    ) -> None:
        """Compare nothing yet."""
        self._cursor = cursor
        self.staged = staged
        self.rules = rules
        self._old = table_rows(table, part)
        self._same_key = _join(" AND ", "old.{0} OPERATOR(pg_catalog.=) new.{0}", rules.key)
        self._unlike = _unlike(columns, rules)
        pid = cursor.connection.get_backend_pid()
        self.differences = sql.Identifier(SCHEMA, f"adsp_differences_{pid}")
        """Where the rows that differ are stored: `target`, `staged`, one of them NULL where the row is in one only."""

    def differ_mostly(self) -> bool:
        """Return whether most of the rows staged first differ from those of their keys, if there are many of these.

        Rows whose keys are new say nothing of the others.
        """
        query = sql.SQL(
            "SELECT count(*), count(*) FILTER (WHERE {}) FROM (SELECT * FROM {} LIMIT {}) AS new JOIN {} AS old ON {}"
        ).format(
            self._unlike,
            self.staged,
            sql.Literal(_SAMPLED),
            self._old,
            self._same_key,
        )
        self._cursor.execute(query)
        found, unlike = self._cursor.fetchone() or (0, 0)
        return bool(found * 4 > _SAMPLED and unlike > _MOST * found)

    def run(self, memory_bytes: int) -> RowChanges:
        """Note the rows that differ, and count them; raises `RowsRepeated` where several are of one key of the target.

        It takes so much memory of the server in all. A key that is new and comes twice is found when it is written.
        """
        self._find(memory_bytes)
        self._cursor.execute(
            sql.SQL(
                "ANALYZE {differences}; SELECT"
                " count(*) FILTER (WHERE target IS NULL AND staged IS NOT NULL),"
                " count(*) FILTER (WHERE target IS NOT NULL AND staged IS NOT NULL),"
                " count(*) FILTER (WHERE target IS NOT NULL AND staged IS NULL),"
                " max(rows_before), (SELECT count(*) FROM {staged}) FROM {differences}"
            ).format(differences=self.differences, staged=self.staged)
        )
        inserted, updated, deleted, before, staged = self._cursor.fetchone() or ()
        self._cursor.execute(read_statement(__package__, "reset_settings"))
        matched = staged - inserted
        if matched != before - deleted:
            raise RowsRepeated
        return RowChanges(inserted, updated, deleted, matched - updated)

    def drop(self) -> None:
        """Remove the tables, which must not be there after the load."""
        self._cursor.execute(
            sql.SQL("DROP TABLE IF EXISTS {}, {}").format(self.differences, self.staged)
        )

    def _find(self, memory_bytes: int) -> None:
        """Make the table of differences, by one process alone if several have no room.

        They share the memory of the hash, of which a server in a container may have little.
        """
        difference = self._difference()
        for is_parallel in (True, False):
            self._cursor.execute("SAVEPOINT adsp_compare")
            parameters = {"memory_bytes": memory_bytes, "is_parallel": is_parallel}
            self._cursor.execute(read_statement(__package__, "comparison_settings"), parameters)
            try:
                self._cursor.execute(difference)
            except (DiskFull, OutOfMemory) as exc:
                if not is_parallel:
                    raise
                self._cursor.execute("ROLLBACK TO SAVEPOINT adsp_compare")
                log.warning("comparison_not_parallel", error=str(exc).strip())
            else:
                break
        self._cursor.execute("RELEASE SAVEPOINT adsp_compare")

    def _difference(self) -> sql.Composed:
        """Return the statement that finds the rows that differ, and counts those of the target at the same moment."""
        return sql.SQL(
            "CREATE TABLE {differences} WITH (autovacuum_enabled = off) AS"
            " SELECT old.ctid AS target, new.ctid AS staged, NULL::bigint AS rows_before"
            " FROM {old} AS old FULL JOIN {staged} AS new ON {same_key}"
            " WHERE old.ctid IS NULL OR new.ctid IS NULL OR {unlike}"
            " UNION ALL SELECT NULL, NULL, count(*) FROM {old} AS old"
        ).format(
            differences=self.differences,
            old=self._old,
            staged=self.staged,
            same_key=self._same_key,
            unlike=self._unlike,
        )


def table_rows(table: TargetTable, part: Slice | None) -> sql.Composable:
    """Return the rows that are replaced, for a FROM, with their place as column `ctid`."""
    if part is None:
        return table.own_rows
    return sql.SQL("(SELECT *, ctid FROM {} WHERE {})").format(table.own_rows, part.condition())


def _unlike(columns: Sequence[TargetColumn], rules: ComparisonRules) -> sql.Composed:
    """Return when the stored values of two rows differ, the cheap questions first."""
    plain = [c.name for c in columns if c.name in rules.same_if_equal and c.name not in rules.key]
    others = [c.name for c in columns if c.name not in rules.same_if_equal]
    unlike = [_join(" OR ", "old.{0} IS DISTINCT FROM new.{0}", plain)] if plain else []
    if others:
        sides = (_join(", ", "old.{0}", others), _join(", ", "new.{0}", others))
        unlike.append(sql.SQL("ROW({})::record *<> ROW({})::record").format(*sides))
    return sql.SQL(" OR ").join(unlike or [sql.SQL("FALSE")])


def _join(between: str, each: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(between).join(sql.SQL(each).format(sql.Identifier(name)) for name in names)
