"""What a constraint refuses of the rows of a block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from services.loader.rejects.texts import Texts

UNIQUE = -1
"""The number of the unique key among the constraints; an INSERT tries it last."""
OUTSIDE = -2
"""The number of the slice that is loaded; it comes before all constraints of the table."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A constraint, the rows (from 0) that it refuses, in order, and their values as its error's detail writes them."""

    constraint: int
    rows: npt.NDArray[np.int64]
    values: Texts

    @classmethod
    def in_order(cls, constraint: int, rows: npt.ArrayLike, values: Texts) -> Self:
        """Put refused rows into their order; a question without a sort may answer in any."""
        placed = np.asarray(rows, np.int64)
        if np.all(placed[1:] > placed[:-1]):
            return cls(constraint, placed, values)
        order = np.argsort(placed)
        return cls(constraint, placed[order], values.take(order))


def as_texts(values: Sequence[str]) -> Texts:
    """Return values as texts in UTF-8."""
    return Texts.of([value.encode() for value in values])
