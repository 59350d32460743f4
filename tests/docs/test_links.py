"""Every link of the documents leads somewhere, and the index of decisions is whole."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DECISIONS = REPOSITORY / "docs" / "decisions"
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_ROW = re.compile(r"^\| \[(\d+)\]\(([^)]+)\) \| (.+) \| (\w+)[^|]*\|$", re.MULTILINE)
STATUSES = {"accepted", "amended", "superseded", "rejected"}


def _links(document: Path) -> Iterator[tuple[Path, str]]:
    """Yield the file and the heading of each link that stays in the repository."""
    for link in _LINK.findall(_FENCED.sub("", document.read_text(encoding="utf-8"))):
        if not link.startswith(("http://", "https://", "mailto:")):
            target, _, heading = link.partition("#")
            yield (document.parent / target if target else document), heading


def _anchors(document: Path) -> set[str]:
    """Return what GitHub calls the headings: lower case, hyphens for spaces, other signs left out."""
    text = _FENCED.sub("", document.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(text)
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(document: Path) -> None:
    dead = [
        f"{target}#{heading}"
        for target, heading in _links(document)
        if not target.exists() or (heading and heading not in _anchors(target))
    ]

    assert dead == []


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    files = sorted(DECISIONS.glob("[0-9]*.md"))
    titles = [file.read_text(encoding="utf-8").splitlines()[0] for file in files]
    rows = _ROW.findall((DECISIONS / "README.md").read_text(encoding="utf-8"))

    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    assert [f"# {number}. {title}" for number, _, title, _ in rows] == titles
    assert [name for _, name, _, _ in rows] == [file.name for file in files]
    assert {status for *_, status in rows} <= STATUSES
