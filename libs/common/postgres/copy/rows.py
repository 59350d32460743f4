"""Rows of a COPY, and what stands before and behind those of a binary one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from libs.common.csv.line_scanner import (
    Positions,
)

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a COPY: row `i` is ``copied[begins[i]:ends[i]]`` and stands on line `lines[i]` of the block (from 0)."""

    copied: bytes
    begins: Positions
    ends: Positions
    lines: Positions

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def keep(self, chosen: npt.NDArray[np.bool_]) -> "Rows":
        """Return the chosen rows."""
        if chosen.all():
            return self
        return Rows(self.copied, self.begins[chosen], self.ends[chosen], self.lines[chosen])

    def take(self, places: Positions) -> "Rows":
        """Return the rows at some places (from 0)."""
        return Rows(self.copied, self.begins[places], self.ends[places], self.lines[places])

    def without(self, left_out: Positions) -> "Rows":
        """Return the rows without some of them (from 0)."""
        chosen = np.ones(len(self), np.bool_)
        chosen[left_out] = False
        return self.keep(chosen)
