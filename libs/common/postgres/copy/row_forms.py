"""The two forms of a COPY: what stands around its rows and in front of their fields."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from libs.common.postgres.copy.text_rows import LINE_DIGITS, MaybeTextForm, TextForm

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_COUNT_BYTES = 2


@dataclass(frozen=True, slots=True)
class RowForm:
    """A form of COPY: its name, what begins and ends it, and the bytes of a line number at the end of a row.

    `compiled` is what compiled code is given for it.
    """

    name: str
    header: bytes
    trailer: bytes
    line_number_bytes: int
    compiled: MaybeTextForm

    def wrap(self, rows: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> bytes:
        """Return rows as a whole COPY."""
        return b"".join((self.header, rows.data, self.trailer))

    def join(self, copies: Sequence[bytes]) -> bytes:
        """Return several whole COPYs as one."""
        begin, end = len(self.header), len(self.trailer)
        rows = b"".join([memoryview(copy)[begin : len(copy) - end] for copy in copies])
        return b"".join((self.header, rows, self.trailer))

    def fields_of(self, copied: bytes) -> bytes:
        """Return the fields of a COPY of one row, as they can stand before more of them."""
        if self.compiled is None:
            return copied[len(self.header) + _COUNT_BYTES : -len(self.trailer)]
        return copied[:-1] + b"\t"


BINARY = RowForm("binary", HEADER, TRAILER, 12, None)
TEXT = RowForm("text", b"", b"", LINE_DIGITS + 1, TextForm(is_text=1))
