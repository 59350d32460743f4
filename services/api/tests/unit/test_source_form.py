"""A header that is written is read again as the same names, whatever they are."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.datasets import FileFormat
from libs.common.header import read_header
from services.api.source_form import write_header

DIALECTS = [
    FileFormat(),
    FileFormat(delimiter=";", quote="'"),
    FileFormat(delimiter="\t"),
    FileFormat(encoding="utf-16"),
    FileFormat(encoding="utf-16-be"),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(
    cells=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1
    )
)
def test_a_header_comes_back(dialect: FileFormat, cells: list[str]) -> None:
    written = write_header(cells, dialect)

    assert read_header(io.BytesIO(written), dialect).cells == tuple(cells)


def test_a_plain_header_stands_as_it_stood() -> None:
    assert write_header(["sku", "Größe"], FileFormat(encoding="latin-1")) == b"sku,Gr\xf6\xdfe\n"
