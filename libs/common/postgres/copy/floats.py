"""Read texts as floats, many at a time, where they are certain to be what Postgres reads."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

_TYPES = {4: (pl.Float32, ">f4", 1.2e-38), 8: (pl.Float64, ">f8", 2.3e-308)}
_PLAIN = r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"


def read_floats(
    texts: Sequence[str], size: int
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.bool_]]:
    """Return values of 4 or 8 bytes in network order, and which are certain.

    Those are decimal spellings of finite numbers that are not too small to be exact.
    """
    dtype, order, least = _TYPES[size]
    cells = pl.Series(texts, dtype=pl.String)
    values = cells.cast(dtype, strict=False)
    is_exact = (values.is_finite() & (values.abs() >= least)) | cells.is_in(["0", "0.0", "0.00"])
    is_certain = (cells.str.contains(_PLAIN) & is_exact).fill_null(value=False)
    return values.fill_null(0).to_numpy().astype(order), is_certain.to_numpy()
