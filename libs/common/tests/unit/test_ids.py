"""Identifiers sort by the time they were made."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from libs.common.ids import earliest_uuid7, made_at, uuid7


def test_an_id_is_a_version_7_uuid() -> None:
    made = uuid7()

    assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_ids_are_unique_and_ordered_by_their_millisecond() -> None:
    made = [uuid7() for _ in range(10_000)]

    milliseconds = [value.int >> 80 for value in made]
    assert len(set(made)) == len(made)
    assert milliseconds == sorted(milliseconds)


def test_an_id_tells_when_it_was_made() -> None:
    before = datetime.now(UTC)
    made = made_at(uuid7())

    assert before - timedelta(milliseconds=1) <= made <= datetime.now(UTC)


def test_the_earliest_id_of_a_moment_stands_between_those_before_and_after() -> None:
    earlier = uuid7()
    moment = made_at(earlier) + timedelta(milliseconds=1)

    assert earlier < earliest_uuid7(moment)
    assert made_at(earliest_uuid7(moment)) == moment
    assert earliest_uuid7(datetime.now(UTC) + timedelta(seconds=1)) > uuid7()


def test_other_ids_tell_no_time() -> None:
    with pytest.raises(ValueError, match="tells no time"):
        made_at(uuid4())
