"""Apply a JSON patch (RFC 6902) to a document: other than in a merge patch, null is a value there.

Paths are JSON pointers (RFC 6901). Nothing is changed where an operation cannot be done.
"""

import json
from copy import deepcopy
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_MOST_BYTES = 1 << 20
"""A copy of a copy of a copy would fill the memory."""
_MOST_OPERATIONS = 1000


class JsonPatchError(ValueError):
    """An operation cannot be done; the message says which one and why."""


class Operation(BaseModel):
    """One change of the document; members that it does not know are left out, as the RFC says."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: str = Field(pattern=r"^(/.*)?$", max_length=4096)
    from_: str | None = Field(None, alias="from", pattern=r"^(/.*)?$", max_length=4096)
    value: Any = None

    @property
    def has_value(self) -> bool:
        """Return whether it names a value, which may be null."""
        return "value" in self.model_fields_set


class JsonPatch(BaseModel):
    """A list of operations, done one after the other."""

    operations: list[Operation] = Field(max_length=_MOST_OPERATIONS)

    def apply(self, document: Any) -> Any:
        """Return the document after all of them; raises `JsonPatchError`."""
        patched = deepcopy(document)
        for number, operation in enumerate(self.operations, start=1):
            try:
                patched = _apply(patched, operation)
            except (LookupError, TypeError, ValueError) as exc:
                raise JsonPatchError(
                    f"operation {number} ({operation.op} {operation.path!r}) cannot be done: {exc}"
                ) from exc
        return patched


def _apply(document: Any, operation: Operation) -> Any:
    """Return the document after one operation."""
    op, path = operation.op, _tokens(operation.path)
    if op in {"add", "replace", "test"} and not operation.has_value:
        raise ValueError("it has no 'value'")
    if op == "test":
        if not _are_equal(_get(document, path), operation.value):
            raise ValueError("the value there is another one")
        return document
    if op == "add":
        return _add(document, path, deepcopy(operation.value))
    if op == "remove":
        return _remove(document, path)
    if op == "replace":
        return _add(_remove(document, path), path, deepcopy(operation.value))
    return _take(document, operation, path)


def _take(document: Any, operation: Operation, path: list[str]) -> Any:
    """Return the document with a value of it moved or copied."""
    if operation.from_ is None:
        raise ValueError("it has no 'from'")
    source = _tokens(operation.from_)
    value = deepcopy(_get(document, source))
    if operation.op == "copy":
        grown = _add(document, path, value)
        if len(json.dumps(grown)) > _MOST_BYTES:
            raise ValueError(f"the document would have more than {_MOST_BYTES} bytes")
        return grown
    if path[: len(source)] == source and path != source:
        raise ValueError("a value cannot be moved into itself")
    return _add(_remove(document, source), path, value)


def _tokens(pointer: str) -> list[str]:
    """Return the parts of a JSON pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _get(document: Any, path: list[str]) -> Any:
    """Return the value at a path, or raise LookupError, TypeError or ValueError."""
    for part in path:
        document = document[_place(document, part)]
    return document


def _place(parent: Any, part: str) -> Any:
    """Return the key of an object's member, or the index of a list's item, that must be there."""
    if isinstance(parent, dict):
        if part not in parent:
            raise ValueError(f"there is no {part!r}")
        return part
    if isinstance(parent, list):
        return _index(part, len(parent) - 1)
    raise TypeError(f"there is nothing in which {part!r} could be")


def _index(part: str, last: int) -> int:
    """Return an index as a pointer writes it: without sign and leading zeros."""
    if not (part.isascii() and part.isdigit()) or (part[0] == "0" and part != "0"):
        raise ValueError(f"{part!r} is no index of a list")
    if int(part) > last:
        raise ValueError(f"the list has no place {part}")
    return int(part)


def _add(document: Any, path: list[str], value: Any) -> Any:
    """Return the document with a value put in: it replaces a member, and is inserted into a list."""
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent)), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise TypeError(f"there is nothing in which {last!r} could be")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    """Return the document without the value at a path, null without the whole of it."""
    if not path:
        return None
    parent = _get(document, path[:-1])
    del parent[_place(parent, path[-1])]
    return document


def _are_equal(one: Any, other: Any) -> bool:
    """Return whether two values are equal as JSON: true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_are_equal(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
