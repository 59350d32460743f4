import base64
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from libs.common.enums import ErrorCode, Stage
from libs.common.ledger.models import FailedRow
from services.api.schemas import FailedRowDocument, TriggerRequest, render_raw


def test_text_is_shown_as_it_is() -> None:
    assert render_raw("ß;\\x41;\0".encode(), "utf-8") == ("ß;\\x41;\0", None)


def test_bytes_that_are_not_utf8_are_shown_as_hex_with_base64_beside_them() -> None:
    text, encoded = render_raw(b"caf\xe9,\xff\xc3", "utf-8")

    assert text == "caf\\xe9,\\xff\\xc3"
    assert encoded == base64.b64encode(b"caf\xe9,\xff\xc3").decode()


def test_utf_16_is_shown_as_text_with_base64_beside_it() -> None:
    raw = "ß,漢😀".encode("utf-16-be")

    assert render_raw(raw, "utf-16-be") == ("ß,漢😀", base64.b64encode(raw).decode())
    assert render_raw(b"a\0\x3d\xd8b\0x", "utf-16-le")[0] == "a\\x3d\\xd8b\\x78"


@given(st.binary(), st.sampled_from(["utf-8", "latin-1", "utf-16-le", "utf-16-be"]))
def test_no_byte_of_a_raw_record_is_lost(raw: bytes, encoding: str) -> None:
    text, encoded = render_raw(raw, encoding)

    assert raw == (text.encode() if encoded is None else base64.b64decode(encoded))


@pytest.mark.parametrize(("raw", "has_base64"), [(b"a", False), (b"\xff", True)])
def test_a_failed_row_names_base64_only_when_it_is_needed(raw: bytes, *, has_base64: bool) -> None:
    row = FailedRow(
        id=1,
        line_number=2,
        byte_offset=3,
        raw=raw,
        stage=Stage.PARSE,
        error_code=ErrorCode.EXTRA_CELL,
        column_name=None,
        sqlstate=None,
        message="m",
    )
    shown = FailedRowDocument.of(row, "utf-8", ["/in/a.csv"]).model_dump()

    assert ("raw_base64" in shown) is has_base64
    assert {"column", "sqlstate"} <= shown.keys()


@pytest.mark.parametrize("text", ["2026-1-2", "20260102", "2026-01-02T00:00", "", 5, 1.5, True])
def test_a_date_is_written_in_one_way_only(text: object) -> None:
    with pytest.raises(ValidationError):
        TriggerRequest.model_validate({"data_date": text})


def test_a_date_is_read() -> None:
    assert TriggerRequest.model_validate({"data_date": "2026-01-02"}).data_date == date(2026, 1, 2)
