"""Read lines that are JSON objects as records: their keys are the header, their values the cells.

A text is the cell; a number, true and false stand as they are written; null, or a key that is not there, is NULL; an
object or a list is the cell as it stands in the file, for a json column.
"""

import json
from collections.abc import Iterator, Sequence

from libs.common.csv.cells import Cells
from libs.common.enums import ErrorCode

_SHOWN = 60
_SPACES = " \t"


class JsonLineError(ValueError):
    """A line is no record; `code` and the message say why."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.TYPE_ERROR) -> None:
        """Say why."""
        super().__init__(message)
        self.code = code


class JsonSplitter:
    """Reads the values of objects whose keys are known."""

    def __init__(self, names: Sequence[str]) -> None:
        """Cells come in the order of the names."""
        self._places = {name: place for place, name in enumerate(names)}

    def split(self, text: str) -> Cells:
        """Return a record's cells in UTF-8; raises `JsonLineError`."""
        members = {key: value for key, value, _ in members_of(text)}
        unknown = next((key for key in members if key not in self._places), None)
        if unknown is not None:
            raise JsonLineError(
                f"the record has the key {unknown[:_SHOWN]!r}, which is not among those of the first record, or of "
                "'header.names' of the dataset's format; list the keys there, or take it out of the record",
                ErrorCode.EXTRA_CELL,
            )
        cells: Cells = [None] * len(self._places)
        for key, value in members.items():
            cells[self._places[key]] = _encode(value)
        return cells


def keys_of(text: str) -> tuple[str, ...]:
    """Return the keys of a record; raises `JsonLineError`."""
    return tuple(dict.fromkeys(key for key, _, _ in members_of(text)))


def members_of(text: str) -> Iterator[tuple[str, str | None, str]]:
    """Yield the keys of an object, the texts of their values, and these as they stand; raises `JsonLineError`."""
    try:
        yield from _members(text)
    except (ValueError, StopIteration, RecursionError, IndexError) as exc:
        if isinstance(exc, JsonLineError):
            raise
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        raise JsonLineError(
            f"the line is no JSON object: {shown!r}; each line must be one, with nothing beside it"
        ) from exc


def _refuse_constant(name: str) -> str:
    raise ValueError(name)


_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=_refuse_constant, strict=True
)


def _members(text: str) -> Iterator[tuple[str, str | None, str]]:
    """Yield the members of the object that a line is."""
    place = _expect(text, _pass_spaces(text, 0), "{")
    place = _pass_spaces(text, place)
    if text[place] == "}":
        _expect_end(text, place + 1)
        return
    while True:
        key, place = _DECODER.raw_decode(text, _stand_at(text, place, '"'))
        place = _pass_spaces(text, _expect(text, _pass_spaces(text, place), ":"))
        value, end = _DECODER.raw_decode(text, place)
        stored = text[place:end]
        yield key, _as_text(value, stored), stored
        place = _pass_spaces(text, end)
        if text[place] == "}":
            _expect_end(text, place + 1)
            return
        place = _pass_spaces(text, _expect(text, place, ","))


def _as_text(value: object, stored: str) -> str | None:
    """Return the text of a value, None for null."""
    if value is None:
        return None
    return value if stored.startswith('"') and isinstance(value, str) else stored


def _encode(value: str | None) -> bytes | None:
    try:
        return None if value is None else value.encode()
    except UnicodeEncodeError as exc:
        raise JsonLineError(
            "the record has half of a character, as an escape from \\ud800 to \\udfff; write both halves",
            ErrorCode.ENCODING_ERROR,
        ) from exc


def _pass_spaces(text: str, place: int) -> int:
    while text[place : place + 1] and text[place] in _SPACES:
        place += 1
    return place


def _stand_at(text: str, place: int, sign: str) -> int:
    if text[place] != sign:
        raise ValueError(place)
    return place


def _expect(text: str, place: int, sign: str) -> int:
    return _stand_at(text, place, sign) + 1


def _expect_end(text: str, place: int) -> None:
    if _pass_spaces(text, place) != len(text):
        raise ValueError(place)
