"""Dates are read in the order that the dataset declares; where it declares none, a file may contradict it."""

from itertools import product
from typing import Any

import pytest

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import DateOrder
from services.loader.tests.integration.cases import Case
from services.loader.tests.integration.comparison import compare_case
from services.loader.tests.integration.conftest import LoadBench

TABLE = "CREATE TABLE feed.{t} (id int PRIMARY KEY, day date, seen timestamp)"
SHAPES = (
    *(
        "{a:02}/{b:02}/{c}",
        "{a}.{b}.{c}",
        "{a:02}.{b:02}.{c}",
        "{a:02}-{b:02}-{c}",
        "{a:02}/{b:02}/{c:02}",
    ),
    *("{c}/{a:02}/{b:02}", "{c}.{a:02}.{b:02}", "{c}-{a:02}-{b:02}"),
)
"""How people write dates of three numbers."""
NUMBERS = (0, 1, 2, 12, 13, 28, 29, 31, 32)


def _dates() -> list[str]:
    """Return dates of every shape, in every order, also those that are none."""
    texts = [
        shape.format(a=a, b=b, c=c)
        for shape in SHAPES
        for a, b, c in [
            *product(NUMBERS, NUMBERS, (2026, 24)),
            (2024, 2, 29),
            (2024, 13, 1),
            (24, 2, 29),
        ]
    ]
    return [*texts, "03/02-2026", "3 Feb 2026", "20260203", "Feb 3 2026", "2026.034", "03/02"]


@pytest.mark.parametrize("order", [None, *DateOrder])
@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_dates_of_every_shape_are_read_as_an_insert_reads_them(
    shared_bench: LoadBench, order: DateOrder | None, mode: str
) -> None:
    lines = [
        f"{number},{text},{text}{' 12:30:00' * (number % 2)}"
        for number, text in enumerate(_dates())
    ]
    data = "id,day,seen\n" + "\n".join(lines)
    options = {"date_order": order}
    case = Case("dates", data.encode(), TABLE, options=options)

    compare_case(shared_bench, case, mode)
    compare_case(shared_bench, case, mode, block_bytes=300)


def _load(bench: LoadBench, days: list[str], **options: Any) -> dict[str, Any]:
    bench.execute("CREATE TABLE feed.t (id int, day date)")
    lines = "".join(f"{number},{day}\n" for number, day in enumerate(days))
    definition = DatasetDefinition.model_validate({"table": "feed.t", **options})
    return bench.chunk(bench.load(b"id,day\n" + lines.encode(), definition))


@pytest.mark.parametrize("plain", [0, 500], ids=["by records", "by blocks"])
def test_dates_that_contradict_their_order_are_a_warning(bench: LoadBench, plain: int) -> None:
    days = ["2026-01-02"] * plain + ["03/02/2026", "13/02/2026", "28.02.2026", "12/12/2026"]
    [warning] = _load(bench, days)["warnings"]

    assert warning["code"] == "ambiguous-dates"
    assert warning["counts"] == {"refused": 2, "ambiguous": 1}
    assert "column 'day': 13/02/2026 was refused, 03/02/2026 fits both" in warning["message"]
    assert "'date_order'" in warning["message"]


@pytest.mark.parametrize(
    ("days", "options"),
    [
        pytest.param(["03/02/2026", "13/02/2026"], {"date_order": "DMY"}, id="declared"),
        pytest.param(["03/02/2026", "13/02/2026"], {"date_order": "MDY"}, id="declared as read"),
        pytest.param(["2026-02-03", "2026-13-02", "00/02/2026", "32/01/2026"], {}, id="none so"),
    ],
)
def test_dates_that_do_not_are_none(
    bench: LoadBench, days: list[str], options: dict[str, Any]
) -> None:
    assert _load(bench, days, **options)["warnings"] == []
