"""Settle a prepared block: its certain rows by COPY, the others by set-based questions to Postgres.

It either settles a whole block, except for records that it returns to be judged one by one, or leaves no trace and
says that it cannot: then the block goes record by record through `rows.bisection`, which can do anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import psycopg2
from psycopg2.extensions import cursor as Cursor

from libs.common.csv.line_scanner import Positions
from libs.common.csv.records import Record
from libs.common.postgres.copy.encoded_block import TypeCheckCells
from libs.common.postgres.copy.row_forms import BINARY, RowForm
from libs.common.postgres.copy.rows import Rows
from libs.common.postgres.copy.statements import copy_in
from libs.common.postgres.copy.text import encode_records
from services.loader.blocks.broken import OUTSIDE, Broken
from services.loader.blocks.cell_types import CellTypes
from services.loader.blocks.constraint_checks import Violations
from services.loader.blocks.constraint_messages import ConstraintMessages
from services.loader.blocks.prepared_block import Prepared
from services.loader.blocks.rejected_lines import place_rejections, place_worded
from services.loader.blocks.row_order import RowOrder
from services.loader.blocks.sink import Sink
from services.loader.blocks.slice_filter import reject_outside
from services.loader.rejects.columns import RejectedRows
from services.loader.rejects.line_rejections import LineRejections
from services.loader.rejects.rejection import may_be_row_error
from services.loader.rows.bisection import RowsWithheld
from services.loader.rows.single_insert import SingleRowWriter
from services.loader.savepoint import Savepoint

BrokenLines: TypeAlias = tuple[Broken, Positions]
"""What a constraint refuses, and the lines of the block on which that stands."""


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What became of a block: rows refused so far, and records left to be judged, in file order."""

    refused: list[RejectedRows]
    remaining: list[Record]


