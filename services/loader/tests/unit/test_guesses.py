"""What is guessed of a CHECK is what it says; one that is not understood is not guessed at."""

import pytest

from libs.common.postgres.copy.check_prefilter import parse_constraints
from libs.common.postgres.copy.column_types import Comparison, Limit
from libs.common.postgres.target_table import TargetColumn


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


@pytest.mark.parametrize(
    ("check", "limit"),
    [
        ("(n >= 0)", Limit(0, Comparison.AT_LEAST, 0)),
        ("(n <> 5)", Limit(0, Comparison.DIFFERENT, 5)),
        ("(n > '-1'::integer)", Limit(0, Comparison.ABOVE, -1)),
        ("(p >= (0)::numeric)", Limit(1, Comparison.AT_LEAST, 0)),
        ("(p < 1.5)", None),
        ("(p < '1.5'::numeric)", Limit(1, Comparison.BELOW, 150)),
        ("(p <> 0.001)", None),
        ("((n >= 0) OR (p >= (0)::numeric))", None),
        ("(t <> 'a'::text)", None),
        ("(length(t) < 3)", None),
        ("(missing > 0)", None),
    ],
)
def test_a_comparison_with_a_constant_is_understood(check: str, limit: Limit | None) -> None:
    suspicion = parse_constraints(COLUMNS, [check])

    assert suspicion.limits == ([] if limit is None else [limit])
    assert suspicion.is_complete is (limit is not None)


def test_a_missing_value_of_a_required_column_is_suspected() -> None:
    suspicion = parse_constraints(
        [column("n", "integer", is_not_null=True), column("t", "text")], []
    )

    assert suspicion.required == [True, False]
    assert suspicion.is_complete
