"""Why lines of a block are rejected: many lines for few reasons, since feeds repeat their mistakes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from libs.common.compiled.words import Numbers
from libs.common.csv.line_scanner import Positions
from services.loader.rejects.rejection import Rejection


@dataclass(frozen=True, slots=True)
class LineRejections:
    """Line `lines[i]` of a block is rejected for ``reasons[which[i]]``."""

    lines: Positions
    which: Numbers
    reasons: Sequence[Rejection]

    @classmethod
    def of(cls, lines: Positions, numbers: Numbers, reasons: Mapping[int, Rejection]) -> Self:
        """Return why lines are rejected, line `lines[i]` for the reason ``reasons[numbers[i]]``."""
        known = sorted(reasons)
        which = np.searchsorted(np.array(known, np.int64), numbers)
        return cls(lines, which, [reasons[number] for number in known])

    @classmethod
    def none(cls) -> Self:
        """Return no lines."""
        return cls.of(np.empty(0, np.int64), np.empty(0, np.int64), {})

    @classmethod
    def join(cls, parts: Iterable[Self]) -> Self:
        """Put some after the other."""
        lines, which, reasons = list[Positions](), list[Numbers](), list[Rejection]()
        for part in parts:
            lines.append(part.lines)
            which.append(part.which + len(reasons))
            reasons += part.reasons
        return cls(np.concatenate(lines), np.concatenate(which), reasons)

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.lines)

    def __iter__(self) -> Iterator[tuple[int, Rejection]]:
        """Yield each line with its reason."""
        for line, which in zip(self.lines.tolist(), self.which.tolist(), strict=True):
            yield line, self.reasons[which]
