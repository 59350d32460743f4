"""Set apart the rows with a cell that its type refuses, in blocks whose COPY breaks on what nobody has read before.

The cells of such columns are copied as texts into a temporary table, where `pg_input_is_valid` is asked about each of
them at once; only what it refuses comes back, to be worded by `services.loader.blocks.type_checks`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.postgres.copy.encoded_block import TypeCheckCells
from libs.common.postgres.copy.encoder import Encoder
from libs.common.postgres.copy.rows import Rows
from libs.common.postgres.copy.statements import copy_in
from services.loader.blocks.domain_nulls import DomainNulls
from services.loader.blocks.prepared_block import Prepared
from services.loader.blocks.type_checks import Inputs
from services.loader.rejects.line_rejections import LineRejections
from services.loader.savepoint import Savepoint

_TEXTS = sql.Identifier("pg_temp", "adsp_texts")
_ROW = sql.Identifier("adsp_row")
_RefusedCell: TypeAlias = tuple[int, int, str | None]
"""A cell's line, the place of its column in the header, and its text; None for a NULL."""


class CellTypes:
    """What the types of a load's columns say of cells that are not certain, and of those that nobody has read."""

    def __init__(
        self,
        cursor: Cursor,
        encoder: Encoder | None,
        inputs: Inputs,
        savepoint: Savepoint,
    ) -> None:
        """Make nothing yet; `encoder` writes the cells that nobody has read as texts, None where there are none."""
        self._cursor = cursor
        self._encoder = encoder
        places = encoder.columns if encoder is not None else []
        self._columns = {place: inputs.columns[place] for place in places}
        self._inputs = inputs
        self._savepoint = savepoint
        self._nulls = DomainNulls(cursor, savepoint)
        self._find: sql.Composed | None = None

    @property
    def has_unread(self) -> bool:
        """Return whether there are columns of which only Postgres reads the cells."""
        return self._encoder is not None

    def refusals(self, cells: TypeCheckCells) -> tuple[LineRejections, list[int]]:
        """Return what is refused of cells, and undecided lines (`Inputs.refusals`)."""
        return self._inputs.refusals(cells)

    def set_apart(self, prepared: Prepared) -> tuple[Prepared, list[int]] | None:
        """Return the block with refused rows among those that are malformed, and the lines of undecided ones.

        None where a type cannot say what it refuses without breaking the statement.
        """
        cells: list[_RefusedCell] = []
        for rows in (prepared.certain, prepared.suspected):
            found = self._ask(prepared, rows)
            if found is None:
                return None
            cells += found
        texts = TypeCheckCells.of(
            (line, place, text) for line, place, text in cells if text is not None
        )
        answer = self._savepoint.ask(lambda: self._inputs.refusals(texts))
        if answer is None:
            return None
        refused, _ = answer
        lines = {line for line, _, _ in cells}
        undecided = sorted(lines.difference(refused.lines.tolist()))
        certain, suspected = (
            rows.keep(~np.isin(rows.lines, list(lines)))
            for rows in (prepared.certain, prepared.suspected)
        )
        rest = replace(
            prepared,
            certain=certain,
            encoded=certain.for_sink(),
            suspected=suspected,
            malformed=LineRejections.join([prepared.malformed, refused]),
        )
        return rest, undecided

    def _ask(self, prepared: Prepared, rows: Rows) -> list[_RefusedCell] | None:
        """Return the cells of rows that their types refuse, None where one cannot say so."""
        if not len(rows):
            return []
        domains = [place for place, column in self._columns.items() if column.is_domain]
        null_refused = [place for place in domains if self._nulls.are_refused(self._columns[place])]
        texts = self._write_texts(prepared, rows)
        found = self._savepoint.ask(lambda: self._find_refused(texts, null_refused))
        if found is None:
            return None
        return [(int(rows.lines[row]), place, text) for row, place, text in found]

    def _write_texts(self, prepared: Prepared, rows: Rows) -> bytes:
        """Return the cells of rows as a text COPY."""
        others = set(range(len(prepared.lines))).difference(rows.lines.tolist())
        found = self._encoder.encode(prepared.lines, 0, others) if self._encoder else None
        if found is None or len(found.certain) != len(rows):
            raise ValueError("a block that has rows can be written as texts")
        return found.certain.for_sink()

    def _find_refused(self, texts: bytes, null_refused: Sequence[int]) -> list[_RefusedCell]:
        find = self._find
        if find is None:
            find = self._prepare(null_refused)
        else:
            self._cursor.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(_TEXTS))
        names = sql.SQL(", ").join(map(_name, self._columns))
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(_TEXTS, names)
        copy_in(self._cursor, copy.as_string(self._cursor), texts)
        self._cursor.execute(find)
        self._find = find
        return list(self._cursor.fetchall())

    def _prepare(self, null_refused: Sequence[int]) -> sql.Composed:
        """Make the temporary table, which ends with the transaction and numbers its rows; return the question."""
        texts = [sql.SQL("{} text").format(_name(place)) for place in self._columns]
        make = "CREATE TEMPORARY TABLE {} ({} bigint GENERATED ALWAYS AS IDENTITY (MINVALUE 0), {}) ON COMMIT DROP"
        self._cursor.execute(sql.SQL(make).format(_TEXTS, _ROW, sql.SQL(", ").join(texts)))
        refused = sql.SQL("NOT pg_input_is_valid({}, {})")
        asked = [
            (place, refused.format(_name(place), sql.Literal(column.type)))
            for place, column in self._columns.items()
        ]
        asked += [(place, sql.SQL("{} IS NULL").format(_name(place))) for place in null_refused]
        return sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, {}, {} FROM {} WHERE {}").format(
                _ROW, sql.Literal(place), _name(place), _TEXTS, condition
            )
            for place, condition in asked
        )


def _name(place: int) -> sql.Identifier:
    """Return what the texts of a column are called."""
    return sql.Identifier(f"adsp_{place}")
