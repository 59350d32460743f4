"""Fill the form of a definition, and read it: what was filled in and sent unchanged is the same definition.

    definition ──texts_of──► texts by name ──► page ──► browser ──read_form──► definition, or errors by field

An empty field is none. An optional group is left out when all its fields are empty, or when its box says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import BadInput
from services.api.web.definition_fields import (
    FieldGroup,
    FormField,
    FormPart,
    Kind,
    definition_group,
)
from services.api.web.field_texts import field_text, field_value
from services.api.web.yaml_text import MOST_CHARACTERS, read_yaml, write_yaml

AS_YAML, WITHOUT = "yaml:", "without:"
"""What the names begin with of boxes of YAML, and of the boxes that leave a group out."""

Texts = Mapping[str, str]
Errors = dict[str, list[str]]
"""What is wrong, by the path of the field or group; by the empty path what is wrong with all together."""

_OMITTED = object()
_MOST_ERRORS = 20


@dataclass(frozen=True)
class ShownField:
    """A field with its text; `name` begins with `yaml:` where its own kind cannot hold the value."""

    field: FormField
    name: str
    text: str
    errors: list[str]
    may_be_empty: bool

    @property
    def is_box(self) -> bool:
        """Return whether the text is YAML."""
        return self.field.kind is Kind.YAML or self.name.startswith(AS_YAML)

    @property
    def options(self) -> list[str]:
        """Return the texts of a choice; what was sent and is none of them stands there, too."""
        named = [*([""] if self.may_be_empty else []), *self.field.choices]
        return named if self.text in named else [self.text, *named]

    @property
    def default(self) -> str:
        """Return the default as people write it."""
        default = self.field.default
        if default in (None, [], {}):
            return "none"
        return field_text(self.field, default) or write_yaml(default)

    @property
    def rows(self) -> int:
        """Return how many lines a box shows."""
        return min(self.text.count("\n") + 2, 12)


@dataclass(frozen=True)
class ShownGroup:
    """A group with its fields; `without` says whether it is to be left out, None where it cannot be."""

    group: FieldGroup
    parts: list["ShownField | ShownGroup"]
    errors: list[str]
    without: bool | None

    def wrong(self) -> Iterator[tuple[str, str]]:
        """Return the names of the wrong fields and groups, each with what is wrong."""
        yield from ((self.group.name, text) for text in self.errors)
        for part in self.parts:
            if isinstance(part, ShownGroup):
                yield from part.wrong()
            else:
                yield from ((part.field.name, text) for text in part.errors)


def document_of(definition: DatasetDefinition) -> dict[str, Any]:
    """Return a definition without what is left at its default."""
    return definition.model_dump(mode="json", exclude_defaults=True)


def texts_of(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands in the fields of a definition's form, by their names."""
    return dict(_texts(definition_group(), document))


def show_form(texts: Texts, errors: Errors) -> ShownGroup:
    """Return the form with these texts."""
    return _shown(definition_group(), texts, errors, is_optional=False)


def read_form(texts: Texts) -> tuple[DatasetDefinition | None, Errors]:
    """Return the definition that a form says, or None and what is wrong with it."""
    if sum(map(len, texts.values())) > MOST_CHARACTERS:
        return None, {"": [f"the form has more than {MOST_CHARACTERS} characters; PUT it as JSON"]}
    errors: Errors = {}
    document = _read_group(definition_group(), texts, errors)
    definition, more = validate(document)
    if not errors:
        return definition, more
    # What is wrong with all together may follow from what could not be read.
    return None, {**{name: more[name] for name in more if name}, **errors}


def read_whole(text: str) -> tuple[DatasetDefinition | None, Errors]:
    """Return the definition that a whole YAML says, or None and what is wrong with it."""
    try:
        return validate(read_yaml(text))
    except BadInput as exc:
        return None, {"": [exc.message]}


