"""Replace the rows of a table by those of a delivery, writing only what differs.

    records ──► the paths of every load ──► stand-in ──► comparison ──► writing

Whatever goes otherwise than it would row by row raises, and the load starts over: in a stand-in that has the target's
unique indexes, then without one.
"""

from collections.abc import Callable, Sequence

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.datasets.slices import Slice
from libs.common.failpoints import FailPoint, failpoint
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.changes.comparison import Comparison, table_rows
from services.loader.changes.row_changes import RowChanges
from services.loader.changes.rules import ComparisonRules, NotCompared, read_rules
from services.loader.changes.stand_in import make_stand_in
from services.loader.changes.writing import ChangeWriter
from services.loader.load_errors import MostRowsDiffer
from services.loader.savepoint import Savepoint


class Replacement:
    """One attempt at a replace; `stand_in` takes the records."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        part: Slice | None,
        rules: ComparisonRules,
        *,
        has_indexes: bool,
    ) -> None:
        """Make the stand-in, with the target's unique indexes or without."""
        self._rules = rules
        self.stand_in = make_stand_in(cursor, table, rules, has_indexes=has_indexes)
        staged = self.stand_in.identifier
        self._comparison = Comparison(cursor, table, staged, columns, rules, part)
        self._writer = ChangeWriter(cursor, table, columns, rules, part, self._comparison)

    def probe(self, savepoint: Savepoint) -> None:
        """Raise `MostRowsDiffer` where the first rows that are staged say so, and all may be written as well."""
        if self._rules.kept or self._rules.has_triggers:
            return
        with savepoint:
            if self._comparison.differ_mostly():
                raise MostRowsDiffer

    def write(self, memory_bytes: int, check: Callable[[], None]) -> RowChanges:
        """Write what differs into the target, once all records are staged; `check` may raise to stop it.

        The comparison takes so much memory of the server, in all its processes. Raises `StagedRowsRefused` where the
        load has to start over.
        """
        failpoint(FailPoint.AFTER_STAGING)
        check()
        changes = self._comparison.run(memory_bytes)
        failpoint(FailPoint.AFTER_COMPARISON)
        self._writer.write(changes, check)
        self._comparison.drop()
        failpoint(FailPoint.AFTER_CHANGES)
        return changes


def find_rules(
    cursor: Cursor, table: TargetTable, columns: Sequence[TargetColumn], part: Slice | None
) -> ComparisonRules | NotCompared:
    """Return how a delivery is compared with the rows that it replaces, or why it is not."""
    rules = read_rules(cursor, table, columns, part)
    if isinstance(rules, NotCompared):
        return rules
    cursor.execute(sql.SQL("SELECT FROM {} AS old LIMIT 1").format(table_rows(table, part)))
    return rules if cursor.rowcount else NotCompared()
