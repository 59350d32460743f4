"""Compare two definitions, field by field: what somebody reads before a change is stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.api.web.yaml_text import write_yaml

_MISSING = object()


@dataclass(frozen=True)
class ChangedField:
    """A field that differs; None is what is not there."""

    name: str
    before: str | None
    after: str | None


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[ChangedField]:
    """Return the fields in which whole definitions, as JSON has them, differ."""
    return [
        ChangedField(name, _shown(old), _shown(new)) for name, old, new in _pairs("", before, after)
    ]


def _pairs(name: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Return what differs; a group that is new or gone is reported by its fields that say something."""
    if _is_like_mapping(before) and _is_like_mapping(after) and (before or after):
        old, new = before or {}, after or {}
        for key in dict.fromkeys([*old, *new]):
            pair = old.get(key, _MISSING), new.get(key, _MISSING)
            is_silent = (before is None or after is None) and set(map(_is_nothing, pair)) == {True}
            if not is_silent:
                yield from _pairs(f"{name}.{key}" if name else str(key), *pair)
    elif before is _MISSING or after is _MISSING or not _is_same(before, after):
        yield name, before, after


def _is_like_mapping(value: Any) -> bool:
    return value is None or isinstance(value, Mapping)


def _is_nothing(value: Any) -> bool:
    return value is _MISSING or value is None


def _is_same(before: Any, after: Any) -> bool:
    return type(before) is type(after) and bool(before == after)


def _shown(value: Any) -> str | None:
    if value is _MISSING:
        return None
    kept = _said(value) if isinstance(value, Mapping) else value
    return write_yaml(kept)


def _said(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a new or gone entry that say something, all where none does."""
    return {
        name: each for name, each in value.items() if each not in (None, False, [], {})
    } or dict(value)
