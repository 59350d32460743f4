from typing import Any, Literal
from uuid import UUID

import pytest

from libs.common.csv.dialect import FileFormat
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import LoadMode
from libs.common.ledger.replays import definition_of_replay, fingerprint_of_replay

FIRST, SECOND = UUID(int=1), UUID(int=2)


def _definition(**changes: object) -> DatasetDefinition:
    return DatasetDefinition.model_validate({"table": "public.items"} | changes)


def test_rows_keep_the_dialect_that_they_were_cut_by() -> None:
    """What does not move the edges of a cell is the dataset's of today: a fixed `null` takes effect."""
    replayed = _definition(format={"delimiter": ";", "encoding": "latin-1", "compression": "gzip"})
    current = _definition(format={"delimiter": "|", "null": "NULL"}, table="public.other")

    definition = definition_of_replay(replayed, current, "none")

    assert definition.table == "public.other"
    assert definition.format == FileFormat(
        delimiter=";", encoding="latin-1", null="NULL", compression="none"
    )


def test_rows_stand_below_their_header_alone() -> None:
    """Preamble and footer of the file that they come from are not exported with them."""
    replayed = _definition(
        format={
            "header": {"find": "id", "repeated": True, "skip_after": 1},
            "footer": {"pattern": "^T,(.*)", "rows": 1},
            "comment": "#",
            "escape": "\\",
            "line_end": "crlf",
        }
    )
    unnamed = _definition(format={"header": {"lines": 0, "names": ["a"], "skip_before": 2}})

    definition = definition_of_replay(replayed, unnamed, "none")

    assert definition.format == FileFormat(
        comment="#", escape="\\", line_end="crlf", compression="none"
    )
    assert definition_of_replay(unnamed, replayed, "none").format == FileFormat.model_validate(
        {"header": {"lines": 0, "names": ["a"]}, "compression": "none"}
    )


FORMATS: list[dict[str, Any]] = [
    {},
    {"quote": None, "delimiter": "\t", "null": "NULL", "line_end": "lf"},
    {"escape": "\\", "comment": "#", "compression": "zip", "member": "*.csv"},
    {"comment": ";", "delimiter": "||"},
    {"delimiter": ";", "footer": {"lines": 2}, "header": {"find": "a"}},
    {"type": "jsonl", "member": "a"},
    {"type": "jsonl", "header": {"lines": 0, "names": ["a"]}, "comment": "//"},
    {"header": {"lines": 0, "names": ["a"]}, "trailing_delimiter": True, "encoding": "utf-16-le"},
]


@pytest.mark.parametrize("current", FORMATS)
@pytest.mark.parametrize("replayed", FORMATS)
@pytest.mark.parametrize("compression", ["auto", "none"])
def test_a_dataset_may_have_any_other_format_by_now(
    replayed: dict[str, Any], current: dict[str, Any], compression: Literal["auto", "none"]
) -> None:
    before = _definition(format=replayed)

    made = definition_of_replay(before, _definition(format=current), compression).format

    assert (made.type, made.delimiter, made.quote) == (
        before.format.type,
        before.format.delimiter,
        before.format.quote,
    )
    assert (made.footer, made.member, made.compression) == (None, None, compression)


def test_a_replay_never_replaces_and_knows_no_threshold() -> None:
    strict = _definition(
        mode="replace",
        max_rejected_rows=0,
        max_rejected_ratio=0.0,
        min_rows=9,
        max_shrink=0.0,
        required_columns=["sku"],
    )

    definition = definition_of_replay(strict, strict, "auto")

    assert definition.mode is LoadMode.APPEND
    assert (definition.min_rows, definition.max_shrink) == (None, None)
    assert definition.required_columns == []
    assert not definition.exceeds_thresholds(10, 10)


def test_rows_of_a_slice_are_replayed_into_it() -> None:
    sliced = _definition(mode="replace", scope={"day": "data_date"})

    definition = definition_of_replay(sliced, sliced, "auto")

    assert (definition.mode, definition.slice_column) == (LoadMode.APPEND, "day")


def test_an_upsert_is_replayed_as_one() -> None:
    upsert = _definition(mode="upsert", key=["sku"])

    definition = definition_of_replay(upsert, upsert, "auto")

    assert (definition.mode, definition.key) == (LoadMode.UPSERT, ["sku"])


def test_the_same_rows_of_two_jobs_are_two_replays() -> None:
    prints = {fingerprint_of_replay("content", job) for job in (FIRST, SECOND, FIRST)}

    assert len(prints) == 2
    assert "content" not in prints
