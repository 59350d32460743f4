"""Find the name that a written one means: itself, or one in another Unicode form or case, or cut by Postgres."""

from collections.abc import Callable, Iterable, Iterator
from unicodedata import normalize

_LONGEST_NAME = 63
"""Bytes of an identifier; Postgres cuts what is longer at the end of a character."""


class NameIndex:
    """Names, to be found by how they are written elsewhere."""

    def __init__(self, names: Iterable[str], *, ignores_case: bool) -> None:
        """Index the names; with `ignores_case` those in another case or with spaces around them are found, too."""
        self._names = frozenset(names)
        self._ways = [(_in_one_form, _index(self._names, _in_one_form))]
        if ignores_case:
            self._ways.append((fold, _index(self._names, fold)))

    def find(self, written: str) -> tuple[str, ...]:
        """Return the names that a written one may mean: one if that is certain, none if there is no such name."""
        if written in self._names:
            return (written,)
        for key, index in self._ways:
            for text in _as_stored(written):
                if found := index.get(key(text)):
                    return found
        return ()


def fold(name: str) -> str:
    """Return a name without its case, its Unicode form and the spaces around it."""
    return _in_one_form(_in_one_form(name).strip().casefold())


def _in_one_form(name: str) -> str:
    return normalize("NFC", name)


def _index(names: Iterable[str], key: Callable[[str], str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(names):
        found[key(name)] = (*found.get(key(name), ()), name)
    return found


def _as_stored(written: str) -> Iterator[str]:
    """Yield a name, and what Postgres would have made of it if it is too long, in each Unicode form."""
    yield written
    for form in (written, normalize("NFC", written), normalize("NFD", written)):
        encoded = form.encode()
        if len(encoded) > _LONGEST_NAME:
            yield encoded[:_LONGEST_NAME].decode(errors="ignore")
