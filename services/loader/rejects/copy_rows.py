"""Encode failed rows as ``COPY … (FORMAT binary)`` takes them (protocol: PostgreSQL's documentation of COPY).

Fields of fixed size that are adjacent become one array of records, texts are taken as they are, and Arrow
joins the pieces row by row.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

Word: TypeAlias = tuple[str, "np.ndarray | int"]
"""A part of fixed size: its numpy dtype (big-endian) and the values, or the one value of all rows."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How the values of a column are laid out.

    Those of fixed `size` in bytes by `word`, which gets them without NULL; those of any length (`size` is 0) as they
    are, String or Binary.
    """

    size: int = 0
    word: Callable[[pl.Series], Word] = lambda _: ("", 0)


def _integer(size: int) -> Codec:
    """Return the codec of integers of so many bytes."""
    return Codec(size, lambda values: (f">i{size}", values.to_numpy()))


def _uuid_word(values: pl.Series) -> Word:
    """Lay out values of 16 bytes."""
    return "V16", np.frombuffer(b"".join(values.to_list()), "V16")


TEXT = BYTES = Codec()
INTEGER, BIGINT = _integer(4), _integer(8)
UUID_BYTES = Codec(16, _uuid_word)
_NOTHING = pa.scalar(b"", pa.large_binary())


def encode_tuples(values: pl.DataFrame, codecs: Sequence[Codec]) -> memoryview:
    """Return the rows alone."""
    pieces = list(_pieces(values, codecs))
    if len(pieces) == 1:
        return _bytes_of(pieces[0])
    return _bytes_of(pc.binary_join_element_wise(*pieces, _NOTHING))


def _pieces(values: pl.DataFrame, codecs: Sequence[Codec]) -> Iterator[pa.LargeBinaryArray]:
    """Yield what each row is made of: records of fixed size and texts in turn."""
    height = values.height
    words: list[Word] = [(">i2", len(codecs))]
    for column, codec in zip(values.iter_columns(), codecs, strict=True):
        if codec.size and column.null_count() == 0:
            words += [(">i4", codec.size), codec.word(column)]
            continue
        texts = _sparse(column, codec) if codec.size else _texts(column)
        lengths = _lengths(texts)
        if column.null_count():
            lengths = np.where(column.is_null().to_numpy(), -1, lengths)
        yield _records([*words, (">i4", lengths)], height)
        yield texts
        words = []
    if words:
        yield _records(words, height)


def _records(words: Sequence[Word], height: int) -> pa.LargeBinaryArray:
    """Lay words of fixed size one after the other."""
    records = np.empty(height, [(str(place), dtype) for place, (dtype, _) in enumerate(words)])
    for place, (_, word) in enumerate(words):
        records[str(place)] = word
    size = records.dtype.itemsize
    return _binary(np.arange(height + 1) * size, records)


def _sparse(values: pl.Series, codec: Codec) -> pa.LargeBinaryArray:
    """Lay out values of fixed size with NULLs among them, which have no bytes."""
    present = values.is_not_null().to_numpy()
    rows = _records([codec.word(values.drop_nulls())], int(present.sum()))
    ends = np.concatenate(([0], np.cumsum(present))) * codec.size
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(values), [None, pa.py_buffer(ends), rows.buffers()[2]]
    )


def _texts(values: pl.Series) -> pa.LargeBinaryArray:
    """Take texts as they are; NULL has no bytes."""
    array = values.to_arrow(compat_level=pl.CompatLevel.oldest()).view(pa.large_binary())
    return pc.fill_null(array, _NOTHING) if array.null_count else array


def _lengths(texts: pa.LargeBinaryArray) -> npt.NDArray[np.int64]:
    """Return the length of each text in bytes."""
    return np.diff(_offsets(texts))


def _offsets(array: pa.LargeBinaryArray) -> npt.NDArray[np.int64]:
    return np.frombuffer(array.buffers()[1], np.int64)[array.offset :][: len(array) + 1]


def _binary(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.void]) -> pa.LargeBinaryArray:
    """Make an Arrow array of numpy's memory."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _bytes_of(rows: pa.LargeBinaryArray) -> memoryview:
    """Return the rows' bytes, which are adjacent."""
    offsets = _offsets(rows)
    return memoryview(rows.buffers()[2])[offsets[0] : offsets[-1]]
