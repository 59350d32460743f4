"""Use the same memory for block after block: fresh memory would have to be cleared by the kernel every time."""

from typing import Any

import numpy as np
import numpy.typing as npt


class ScratchBuffer:
    """An array that is used again and again; it grows as needed."""

    def __init__(self, dtype: type[np.generic]) -> None:
        """Hold nothing yet."""
        self._array: npt.NDArray[Any] = np.empty(0, dtype)

    def resize(self, size: int) -> npt.NDArray[Any]:
        """Return room for so many items, with anything in it."""
        if len(self._array) < size:
            self._array = np.empty(size + size // 4, self._array.dtype)
        return self._array[:size]
