"""Turn a value of a definition into the text of its field, and back: what a field cannot hold is shown as YAML."""

import json
import re
from collections.abc import Callable
from typing import Any

from services.api.web.definition_fields import FormField, Kind
from services.api.web.yaml_text import read_yaml, write_yaml

_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
_NUMBER = re.compile(r"[+-]?[0-9]{0,100}\.?[0-9]{1,100}(?:[eE][+-]?[0-9]{1,3})?")
_ESCAPE = re.compile(r"\\(\\|t|n|r|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
_SHORT = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
_MOST_CODE = 0x10FFFF


def field_text(field: FormField, value: Any) -> str | None:
    """Return the text of a value, None where the field cannot hold it and YAML has to."""
    if value is None and field.is_nullable and field.kind is not Kind.YAML:
        return ""
    return _WRITERS[field.kind](field, value)


def field_value(field: FormField, text: str) -> Any:
    """Return what a text says; one that says nothing stays a text, which the model will refuse.

    Raises `BadInput` for what is no YAML.
    """
    return _READERS[field.kind](field, text)


def escape_signs(signs: str) -> str:
    """Return signs in such a way that each is seen: a tab and a space are escapes."""
    return "".join(map(_escaped, signs))


def read_signs(text: str) -> str:
    """Return the signs that a text stands for; a backslash that begins no escape is one."""
    return _ESCAPE.sub(_sign, text)


def _escaped(sign: str) -> str:
    if sign == "\\":
        return "\\\\"
    if sign.isprintable() and sign != " ":
        return sign
    code = ord(sign)
    return "\\t" if sign == "\t" else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _sign(found: re.Match[str]) -> str:
    said = found[1]
    if said in _SHORT:
        return _SHORT[said]
    code = int(said[1:], 16)
    return chr(code) if code <= _MOST_CODE else found[0]


def _write_text(_field: FormField, value: Any) -> str | None:
    return value if isinstance(value, str) and value and value.isprintable() else None


def _write_signs(_field: FormField, value: Any) -> str | None:
    return escape_signs(value) if isinstance(value, str) and value else None


def _write_number(field: FormField, value: Any) -> str | None:
    kinds = (int,) if field.kind is Kind.INTEGER else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return None
    text = json.dumps(value)
    return text if _NUMBER.fullmatch(text) else None


def _write_choice(field: FormField, value: Any) -> str | None:
    same = (
        text for text, each in field.choices.items() if each == value and type(each) is type(value)
    )
    return next(same, None)


def _write_lines(_field: FormField, value: Any) -> str | None:
    if not isinstance(value, list):
        return None
    is_plain = all(isinstance(each, str) and each and each.isprintable() for each in value)
    return "\n".join(value) if is_plain else None


def _write_box(field: FormField, value: Any) -> str | None:
    is_default = value == field.default and not field.is_required
    return "" if is_default else write_yaml(value)


def _read_integer(_field: FormField, text: str) -> Any:
    return int(text) if _INTEGER.fullmatch(text.strip()) else text


def _read_number(_field: FormField, text: str) -> Any:
    return float(text) if _NUMBER.fullmatch(text.strip()) else text


def _read_lines(_field: FormField, text: str) -> list[str]:
    return [line for line in text.replace("\r\n", "\n").split("\n") if line]


_WRITERS: dict[Kind, Callable[[FormField, Any], str | None]] = {
    Kind.TEXT: _write_text,
    Kind.SIGNS: _write_signs,
    Kind.INTEGER: _write_number,
    Kind.NUMBER: _write_number,
    Kind.CHOICE: _write_choice,
    Kind.LINES: _write_lines,
    Kind.YAML: _write_box,
}
_READERS: dict[Kind, Callable[[FormField, str], Any]] = {
    Kind.TEXT: lambda _field, text: text,
    Kind.SIGNS: lambda _field, text: read_signs(text),
    Kind.INTEGER: _read_integer,
    Kind.NUMBER: _read_number,
    Kind.CHOICE: lambda field, text: field.choices.get(text, text),
    Kind.LINES: _read_lines,
    Kind.YAML: lambda _field, text: read_yaml(text),
}
