"""A header that went through the ledger is the header that was read."""

import json
from io import BytesIO

import pytest

from libs.common.csv.dialect import FileFormat
from libs.common.csv.header import read_header
from libs.common.csv.stored_header import describe_header, restore_header

DATA = "\ufeffnote\r\nid,v\r1,a\r"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_header_comes_back_as_it_was_read(encoding: str, *, is_repeated: bool) -> None:
    wide = encoding.startswith("utf-16")
    text = DATA if encoding in {"utf-8", "utf-16-be"} else DATA.lstrip("\ufeff")
    form = FileFormat.model_validate(
        {"encoding": encoding, "header": {"skip_before": 1, "repeated": is_repeated}}
    )
    header = read_header(BytesIO(text.encode(encoding)), form)

    stored = json.loads(json.dumps(describe_header(header, form)))
    back = restore_header(stored, header.cells, header.encoding)

    assert back == header
    assert back.line_number == header.line_number == 2
    assert back.line == (header.line if is_repeated else b"")
    assert not wide or header.encoding in {"utf-16-le", "utf-16-be"}
