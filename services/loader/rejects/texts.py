"""Many texts as one array of bytes, so that none of them becomes an object of its own."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np

from libs.common.compiled.words import Bytes, Numbers
from libs.common.errors import MESSAGE_LIMIT, cut_message


class Texts(NamedTuple):
    """Many texts in one array: text `i` is ``data[begins[i]:ends[i]]``."""

    data: Bytes
    begins: Numbers
    ends: Numbers

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Self:
        """Put texts one after the other."""
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        begins = np.concatenate((np.zeros(1, np.int64), ends[:-1])) if texts else ends
        return cls(np.frombuffer(b"".join(texts), np.uint8), begins, ends)

    @classmethod
    def of_bytes(cls, data: bytes, begins: Numbers, ends: Numbers) -> Self:
        """Return texts that stand at these places."""
        return cls(np.frombuffer(data, np.uint8), begins, ends)

    @classmethod
    def all_equal(cls, text: bytes, count: int) -> Self:
        """Return one text so many times; they share its bytes."""
        return cls.of([text]).take(np.zeros(count, np.int64))

    def raw(self, row: int) -> bytes:
        """Return one of them as it is."""
        return self.data[self.begins[row] : self.ends[row]].tobytes()

    @property
    def lengths(self) -> Numbers:
        """Return the bytes of each."""
        return self.ends - self.begins

    @property
    def bytes(self) -> int:
        """Return how long all of them are together."""
        return int(self.lengths.sum())

    def take(self, rows: Numbers) -> Self:
        """Return the texts with these numbers, in this order; one may be taken often."""
        return self._replace(begins=self.begins[rows], ends=self.ends[rows])

    def since(self, row: int) -> Self:
        """Return the texts from this number on."""
        return self._replace(begins=self.begins[row:], ends=self.ends[row:])

    def text(self, row: int) -> str:
        """Return one of them, which is in UTF-8."""
        return self.raw(row).decode()

    def all_texts(self) -> Iterator[str]:
        """Yield all of them, which are in UTF-8."""
        return map(self.text, range(len(self.begins)))


class Messages(NamedTuple):
    """Messages in UTF-8; each is put together when it is written: what stands before a value, the value, the rest."""

    befores: Texts
    values: Texts
    afters: Texts

    @classmethod
    def of(cls, messages: Sequence[str]) -> Self:
        """Return messages, cut: Postgres repeats a value of any size. A NUL cannot be stored."""
        if max(map(len, messages), default=0) > MESSAGE_LIMIT:
            messages = [cut_message(message) for message in messages]
        encoded = [message.encode() for message in messages]
        if any(b"\0" in message for message in encoded):
            encoded = [message.replace(b"\0", b"") for message in encoded]
        nothing = Texts.all_equal(b"", len(encoded))
        return cls(nothing, Texts.of(encoded), nothing)

    @classmethod
    def around(cls, before: str, values: Texts, after: str) -> Self:
        """Return a message for each value: the same words around it."""
        start, end = before.encode(), after.encode()
        if int(values.lengths.max(initial=0)) + len(start) + len(end) > MESSAGE_LIMIT:
            return cls.of([f"{before}{value}{after}" for value in values.all_texts()])
        count = len(values.begins)
        return cls(Texts.all_equal(start, count), values, Texts.all_equal(end, count))

    def take(self, rows: Numbers) -> Self:
        """Return the messages with these numbers, in this order; one may be taken often."""
        return type(self)(*(part.take(rows) for part in self))

    @property
    def bytes(self) -> int:
        """Return how long all of them are together."""
        return sum(part.bytes for part in self)

    def text(self, row: int) -> str:
        """Return one of them."""
        return "".join([part.text(row) for part in self])

    def all_texts(self) -> list[str]:
        """Return all of them."""
        return ["".join(parts) for parts in zip(*(part.all_texts() for part in self), strict=True)]