class BlockWriter:
    """Write prepared blocks into the target, in the caller's transaction."""

    def __init__(
        self,
        cursor: Cursor,
        order: RowOrder,
        sink: Sink,
        types: CellTypes,
        violations: Violations,
        single_row: SingleRowWriter,
        savepoint: Savepoint,
        *,
        covers_all_checks: bool,
    ) -> None:
        """Write with what belongs to the load; `covers_all_checks`: rows that a check may refuse are suspected."""
        self._cursor = cursor
        self._order = order
        self._savepoint = savepoint
        self._violations = violations
        self._single_row = single_row
        self._types = types
        self._messages = ConstraintMessages()
        self._sink = sink
        # Staged rows meet their constraints only in the end.
        self._always_looks = order is RowOrder.BY_LINE and not covers_all_checks
        self._look_first = self._always_looks
        self._types_first = False
        self._keys = violations.keys if covers_all_checks else None

    def write(self, prepared: Prepared) -> BlockResult | None:
        """Settle the block, or return None when nothing was written and it has to go another way.

        Rows with a cell that its type refuses are set apart once the COPY has broken on one, then before it.
        """
        is_tried, result = not self._types_first, None
        if is_tried:
            result = self._settle(prepared, [])
        if result is not None or not self._types.has_unread:
            return result
        rest = self._types.set_apart(prepared)
        if rest is None:
            return None
        self._types_first = len(rest[0].malformed) > len(prepared.malformed) or len(rest[1]) > 0
        # What has broken without such cells would only break again.
        return self._settle(*rest) if self._types_first or not is_tried else None

    def write_together(self, blocks: Sequence[Prepared]) -> bool:
        """Write blocks that hold certain rows alone by one COPY; return False when nothing was written."""
        if self._look_first or self._types_first:
            return False  # that may break, so they are asked about one by one
        form, count = blocks[0].certain.form, sum(len(block.certain) for block in blocks)
        return self._try_copy(form, form.join([block.encoded for block in blocks]), count, [])

    def _settle(self, prepared: Prepared, left: Sequence[int]) -> BlockResult | None:
        """Settle the block but for lines that are left to single inserts, or return None as `write` does."""
        asked = self._ask_inputs(prepared.type_check_cells)
        if asked is None:
            return None
        misspelt, undecided = asked
        spelt = self._spelt(prepared, [*misspelt.lines.tolist(), *undecided])
        if spelt and not self._may_be_copied(spelt):
            return None
        found = self._write(prepared, spelt)
        if found is None:
            return None
        broken, judged_later = found
        worded, unworded = self._word(prepared, broken)
        rejections = LineRejections.join([prepared.malformed, misspelt])
        refused = [place_rejections(prepared, rejections), *worded]
        remaining = [*prepared.records([*undecided, *left]), *judged_later, *unworded]
        return BlockResult(refused, sorted(remaining, key=lambda record: record.byte_offset))

    def flush(self, *, is_last: bool) -> None:
        """Have all rows in the target that were settled; the row path may follow unless it `is_last`."""
        if self._sink.waiting or (is_last and self._sink.has_end):
            with self._savepoint:
                self._sink.flush(is_last=is_last)

    def _ask_inputs(self, cells: TypeCheckCells) -> tuple[LineRejections, list[int]] | None:
        """Return the refusals of doubtful cells and the lines that stay undecided; None if that cannot be asked."""
        if not len(cells):
            return LineRejections.none(), []
        return self._savepoint.ask(lambda: self._types.refusals(cells))

    def _spelt(self, prepared: Prepared, others: Sequence[int]) -> list[Record]:
        """Return the records with cells to check but for some lines: those that are only spelt in another way."""
        lines = prepared.doubtful[~np.isin(prepared.doubtful, others)]
        return prepared.records(lines.tolist())

    def _write(
        self, prepared: Prepared, spelt: list[Record]
    ) -> tuple[list[BrokenLines], list[Record]] | None:
        """Write all that no constraint refuses; return the refusals with their lines, and records left."""
        certain, suspected = prepared.certain, prepared.suspected
        found = self._find(suspected)
        if found is None or sum(len(lines) for _, lines in found) < len(suspected):
            return None  # a guess was wrong: its row would have to go between the others
        looks_first, encoded = self._look_first, prepared.encoded
        if looks_first or not self._try_copy(certain.form, encoded, len(certain), spelt):
            more = self._find_certain(certain)
            if more is None:
                return None
            self._look_first = len(more) > 0 or self._always_looks
            if more:
                certain = certain.without(np.concatenate([broken.rows for broken, _ in more]))
                encoded = certain.for_sink()
                found += more
            # What has broken just now would only break again.
            has_broken = not (looks_first or more)
            if has_broken or not self._try_copy(certain.form, encoded, len(certain), spelt):
                return self._leave_spelt(certain, encoded, spelt, found)
        return found, []

    def _leave_spelt(
        self,
        certain: Rows,
        encoded: bytes,
        spelt: list[Record],
        found: list[BrokenLines],
    ) -> tuple[list[BrokenLines], list[Record]] | None:
        """Leave the records in other spellings to single inserts, where their order does not matter."""
        if (
            not spelt
            or self._order is RowOrder.FATE
            or not self._try_copy(certain.form, encoded, len(certain), [])
        ):
            return None
        return found, spelt

    def _may_be_copied(self, spelt: list[Record]) -> bool:
        """Return whether records in other spellings may go with the others, after them.

        Staged rows meet their constraints only in the end, when a later record may have taken their place; a COPY knows
        nothing of a slice.
        """
        if self._order is RowOrder.NUMBERS:
            return False
        if self._order is not RowOrder.BY_LINE and self._violations.part is None:
            return True
        texts = encode_records(spelt)
        return self._savepoint.ask(lambda: self._violations.find(texts, form="text")) == []

    def _find_certain(self, rows: Rows) -> list[BrokenLines] | None:
        """Return which of the certain rows a constraint refuses, as `_find` does.

        Where no constraint of their own can be among them only their keys are asked.
        """
        keys = self._keys
        if keys is None or rows.form is not BINARY:
            return self._find(rows)
        return self._find_by(rows, lambda: keys.find(rows))

    def _find(self, rows: Rows) -> list[BrokenLines] | None:
        """Return which rows a constraint refuses, with their lines, None when that cannot be asked."""
        find = self._violations.find
        return self._find_by(rows, lambda: find(rows.for_target(), form=rows.form.name))

    def _find_by(self, rows: Rows, find: Callable[[], list[Broken]]) -> list[BrokenLines] | None:
        """Return what is found of rows, if there are any, with their lines."""
        found = self._savepoint.ask(find) if len(rows) else []
        if found is None:
            return None
        return [(broken, rows.lines[broken.rows]) for broken in found]

    def _word(
        self, prepared: Prepared, found: Sequence[BrokenLines]
    ) -> tuple[list[RejectedRows], list[Record]]:
        """Return the refusals of rows that break a constraint, and the records that only an insert can word."""
        refused: list[RejectedRows] = []
        remaining: list[Record] = []
        for broken, lines in found:
            which = broken.constraint
            if self._violations.part is not None and which == OUTSIDE:
                rejection = reject_outside(self._violations.part)
                outside = LineRejections(lines, np.zeros(len(lines), np.int64), [rejection])
                refused.append(place_rejections(prepared, outside))
                continue
            begin = self._learn(prepared, broken, lines)
            if self._messages.is_known(which):
                first, messages = self._messages.format(which, broken.values.since(begin))
                refused.append(place_worded(prepared, lines[begin:], first, messages))
            else:
                remaining += prepared.records(lines[begin:].tolist())
        return refused, remaining

    def _learn(self, prepared: Prepared, broken: Broken, lines: Positions) -> int:
        """Have the words of a constraint known if they can be; return how many of its lines were written on the way."""
        which = broken.constraint
        for place, line in enumerate(lines.tolist()):
            if self._messages.is_known(which) or not self._may_learn(which):
                return place
            (record,) = prepared.records([line])
            refusal = self._single_row.insert(record)
            if refusal is not None:
                self._messages.learn_template(which, broken.values.text(place), refusal)
                return place
        return len(lines)

    def _may_learn(self, constraint: int) -> bool:
        """Return whether the words of a constraint can be known and were not looked for in vain."""
        return self._violations.are_complete and not self._messages.is_unknowable(constraint)

    def _try_copy(
        self, form: RowForm, encoded: bytes, count: int, records: Sequence[Record]
    ) -> bool:
        """Copy so many encoded rows, and records; undo it and return False when one of them is refused."""
        try:
            with self._savepoint:
                copy = f"{self._sink.copy} (FORMAT {form.name})"
                written = copy_in(self._cursor, copy, encoded)
                if records:
                    written += copy_in(self._cursor, self._sink.copy, self._sink.text(records))
                if written != count + len(records):
                    raise RowsWithheld
        except RowsWithheld:
            return False
        except psycopg2.Error as exc:
            if not may_be_row_error(exc.pgcode):
                raise
            return False
        self._sink.note(written)
        return True
