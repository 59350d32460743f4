import pytest
from pydantic import ValidationError

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.guards import LastLoad, check_rows, compare_headers
from libs.common.errors import MESSAGE_LIMIT, GuardTripped, HeaderError
from libs.common.postgres.header_mapping import HeaderRules


def _definition(**changes: object) -> DatasetDefinition:
    return DatasetDefinition.model_validate({"table": "public.items"} | changes)


@pytest.mark.parametrize("option", [{"min_rows": 1}, {"max_shrink": 0.1}])
def test_a_chunked_dataset_cannot_be_guarded_by_its_rows(option: dict[str, object]) -> None:
    """Its chunks are visible before the last one is counted."""
    with pytest.raises(ValidationError, match="leave 'atomic' out, or"):
        _definition(atomic=False, **option)


@pytest.mark.parametrize("hundredths", range(101))
def test_exactly_the_share_that_may_be_missing_is_no_shrinking(hundredths: int) -> None:
    """Whatever floating point makes of the share."""
    definition = _definition(max_shrink=hundredths / 100)
    left = 100 - hundredths

    def check(rows: int) -> object:
        return check_rows(definition, rows_loaded=rows, rows_rejected=0, rows_before=100, force=False)  # fmt: skip

    assert check(left) == []
    if left:
        with pytest.raises(GuardTripped, match="max_shrink"):
            check(left - 1)


def test_a_header_that_has_lost_many_columns_is_reported_in_few_words() -> None:
    names = [f"column_{number:060}" for number in range(1600)]
    last = LastLoad("job", names, HeaderRules())

    with pytest.raises(HeaderError) as refusal:
        compare_headers(_definition(), last, [], names, force=False)

    assert len(refusal.value.message) <= MESSAGE_LIMIT
    assert refusal.value.message.endswith("to 'default'")
