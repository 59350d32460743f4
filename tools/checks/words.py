"""Refuse the words that the glossary says are not used, wherever the project speaks: `python -m tools.checks.words`.

The list is the last table of `docs/glossary.md`; case counts where a word of it has a capital letter.
"""

import re
import subprocess
import sys
from pathlib import Path

from tools.bootstrap.locations import ROOT

GLOSSARY = Path("docs/glossary.md")
_HEADING = "## Words that are not used"
_ROW = re.compile(r"^\| (?!word |-)(.+?) \| (.+?) \|$", re.MULTILINE)
_NOT_OURS = ("lockfiles/", "infra/sample/", str(GLOSSARY))


def refused_words(glossary: str) -> dict[str, str]:
    """Return each word that is not used, and what is said instead."""
    _, _, table = glossary.partition(_HEADING)
    return {match[1]: match[2] for match in _ROW.finditer(table)}


def find_refused(text: str, words: dict[str, str]) -> list[tuple[int, str]]:
    """Return the number of each line with a refused word, with the word; also where it begins a longer one."""
    pattern = re.compile("|".join(map(_expression, words)))
    return [(text.count("\n", 0, match.start()) + 1, match[0]) for match in pattern.finditer(text)]


def _expression(word: str) -> str:
    expression = rf"{re.escape(word)}(?<![a-zA-Z].{{{len(word)}}})"  # the rare word first: it is what is fast to find
    return expression if word != word.lower() else f"(?i:{expression})"


def main() -> int:
    """Print each place of a refused word; return 1 if there is one."""
    words = refused_words((ROOT / GLOSSARY).read_text(encoding="utf-8"))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    found = 0
    for name in listed.stdout.decode().split("\0"):
        if not name or name.startswith(_NOT_OURS) or not (ROOT / name).is_file():
            continue
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, word in find_refused(text, words):
            found += 1
            print(f"{name}:{number}: {word!r}; see the last table of {GLOSSARY}")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
