"""Identifiers sort by the time they were made."""

from libs.common.ids import uuid7


def test_an_id_is_a_version_7_uuid() -> None:
    made = uuid7()

    assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_ids_are_unique_and_ordered_by_their_millisecond() -> None:
    made = [uuid7() for _ in range(10_000)]

    milliseconds = [value.int >> 80 for value in made]
    assert len(set(made)) == len(made)
    assert milliseconds == sorted(milliseconds)
