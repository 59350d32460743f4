"""A word that the glossary refuses is found wherever it begins one, and the glossary's own list is read."""

import pytest

from tools.bootstrap.locations import ROOT
from tools.checks.words import GLOSSARY, find_refused, refused_words

WORDS = refused_words(
    "x\n## Words that are not used\n\n| word | instead |\n|---|---|\n| a bc | d |\n| Xy | z |\n"
)


def test_the_glossary_has_words_that_are_not_used() -> None:
    assert len(refused_words((ROOT / GLOSSARY).read_text(encoding="utf-8"))) >= 10


def test_words_and_what_is_said_instead_are_read_from_the_table() -> None:
    assert WORDS == {"a bc": "d", "Xy": "z"}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a bc", [1]),
        ("one\nA BCs, and a bc", [2, 2]),
        ("extra bc, xa bc", []),
        ("Xyz\n_Xy", [1, 2]),
        ("xy", []),
        ("", []),
    ],
)
def test_refused_words_are_found_with_their_lines(text: str, lines: list[int]) -> None:
    assert [line for line, _ in find_refused(text, WORDS)] == lines
