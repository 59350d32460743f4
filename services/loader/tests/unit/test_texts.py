"""Messages made of the same words around values are those that would be made one by one, cut as they are."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import MESSAGE_LIMIT, cut_message
from services.loader.blocks.broken import as_texts
from services.loader.rejects.texts import Messages

WORDS = st.text(max_size=20).filter(lambda text: "\0" not in text)
VALUES = st.lists(WORDS | st.just("é" * (MESSAGE_LIMIT - 10)) | st.just("x" * MESSAGE_LIMIT))


@given(WORDS, VALUES, WORDS)
def test_words_around_values_are_messages(before: str, values: list[str], after: str) -> None:
    messages = Messages.around(before, as_texts(values), after)

    expected = [cut_message(f"{before}{value}{after}") for value in values]
    assert messages.all_texts() == expected
    assert messages.bytes == sum(len(message.encode()) for message in expected)
