"""The bytes of a file as the units of its encoding, and where its lines end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CR, LF, BACKSLASH, CTRL_Z = 13, 10, 92, 26


def stands(units: Sequence[int], position: int, text: str) -> bool:
    """Return whether a text of ASCII stands here."""
    return list(units[position : position + len(text)]) == [ord(sign) for sign in text]


class Stored:
    """The bytes of a file as numbers, one for each unit of its encoding; half a unit at the end is -1."""

    def __init__(self, data: bytes, encoding: str) -> None:
        """Take the bytes apart."""
        self._data = data
        self.encoding = {"utf-16": "utf-16-le"}.get(encoding, encoding)
        self.unit = 2 if self.encoding.startswith("utf-16") else 1
        order: Literal["little", "big"] = "little" if self.encoding.endswith("le") else "big"
        pieces = (data[at : at + self.unit] for at in range(0, len(data), self.unit))
        self.units = [
            int.from_bytes(piece, order) if len(piece) == self.unit else -1 for piece in pieces
        ]

    def cut(self, start: int, end: int) -> bytes:
        """Return the bytes of units."""
        return self._data[start * self.unit : end * self.unit]

    def measure(self, start: int, end: int) -> int:
        """Return how long a record is: in bytes, or as UTF-8, in which half a unit counts three."""
        if self.unit == 1:
            return end - start
        odd = end > start and self.units[end - 1] < 0
        text = self.cut(start, end - odd).decode(self.encoding, "surrogatepass")
        return len(text.encode("utf-8", "surrogatepass")) + 3 * odd

    def reach(self, start: int, cap: int) -> int:
        """Return the end of the whole characters within the cap."""
        return self._seek(start, cap, 0)

    def pass_by(self, start: int, cap: int) -> int:
        """Return the first unit that stands at the cap or beyond."""
        return self._seek(start, cap, 1)

    def _seek(self, start: int, cap: int, beyond: int) -> int:
        if self.unit == 1:
            return min(start + cap, len(self.units))
        end = start
        while end < len(self.units):
            is_pair = 0xD800 <= self.units[end] < 0xDC00 and end + 1 < len(self.units)
            is_pair = is_pair and 0xDC00 <= self.units[end + 1] < 0xE000
            after = end + (2 if is_pair else 1)
            if self.measure(start, end) >= cap or (not beyond and self.measure(start, after) > cap):
                break
            end = after
        return end


@dataclass(frozen=True)
class LineEnding:
    """Where lines end: at LF and CRLF, where `cr` also at CR, or as the format's `line_end` says."""

    line_end: str
    cr: bool

    def stands(self, data: Sequence[int], position: int) -> bool:
        """Return whether a line end begins here."""
        byte, is_pair = data[position], list(data[position : position + 2]) == [CR, LF]
        return {
            "auto": byte == LF or is_pair or (byte == CR and self.cr),
            "lf": byte == LF,
            "crlf": is_pair,
            "cr": byte == CR,
        }[self.line_end]

    def next(self, data: Sequence[int], position: int) -> int:
        """Return where the next line end at or after `position` begins, or the end of the data."""
        while position < len(data) and not self.stands(data, position):
            position += 1
        return position

    def behind(self, data: Sequence[int], position: int) -> int:
        """Step over the line end that begins here."""
        is_pair = list(data[position : position + 2]) == [CR, LF]
        return min(position + (2 if is_pair else 1), len(data))

    def count(self, data: Sequence[int]) -> int:
        """Count line ends."""
        count, position = 0, 0
        while position < len(data):
            if self.stands(data, position):
                count += 1
                position = self.behind(data, position)
            else:
                position += 1
        return count
