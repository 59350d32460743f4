"""Ask which rows the unique key refuses where no other constraint can: of their keys alone.

Compiled code picks the keys out of the rows and reads the answer, so that nothing is made of each row in Python.
"""

from collections.abc import Sequence

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.postgres.copy.picked_fields import pick_fields, read_numbered_texts
from libs.common.postgres.copy.rows import Rows
from libs.common.postgres.copy.statements import copy_in, copy_out, unused_name
from libs.common.postgres.target_table import TargetColumn, TargetTable
from libs.common.sql_files import read_statement
from services.loader.blocks.broken import UNIQUE, Broken, as_texts
from services.loader.blocks.unique_key import UniqueKeyCheck
from services.loader.rejects.texts import Texts

_KEYS, _ROW = sql.Identifier("pg_temp", "adsp_keys"), sql.Identifier("adsp_row")


class KeyLookup:
    """The keys of a block's rows, in a temporary table, beside those of the target."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        unique: UniqueKeyCheck,
    ) -> None:
        """Prepare the statements for rows of these columns; make nothing yet."""
        self._cursor = cursor
        names = [column.name for column in columns]
        self._places = [names.index(name) for name in unique.columns]
        parts = {
            "keys": _KEYS,
            "key": sql.SQL(", ").join(map(sql.Identifier, unique.columns)),
            "target": table.identifier,
            "number": unused_name(columns),
            "row": _ROW,
            "is_there": unique.is_in_target(_ROW, table),
            "values": unique.description(_ROW),
            "place": unique.place(_ROW, unused_name(columns)),
            "is_whole": unique.is_whole(_ROW),
        }
        self._make, self._empty, self._copy, self._ask_target, self._ask_repeated = (
            sql.SQL(read_statement(__package__, name)).format(**parts).as_string(cursor)
            for name in ("make_keys", "empty_keys", "copy_keys", "ask_target", "ask_repeated")
        )
        self._is_made = False

    def find(self, rows: Rows) -> list[Broken]:
        """Return which rows of a binary COPY the key refuses.

        The target or, among the others, an earlier row has theirs.
        """
        self._cursor.execute(self._empty if self._is_made else self._make)
        in_target = self._find(rows, self._ask_target)
        others = rows.without(in_target.rows)
        repeated = self._find_repeated(others)
        self._is_made = True
        places = np.searchsorted(rows.lines, others.lines[repeated.rows])
        found = [in_target, Broken(UNIQUE, places, repeated.values)]
        return [broken for broken in found if len(broken.rows)]

    def _find_repeated(self, rows: Rows) -> Broken:
        """Return which rows have the key of an earlier one of them."""
        if not len(rows):
            return Broken(UNIQUE, rows.lines, as_texts([]))
        self._cursor.execute(self._empty)
        return self._find(rows, self._ask_repeated)

    def _find(self, rows: Rows, question: str) -> Broken:
        """Fill the table, which is empty, and return the answer."""
        copy_in(self._cursor, self._copy, pick_fields(rows, self._places))
        answer, count = copy_out(self._cursor, question)
        numbers, begins, ends = read_numbered_texts(answer, count)
        values = Texts.of_bytes(answer, begins, ends)
        return Broken.in_order(UNIQUE, numbers, values)
