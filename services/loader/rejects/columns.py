"""Failed rows by column, and the tuples of a binary COPY that compiled code makes of them.

The protocol is that of PostgreSQL's documentation of COPY: a count of fields, then for each its length (-1: NULL) and
its bytes.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from libs.common.compiled.jit import compiled, inlined
from libs.common.compiled.words import SLACK, Bytes, Number, Numbers, put32, put64
from libs.common.csv.parse_errors import ParseError
from libs.common.enums import STAGE_OF, ErrorCode
from services.loader.rejects.rejection import RejectedRecord, Rejection
from services.loader.rejects.texts import Messages, Texts

COLUMNS = (
    "job_id, chunk_number, line_number, byte_offset, raw, record_bytes, stage, error_code, column_name, sqlstate,"
    " message"
)
_FIELDS = 11
_NUMBER = 4 + 8
_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Failed rows of one file: the place of each, its bytes, its reason as fields of a COPY, its message.

    `record_bytes` is -1 where `raws` has the whole record.
    """

    line_numbers: Numbers
    byte_offsets: Numbers
    raws: Texts
    record_bytes: Numbers
    reasons: Texts
    messages: Messages

    def __len__(self) -> int:
        """Return the number of failed rows."""
        return len(self.line_numbers)

    def count_codes(self) -> dict[ErrorCode, int]:
        """Count the rows by error code."""
        begins, counts = np.unique(self.reasons.begins, return_counts=True)
        codes = [_code_at(self.reasons.data, begin) for begin in begins.tolist()]
        counted = Counter[ErrorCode]()
        for code, count in zip(codes, counts.tolist(), strict=True):
            counted[code] += count
        return counted

    def reason(self, row: int) -> Rejection:
        """Return why a row was refused."""
        _, code, column_name, sqlstate = _fields_of(self.reasons.raw(row))
        return Rejection(ErrorCode(code or ""), self.messages.text(row), column_name, sqlstate)

    def encode(self, head: bytes) -> memoryview:
        """Return the rows as tuples; each begins with `head`, see `tuple_head`."""
        fixed = len(head) + 3 * _NUMBER + 2 * 4
        size = len(self) * fixed + self.raws.bytes + self.reasons.bytes + self.messages.bytes
        out = np.empty(size + SLACK, np.uint8)
        end = _put_rows(
            np.frombuffer(head, np.uint8),
            np.column_stack((self.line_numbers, self.byte_offsets, self.record_bytes)),
            self.raws,
            self.reasons,
            self.messages,
            out,
        )
        return out[:end].data


def by_columns(rows: Sequence[RejectedRecord]) -> RejectedRows:
    """Return failed rows by column."""
    records = [record for record, _ in rows]
    rejections = [rejection for _, rejection in rows]
    return RejectedRows(
        np.array([record.line_number for record in records], np.int64),
        np.array([record.byte_offset for record in records], np.int64),
        Texts.of([record.raw for record in records]),
        np.array([_cut_from(record.fault) for record in records], np.int64),
        encode_reasons(rejections),
        Messages.of([rejection.message for rejection in rejections]),
    )


def _cut_from(fault: ParseError | None) -> int:
    """Return how long a record is with its line end of which only the start is kept."""
    return fault.places[1] - fault.places[0] if fault is not None and fault.is_cut else _UNKNOWN


def tuple_head(job_id: bytes, chunk_number: int) -> bytes:
    """Return what all tuples of a chunk begin with: the count of fields, the job, the chunk."""
    return struct.pack(">hi16sii", _FIELDS, 16, job_id, 4, chunk_number)


def encode_reasons(rejections: Iterable[Rejection]) -> Texts:
    """Return error codes, columns and SQLSTATEs as fields; equal ones share their bytes."""
    known: dict[tuple[ErrorCode, str | None, str | None], int] = {}
    which = [
        known.setdefault((code, column_name, sqlstate), len(known))
        for code, _, column_name, sqlstate in rejections
    ]
    return Texts.of([_reason(*reason) for reason in known]).take(np.array(which, np.int64))


@cache
def _reason(code: ErrorCode, column_name: str | None, sqlstate: str | None) -> bytes:
    """Return the fields of a reason, the stage first."""
    fields = (STAGE_OF[code].value, code.value, column_name, sqlstate)
    return b"".join([b"\xff\xff\xff\xff" if text is None else _field(text) for text in fields])


def _code_at(reasons: Bytes, begin: int) -> ErrorCode:
    """Read the error code of a reason, its second field."""
    stage = _field_at(reasons, begin)
    return ErrorCode(_field_at(reasons, begin + 4 + len(stage)).decode())


def _field_at(data: Bytes, at: int) -> bytes:
    length = int.from_bytes(data[at : at + 4].tobytes())
    return data[at + 4 : at + 4 + length].tobytes()


def _fields_of(reason: bytes) -> Iterator[str | None]:
    """Yield the fields of a reason, the stage first; None where one is NULL."""
    at = 0
    while at < len(reason):
        (length,) = struct.unpack_from(">i", reason, at)
        at += 4 + max(0, length)
        yield None if length < 0 else reason[at - length : at].decode()


def _field(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">i", len(encoded)) + encoded


@inlined
def _put_bytes(data: Bytes, begin: Number, end: Number, out: Bytes, at: Number) -> Number:
    """Copy bytes; return their end."""
    for place in range(end - begin):
        out[at + place] = data[begin + place]
    return at + end - begin


@inlined
def _put_part(texts: Texts, row: Number, out: Bytes, at: Number) -> Number:
    """Copy a text that is a part of a field, or fields; return its end."""
    return _put_bytes(texts.data, texts.begins[row], texts.ends[row], out, at)


@inlined
def _put_message(messages: Messages, row: Number, out: Bytes, at: Number) -> Number:
    """Write a message as a field; return its end."""
    end = _put_part(messages.befores, row, out, at + 4)
    end = _put_part(messages.values, row, out, end)
    end = _put_part(messages.afters, row, out, end)
    put32(out, at, end - at - 4)
    return end


@inlined
def _put_text(texts: Texts, row: Number, out: Bytes, at: Number) -> Number:
    """Write a text as a field; return its end."""
    put32(out, at, texts.ends[row] - texts.begins[row])
    return _put_part(texts, row, out, at + 4)


@inlined
def _put_number(out: Bytes, at: Number, value: Number) -> Number:
    """Write a number of eight bytes as a field; return its end."""
    put32(out, at, 8)
    put64(out, at + 4, value)
    return at + 12


@compiled
def _put_rows(
    head: Bytes, numbers: Numbers, raws: Texts, reasons: Texts, messages: Messages, out: Bytes
) -> Number:
    """Write a tuple for each row, whose numbers are line, offset and length; return where they end."""
    at = 0
    for row in range(len(numbers)):
        at = _put_bytes(head, 0, len(head), out, at)
        at = _put_number(out, at, numbers[row, 0])
        at = _put_number(out, at, numbers[row, 1])
        at = _put_text(raws, row, out, at)
        if numbers[row, 2] < 0:
            put32(out, at, -1)
            at += 4
        else:
            at = _put_number(out, at, numbers[row, 2])
        at = _put_part(reasons, row, out, at)
        at = _put_message(messages, row, out, at)
    return at


def warm_up() -> None:
    """Compile what is needed here, or find it where it is kept; a process forked from this one has it then."""
    by_columns([]).encode(tuple_head(bytes(16), 0))
