"""Failed rows by column become the tuples that the protocol of a binary COPY describes."""

import struct
from collections import Counter
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from libs.common.csv.parse_errors import ParseError
from libs.common.csv.records import Record
from libs.common.enums import STAGE_OF, ErrorCode
from libs.common.errors import MESSAGE_LIMIT, cut_message
from services.loader.rejects.columns import by_columns, tuple_head
from services.loader.rejects.rejection import RejectedRecord, Rejection

JOB, CHUNK = bytes(range(16)), 7
NUMBERS = st.integers(0, 2**63 - 1)
NAMES = st.none() | st.text(max_size=20).filter(lambda text: "\0" not in text)
CUTS = st.builds(
    lambda size: ParseError(ErrorCode.LINE_TOO_LONG, "", (7, 7 + size), is_cut=True),
    st.integers(0, 2**63 - 8),
)
RECORDS = st.tuples(
    st.builds(
        Record,
        line_number=NUMBERS,
        byte_offset=NUMBERS,
        raw=st.binary(max_size=60),
        cells=st.just([]),
        fault=st.none() | CUTS,
    ),
    st.builds(
        Rejection,
        error_code=st.sampled_from(ErrorCode),
        message=st.text(max_size=60) | st.just("é" * (MESSAGE_LIMIT + 1)),
        column_name=NAMES,
        sqlstate=NAMES,
    ),
)


def _text(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _fields(rejected: RejectedRecord) -> Iterator[bytes | None]:
    """Yield the fields one by one, as their types' `send` functions write them."""
    record, why = rejected
    yield JOB
    yield struct.pack(">i", CHUNK)
    yield struct.pack(">q", record.line_number)
    yield struct.pack(">q", record.byte_offset)
    yield record.raw
    fault = record.fault
    yield None if fault is None else struct.pack(">q", fault.places[1] - fault.places[0])
    stage = STAGE_OF[why.error_code].value
    yield from map(_text, (stage, why.error_code.value, why.column_name, why.sqlstate))
    yield cut_message(why.message).replace("\0", "").encode()


def _tuple(record: RejectedRecord) -> bytes:
    fields = list(_fields(record))
    written = [
        struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field
        for field in fields
    ]
    return struct.pack(">h", len(fields)) + b"".join(written)


@given(st.lists(RECORDS, max_size=20))
def test_tuples_are_those_of_the_protocol(records: list[RejectedRecord]) -> None:
    encoded = by_columns(records).encode(tuple_head(JOB, CHUNK))

    assert bytes(encoded) == b"".join(map(_tuple, records))


@given(st.lists(RECORDS, max_size=20))
def test_rows_are_counted_by_error_code(records: list[RejectedRecord]) -> None:
    counted = by_columns(records).count_codes()

    assert counted == Counter(why.error_code for _, why in records)
