"""Every command `adsp …` that the documents and the console show is one, with options that it has."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from services.cli.app import app
from tests.docs.test_links import DOCUMENTS, REPOSITORY

TEMPLATES = sorted((REPOSITORY / "services" / "api" / "web" / "templates").glob("*.html"))

_IN_TEXT = re.compile(r"`(adsp [^`]+)`|<code>(adsp [^<]+)</code>")
_IN_BLOCK = re.compile(r"^(?:\$ )?(?:\S*/)?(adsp .+)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\$\(.*?\)|…")


def _commands(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    for found in _IN_TEXT.findall(text):
        yield from filter(None, found)
    for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from _IN_BLOCK.findall(block)


def _problem(command: str) -> str | None:
    """Return what is wrong with a command as it is shown, None where nothing is."""
    shown = re.split(r"[|;&>#]", _PLACEHOLDER.sub("X", command))[0]
    at: Any = get_command(app)
    for word in shlex.split(shown)[1:]:
        if word.startswith("-") and word != "-":
            options = {name for each in at.params for name in (*each.opts, *each.secondary_opts)}
            if word.partition("=")[0] not in {*options, "--help"}:
                return f"{command}: no option {word}"
        elif hasattr(at, "commands") and word.islower():
            if word not in at.commands:
                return f"{command}: no command {word}"
            at = at.commands[word]
    return None


@pytest.mark.parametrize(
    "path", [*DOCUMENTS, *TEMPLATES], ids=lambda path: str(path.relative_to(REPOSITORY))
)
def test_commands_are_there_with_their_options(path: Path) -> None:
    assert [found for found in map(_problem, _commands(path)) if found] == []


def test_commands_are_found_in_text_blocks_and_pages() -> None:
    shown = [command for path in (*DOCUMENTS, *TEMPLATES) for command in _commands(path)]

    assert TEMPLATES
    assert {"adsp load", "adsp replay", "adsp rejects"} <= {
        " ".join(command.split()[:2]) for command in shown
    }
    assert _problem("adsp replay ID --file X") is not None
    assert _problem("adsp nothing") is not None
