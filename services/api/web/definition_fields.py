"""Make the fields of a definition's form out of the model: nobody writes one by hand when an option is added.

    text, signs, integer, number, choice   one line each
    lines                                  a list of texts, one a line
    yaml                                   what a form would not show well: mappings, lists of rules, unions

A model within the model is a group of fields.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from libs.common.datasets.definition import DatasetDefinition

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
_MOST_SIGNS = 8
"""Texts of up to so many characters may be signs that cannot be typed or seen, such as a tab."""
_YES_OR_NO = {"yes": True, "no": False}


class Kind(StrEnum):
    """How a value is shown in a form."""

    TEXT = "text"
    SIGNS = "signs"
    INTEGER = "integer"
    NUMBER = "number"
    CHOICE = "choice"
    LINES = "lines"
    YAML = "yaml"


@dataclass(frozen=True)
class FormField:
    """One value: `choices` are the values by their texts, `default` is as JSON has it."""

    path: tuple[str, ...]
    kind: Kind
    help: str
    default: Any
    is_required: bool
    is_nullable: bool
    choices: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the name of the field in the form."""
        return ".".join(self.path)


@dataclass(frozen=True)
class FieldGroup:
    """The fields of a model; an optional group may be left out as a whole."""

    path: tuple[str, ...]
    help: str
    is_optional: bool
    parts: tuple["FormPart", ...]

    @property
    def name(self) -> str:
        """Return the path of the group."""
        return ".".join(self.path)

    def fields(self) -> Iterator[FormField]:
        """Return its fields, also those of groups within it."""
        for part in self.parts:
            if isinstance(part, FormField):
                yield part
            else:
                yield from part.fields()

    def names(self) -> Iterator[str]:
        """Return the paths of its fields and groups, and its own."""
        yield self.name
        for part in self.parts:
            yield from [part.name] if isinstance(part, FormField) else part.names()


FormPart: TypeAlias = FormField | FieldGroup


@cache
def definition_group() -> FieldGroup:
    """Return the fields of a definition."""
    return _group((), DatasetDefinition, "", is_optional=False)


def _group(
    path: tuple[str, ...], model: type[BaseModel], text: str, *, is_optional: bool
) -> FieldGroup:
    parts = [_part((*path, name), info) for name, info in model.model_fields.items()]
    return FieldGroup(path, text or _first_line(model), is_optional, tuple(parts))


def _part(path: tuple[str, ...], info: FieldInfo) -> FormPart:
    """Return the group or the field of an option."""
    kind, is_nullable = _without_none(info.annotation)
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        return _group(path, kind, info.description or "", is_optional=is_nullable)
    return FormField(
        path,
        _kind_of(kind, info),
        info.description or _first_line(kind),
        None if info.is_required() else _default(info),
        info.is_required(),
        is_nullable,
        _choices(kind),
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Return a type without None and without what is declared beside it, and whether it may be None."""
    bare = _bare(annotation)
    if get_origin(bare) not in (Union, UnionType):
        return bare, False
    left = [each for each in get_args(bare) if each is not NoneType]
    is_nullable = len(left) < len(get_args(bare))
    return (_bare(left[0]), is_nullable) if len(left) == 1 else (bare, is_nullable)


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _kind_of(kind: Any, info: FieldInfo) -> Kind:
    if _choices(kind):
        return Kind.CHOICE
    if kind in (int, float):
        return Kind.INTEGER if kind is int else Kind.NUMBER
    if kind is str and not _takes_empty(info):
        return Kind.SIGNS if _most_characters(info) <= _MOST_SIGNS else Kind.TEXT
    if get_origin(kind) is list and _bare(get_args(kind)[0]) is str:
        return Kind.LINES
    return Kind.YAML


def _choices(kind: Any) -> dict[str, Any]:
    """Return the values that a type has, by their texts; none where it is no choice."""
    if kind is bool:
        return _YES_OR_NO
    if get_origin(kind) is Literal:
        return {str(value): value for value in get_args(kind)}
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return {str(each.value): each.value for each in kind}
    return {}


def _takes_empty(info: FieldInfo) -> bool:
    """Return whether an empty text is a value of its own, which an empty field could not tell from none."""
    kind: Any = Annotated[info.annotation, *info.metadata]
    try:
        TypeAdapter(kind).validate_python("")
    except ValidationError:
        return False
    return True


def _most_characters(info: FieldInfo) -> int:
    limits = (getattr(each, "max_length", None) for each in info.metadata)
    return min((limit for limit in limits if limit is not None), default=_MOST_SIGNS + 1)


def _default(info: FieldInfo) -> Any:
    return _ANYTHING.dump_python(info.get_default(call_default_factory=True), mode="json")


def _first_line(kind: Any) -> str:
    """Return what a type says of itself."""
    is_own = inspect.isclass(kind) and issubclass(kind, (BaseModel, Enum))
    return (kind.__doc__ or "").strip().splitlines()[0] if is_own else ""
