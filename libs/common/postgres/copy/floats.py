"""Read texts as floats, many at a time, where they are certain to be what Postgres reads."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_TYPES: dict[int, tuple[type[np.floating], str, float]] = {
    4: (np.float32, ">f4", 1.2e-38),
    8: (np.float64, ">f8", 2.3e-308),
}
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ZEROS = frozenset({"0", "0.0", "0.00"})
_HALF_WAY, _BELOW_SINGLE = np.uint64(1 << 28), np.uint64((1 << 29) - 1)


def read_floats(
    texts: Sequence[str], size: int
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.bool_]]:
    """Return values of 4 or 8 bytes in network order, and which are certain.

    Those are decimal spellings of finite numbers that are not too small to be exact. A value of 4 bytes is read as one
    of 8 first: where that lies half-way between two of 4, the text may be on either side.
    """
    dtype, order, least = _TYPES[size]
    is_plain = np.array([_PLAIN.fullmatch(text) is not None for text in texts], np.bool_)
    doubles = np.array(
        [float(text) if plain else 0.0 for text, plain in zip(texts, is_plain, strict=True)],
        np.float64,
    )
    with np.errstate(over="ignore"):
        values = doubles.astype(dtype)
    is_zero = np.array([text in _ZEROS for text in texts], np.bool_)
    is_exact = (np.isfinite(values) & (np.abs(values) >= least)) | is_zero
    if dtype is np.float32:
        is_exact &= (doubles.view(np.uint64) & _BELOW_SINGLE) != _HALF_WAY
    return values.astype(order), is_plain & is_exact