def validate(document: Any) -> tuple[DatasetDefinition | None, Errors]:
    """Return the definition that a document is, or None and what the model says against it, by field."""
    try:
        return DatasetDefinition.model_validate(document), {}
    except ValidationError as exc:
        errors: Errors = {}
        for each in exc.errors(include_url=False, include_input=False)[:_MOST_ERRORS]:
            name, rest = _place(each["loc"])
            message = each["msg"].removeprefix("Value error, ")
            errors.setdefault(name, []).append(f"{rest}: {message}" if rest else message)
        return None, errors


def _place(loc: tuple[int | str, ...]) -> tuple[str, str]:
    """Return the field or group that an error is of, and where in it."""
    known = set(definition_group().names())
    for end in range(len(loc), -1, -1):
        name = ".".join(map(str, loc[:end]))
        if name in known:
            return name, ".".join(map(str, loc[end:]))
    return "", ".".join(map(str, loc))


def _texts(group: FieldGroup, document: Any) -> Iterator[tuple[str, str]]:
    given = document if isinstance(document, Mapping) else {}
    for part in group.parts:
        value = given.get(part.path[-1], _OMITTED)
        if isinstance(part, FieldGroup):
            is_none = part.is_optional and (value is None or value is _OMITTED)
            yield from (
                ((each.name, "") for each in part.fields()) if is_none else _texts(part, value)
            )
        elif value is _OMITTED and part.is_required:
            yield part.name, ""
        else:
            yield _named_text(part, part.default if value is _OMITTED else value)


def _named_text(field: FormField, value: Any) -> tuple[str, str]:
    text = field_text(field, value)
    return (AS_YAML + field.name, write_yaml(value)) if text is None else (field.name, text)


def _shown(group: FieldGroup, texts: Texts, errors: Errors, *, is_optional: bool) -> ShownGroup:
    is_optional = is_optional or group.is_optional
    parts = [_shown_part(part, texts, errors, is_optional=is_optional) for part in group.parts]
    box = WITHOUT + group.name
    may_be_left_out = group.is_optional and (box in texts or not _is_empty(group, texts))
    without = box in texts if may_be_left_out else None
    return ShownGroup(group, parts, errors.get(group.name, []), without)


def _shown_part(
    part: FormPart, texts: Texts, errors: Errors, *, is_optional: bool
) -> ShownField | ShownGroup:
    if isinstance(part, FieldGroup):
        return _shown(part, texts, errors, is_optional=is_optional)
    name = AS_YAML + part.name if AS_YAML + part.name in texts else part.name
    text = texts.get(name, "").replace("\r\n", "\n")
    return ShownField(part, name, text, errors.get(part.name, []), is_optional or part.is_nullable)


def _read_group(group: FieldGroup, texts: Texts, errors: Errors) -> dict[str, Any] | None:
    """Return what the fields of a group say, None where it is left out."""
    if group.is_optional and (WITHOUT + group.name in texts or _is_empty(group, texts)):
        return None
    values = {part.path[-1]: _read_part(part, texts, errors) for part in group.parts}
    return {name: value for name, value in values.items() if value is not _OMITTED}


def _read_part(part: FormPart, texts: Texts, errors: Errors) -> Any:
    if isinstance(part, FieldGroup):
        return _read_group(part, texts, errors)
    box = texts.get(AS_YAML + part.name)
    text = texts.get(part.name) if box is None else box
    if part.kind is Kind.YAML or box is not None:
        text = (text or "").strip()
    if not text:
        is_none = text is not None and part.is_nullable and part.kind is not Kind.YAML
        return None if is_none else _OMITTED
    try:
        return field_value(part, text) if box is None else read_yaml(text)
    except BadInput as exc:
        errors.setdefault(part.name, []).append(exc.message)
        return _OMITTED


def _is_empty(group: FieldGroup, texts: Texts) -> bool:
    names = (name for each in group.fields() for name in (each.name, AS_YAML + each.name))
    return not any(texts.get(name) for name in names)
