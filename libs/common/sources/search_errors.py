"""Word why a path or pattern means no source that can be loaded."""

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from libs.common.errors import SourceError
from libs.common.sources.stores.locations import Location

_NAMED_MATCHES = 3


def refuse_unstorable(paths: Iterable[Location]) -> None:
    """Raise for names that the ledger cannot hold: a file that is meant must not be left out in silence."""
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError as exc:
            raise SourceError(
                "source-not-allowed",
                f"the name of {os.fsencode(str(path))!r} is not valid UTF-8; rename the file",
            ) from exc


def not_allowed(text: str, roots: Sequence[Path]) -> SourceError:
    """Make the error for what lies outside the roots."""
    return SourceError(
        "source-not-allowed",
        f"{text} is not below an allowed folder ({listed(roots)}); put the file there, or add its "
        "folder to ADSP_SOURCE_ROOTS",
    )


def missing(text: str, roots: Sequence[Path]) -> SourceError:
    """Make the error for what means no file."""
    what = "no file matches" if glob.has_magic(text) else "there is no file"
    return SourceError(
        "source-missing",
        f"{what} {text!r} below {listed(roots)}; put it there or correct 'source'",
    )


def ambiguous(text: str, found: set[Location]) -> SourceError:
    """Make the error for what means several files."""
    named = sorted(found, key=str)[:_NAMED_MATCHES]
    more = f" and {len(found) - len(named)} more" if len(found) > len(named) else ""
    return SourceError(
        "source-ambiguous",
        f"{text!r} means {len(found)} files ({listed(named)}{more}); name one of them, "
        "let the dataset take the newest or all of them (match: newest, match: all), or name the date in its source "
        "({data_date}, {data_date:%Y%m%d})",
    )


def listed(paths: Sequence[Location]) -> str:
    """Return paths as a message has them."""
    return ", ".join(map(str, paths)) or "none"
