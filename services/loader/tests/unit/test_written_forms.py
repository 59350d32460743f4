"""What blocks read of cells that are written otherwise is what their conversion makes of them."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.csv.dialect import FileFormat
from libs.common.csv.line_scanner import Lines
from libs.common.datasets.conversions import Conversion
from libs.common.postgres.copy.check_prefilter import RowPredicates
from libs.common.postgres.copy.column_types import ColumnCodec, Kind
from libs.common.postgres.copy.encoder import Encoder
from libs.common.postgres.copy.written_forms import fixed_form
from services.loader.blocks.cell_codecs import with_conversion
from services.loader.cells.conversion import CellConverter

NUMBER_CODECS = [
    ColumnCodec(Kind.INTEGER, 4),
    ColumnCodec(Kind.NUMERIC, 12, 3),
    ColumnCodec(Kind.NUMERIC, 18, -1),
    ColumnCodec(Kind.FLOAT, 8),
]
NUMBERS = [
    Conversion(decimal=","),
    Conversion(decimal=",", thousands="."),
    Conversion(thousands=","),
    Conversion(decimal=",", thousands=" ", currency=["€"], trailing_minus=True),
    Conversion(thousands="'", parentheses=True),
]
FORMATS = [
    *("%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%d%m%Y", "%d.%m.%Y %H:%M", "%H:%M:%S %d/%m/%Y"),
    *("%Y-%m-%dT%H:%M:%S", "%%%d.%m.%Y"),
]
DATE_CODECS = [ColumnCodec(Kind.DATE), ColumnCodec(Kind.TIMESTAMP, 0, 0)]
GROUPS = st.lists(st.from_regex(r"[0-9]{1,4}", fullmatch=True), min_size=1, max_size=4)
FIGURES = st.builds(
    lambda groups, gap, rest, sign: sign + gap.join(groups) + rest,
    GROUPS,
    st.sampled_from([".", ",", " ", "'", ""]),
    st.sampled_from(["", ",5", ".5", ",", ".", ",50", ".50", ",123456", "e3", ",5E-2", ",5.0", " €", "-"]),
    st.sampled_from(["", "-", "+", "--", "(", " "]),
)  # fmt: skip
ANY_NUMBER = st.one_of(FIGURES, st.text("0123456789.,' -+eE", min_size=1, max_size=12))
DIGITS = st.from_regex(r"[0-9]{1,2}", fullmatch=True)
YEARS = st.sampled_from(["2026", "2024", "1900", "0000", "0001", "9999", "26"])


def _encode(codec: ColumnCodec, text: str) -> bytes | None:
    """Return the row of one cell, None where it is not certain."""
    data = ('"' + text + '"\n').encode()
    encoder = Encoder(
        FileFormat(null=[]), [codec], RowPredicates([False], [], is_complete=True), has_lines=False
    )
    found = encoder.encode(Lines(data, np.array([0, len(data)]), 1), 1)
    return found.certain.copied if found is not None and len(found.certain) else None


def _require_same(codec: ColumnCodec, conversion: Conversion, text: str) -> bool:
    """Assert that a certain row is that of the converted text; return whether it is certain."""
    written = with_conversion(codec, conversion)
    assert written is not None
    row = _encode(written, text)
    if row is None:
        return False
    made = CellConverter("c", conversion).convert(text)
    assert isinstance(made, str)
    is_day = codec.kind is Kind.TIMESTAMP and len(made) == len("2026-11-24")
    assert _encode(codec, made + " 00:00:00" * is_day) == row
    return True


@given(st.sampled_from(NUMBER_CODECS), st.sampled_from(NUMBERS), ANY_NUMBER)
@example(NUMBER_CODECS[1], NUMBERS[0], "1.234")
@example(NUMBER_CODECS[1], NUMBERS[1], "1.23")
@example(NUMBER_CODECS[1], NUMBERS[1], "1,5.0")
def test_numbers(codec: ColumnCodec, conversion: Conversion, text: str) -> None:
    _require_same(codec, conversion, text)


@given(
    st.sampled_from(DATE_CODECS),
    st.sampled_from(FORMATS),
    st.tuples(DIGITS, DIGITS, YEARS, DIGITS, DIGITS, DIGITS),
)
@example(DATE_CODECS[0], "%d.%m.%Y", ("30", "02", "2026", "0", "0", "0"))
@example(DATE_CODECS[0], "%d.%m.%Y", ("29", "02", "1900", "0", "0", "0"))
def test_dates(codec: ColumnCodec, date_format: str, parts: tuple[str, ...]) -> None:
    text = date_format
    for letter, part in zip("dmYHMS", parts, strict=True):
        text = text.replace(f"%{letter}", part)
    _require_same(codec, Conversion(date_format=date_format), text.replace("%%", "%"))


def test_the_common_ones_are_certain() -> None:
    """Else the two tests above would test nothing."""
    numbers = {"1.234,56": NUMBERS[1], "-0,5": NUMBERS[0], "1,234.5": NUMBERS[2], "12": NUMBERS[3]}
    dates = {"24.11.2026": FORMATS[0], "20261124": FORMATS[2], "12:30:59 24/11/2026": FORMATS[5]}

    assert all(_require_same(NUMBER_CODECS[1], how, text) for text, how in numbers.items())
    for text, date_format in dates.items():
        assert _require_same(DATE_CODECS[1], Conversion(date_format=date_format), text)


def test_formats_without_fixed_places_have_no_form() -> None:
    for date_format in ("%d.%m.%y", "%d %b %Y", "%j %Y", "%d.%m.%Y %H", "%Y-%m-%d %z", "%d1%m%Y"):
        assert fixed_form(date_format) is None
    assert fixed_form("%d.%m.%Y " + "x" * 40) is None
