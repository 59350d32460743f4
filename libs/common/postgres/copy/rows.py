"""Rows of a COPY, of which some may be left out."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from libs.common.csv.line_scanner import Positions
from libs.common.postgres.copy.row_forms import RowForm
from libs.common.postgres.copy.select_tuples import select_tuples
from libs.common.postgres.copy.text_rows import select_texts


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a COPY: row `i` is ``copied[begins[i]:ends[i]]`` and stands on line `lines[i]` of the block (from 0).

    Each has `columns` fields, and behind them its line number if it `has_lines`.
    """

    copied: bytes
    begins: Positions
    ends: Positions
    lines: Positions
    columns: int
    form: RowForm
    has_lines: bool

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def keep(self, chosen: npt.NDArray[np.bool_]) -> "Rows":
        """Return the chosen rows."""
        if chosen.all():
            return self
        begins, ends, lines = self.begins[chosen], self.ends[chosen], self.lines[chosen]
        return replace(self, begins=begins, ends=ends, lines=lines)

    def without(self, left_out: Positions) -> "Rows":
        """Return the rows without some of them (from 0)."""
        chosen = np.ones(len(self), np.bool_)
        chosen[left_out] = False
        return self.keep(chosen)

    def for_sink(self) -> bytes:
        """Return the rows as the sink's COPY takes them, with their line numbers if they have them."""
        return self._copy(0, self.columns + self.has_lines)

    def for_target(self) -> bytes:
        """Return the rows as a table of the target's columns takes them."""
        return self._copy(self.form.line_number_bytes if self.has_lines else 0, self.columns)

    def _copy(self, cut: int, fields: int) -> bytes:
        """Return the rows as a whole COPY, without their last `cut` bytes each, as rows of `fields`."""
        size = int((self.ends - self.begins).sum()) - cut * len(self)
        if len(self.form.header) + size + len(self.form.trailer) == len(self.copied):
            return self.copied
        out, copied = np.empty(size, np.uint8), np.frombuffer(self.copied, np.uint8)
        if self.form.compiled is None:
            select_tuples(copied, self.begins, self.ends, cut, fields, out)
        else:
            select_texts(copied, self.begins, self.ends, cut, out)
        return self.form.wrap(out)
