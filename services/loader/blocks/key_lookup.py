"""Ask which rows the unique key refuses where no other constraint can: of their keys alone.

Compiled code picks the keys out of the rows and reads the answer, so that nothing is made of each row in Python. Where
most of the keys stand next to each other in the target's index they are read from there in one go; each that is not
found so is looked up.
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
from services.loader.blocks.broken import UNIQUE, Broken
from services.loader.blocks.unique_key import UniqueKeyCheck
from services.loader.rejects.texts import Texts

_KEYS, _ROW = sql.Identifier("pg_temp", "adsp_keys"), sql.Identifier("adsp_row")
_STATEMENTS = ("make_keys", "empty_keys", "copy_keys", "ask_range", "ask_target", "ask_repeated")
_LEAST_SHARE = 0.3
"""Of a block's rows, found in one go; below it the next blocks are looked up. A key read costs 0.3 µs, a lookup 1.1."""


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
        key = list(map(sql.Identifier, unique.columns))
        parts = {
            "keys": _KEYS,
            "key": sql.SQL(", ").join(key),
            "downwards": sql.SQL(", ").join(sql.SQL("{} DESC").format(name) for name in key),
            "own": unique.values(_ROW),
            "target": table.identifier,
            "number": unused_name(columns),
            "row": _ROW,
            "is_there": unique.is_in_target(_ROW, table),
            "values": unique.description(_ROW),
            "place": unique.place(_ROW, unused_name(columns)),
            "is_whole": unique.is_whole(_ROW),
            "is_given": unique.is_given(_ROW),
        }
        self._make, self._empty, self._copy, self._ask_range, *self._ask = (
            sql.SQL(read_statement(__package__, name)).format(**parts).as_string(cursor)
            for name in _STATEMENTS
        )
        self._is_made = False
        self._held: Rows | None = None
        self._is_dense = unique.can_be_hashed

    def find(self, rows: Rows) -> list[Broken]:
        """Return which rows of a binary COPY the key refuses.

        The target or, among the others, an earlier row has theirs.
        """
        self._held = None
        found: list[Broken] = []
        others = rows
        if self._is_dense:
            others = self._find(rows, others, self._ask_range, found)
            self._is_dense = len(rows) - len(others) >= _LEAST_SHARE * len(rows)
        for question in self._ask:
            others = self._find(rows, others, question, found)
        # Not before all was answered: who breaks a question undoes the table too.
        self._is_made = self._is_made or self._held is not None
        return found

    def _find(self, rows: Rows, others: Rows, question: str, found: list[Broken]) -> Rows:
        """Add the answer for those rows that are not found yet; return which are not found now."""
        if not len(others):
            return others
        self._hold(others)
        broken = self._read(question)
        if not len(broken.rows):
            return others
        places = np.searchsorted(rows.lines, others.lines[broken.rows])
        found.append(Broken(UNIQUE, places, broken.values))
        return others.without(broken.rows)

    def _hold(self, rows: Rows) -> None:
        """Fill the table with the keys of these rows alone."""
        if self._held is rows:
            return
        is_there = self._is_made or self._held is not None
        self._cursor.execute(self._empty if is_there else self._make)
        copy_in(self._cursor, self._copy, pick_fields(rows, self._places))
        self._held = rows

    def _read(self, question: str) -> Broken:
        """Return the answer about the rows in the table."""
        answer, count = copy_out(self._cursor, question)
        numbers, begins, ends = read_numbered_texts(answer, count)
        values = Texts.of_bytes(answer, begins, ends)
        return Broken.in_order(UNIQUE, numbers, values)
