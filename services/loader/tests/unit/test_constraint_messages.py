"""The words of a constraint are learned from one refusal and said of other rows, or not at all."""

import pytest

from libs.common.enums import ErrorCode
from services.loader.blocks.broken import as_texts
from services.loader.blocks.constraint_messages import ConstraintMessages, describe
from services.loader.rejects.rejection import Rejection


def refusal(message: str) -> Rejection:
    """Return what Postgres made of a record."""
    return Rejection(ErrorCode.CHECK, message, "v", "23514")


def test_the_words_around_the_values_are_said_of_another_row() -> None:
    messages = ConstraintMessages()

    messages.learn_template(
        0, describe(("1", None)), refusal('violates "(1, null)": Failing row contains (1, null).')
    )

    assert messages.is_known(0)
    first, said = messages.format(0, as_texts([describe(("2", "x")), describe(("3", None))]))
    assert said.all_texts() == [
        'violates "(1, null)": Failing row contains (2, x).',
        'violates "(1, null)": Failing row contains (3, null).',
    ]
    assert (first.error_code, first.column_name, first.sqlstate) == (
        ErrorCode.CHECK,
        "v",
        "23514",
    )


def test_a_constraint_whose_message_does_not_hold_the_values_stays_unknown() -> None:
    messages = ConstraintMessages()
    assert not messages.is_unknowable(0)

    messages.learn_template(0, describe(("1", "2")), refusal("Failing row contains (1, 2026)."))

    assert messages.is_unknowable(0)
    assert not messages.is_known(0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        ("", ""),
        ("a" * 64, "a" * 64),
        ("a" * 65, "a" * 64 + "..."),
        ("é" * 33, "é" * 32 + "..."),
        ("a" + "é" * 32, "a" + "é" * 31 + "..."),
    ],
)
def test_a_long_value_is_cut_between_characters_as_postgres_does(
    value: str | None, shown: str
) -> None:
    assert describe((value, "b")) == f"({shown}, b)"
