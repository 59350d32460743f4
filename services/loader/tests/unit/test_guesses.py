"""What is guessed of a CHECK is what it says; one that is not understood is not guessed at."""

import polars as pl
import pytest

from libs.common.catalog import TargetColumn
from services.loader.guesses import suspect


def column(name: str, type_name: str, *, is_not_null: bool = False) -> TargetColumn:
    """Return a plain column."""
    return TargetColumn(
        name=name,
        type=type_name,
        is_not_null=is_not_null,
        has_default=False,
        is_computed=False,
        identity="",
        is_domain=False,
    )


COLUMNS = [column("n", "integer"), column("p", "numeric(6,2)"), column("t", "text")]
VALUES = pl.DataFrame(
    {"0": [-1, 0, 5, None], "1": [-150, 0, 150, None], "2": ["a", "b", "c", None]}
)


@pytest.mark.parametrize(
    ("check", "refused"),
    [
        ("(n >= 0)", [True, False, False, False]),
        ("(n <> 5)", [False, False, True, False]),
        ("(n > '-1'::integer)", [True, False, False, False]),
        ("(p >= (0)::numeric)", [True, False, False, False]),
        ("(p < 1.5)", None),
        ("(p < '1.5'::numeric)", [False, False, True, False]),
        ("(p <> 0.001)", None),
        ("((n >= 0) OR (p >= (0)::numeric))", None),
        ("(t <> 'a'::text)", None),
        ("(length(t) < 3)", None),
        ("(missing > 0)", None),
    ],
)
def test_a_comparison_with_a_constant_is_understood(check: str, refused: list[bool] | None) -> None:
    suspicion = suspect(COLUMNS, [check])

    found = VALUES.select(suspicion.is_refused).to_series().to_list()
    assert suspicion.is_complete is (refused is not None)
    assert [*found, *[False] * (4 - len(found))][:4] == (refused or [False] * 4)


def test_a_missing_value_of_a_required_column_is_suspected() -> None:
    suspicion = suspect([column("n", "integer", is_not_null=True)], [])

    assert VALUES.select(suspicion.is_refused).to_series().to_list() == [False, False, False, True]
    assert suspicion.is_complete
