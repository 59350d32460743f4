"""Guess what triggers of a table write elsewhere without the loader's role having the right: a warning, no refusal.

The catalog knows the text of a PL/pgSQL function and not what it touches. Statements that are put together while it
runs, and functions that it calls, are not seen; one that never runs is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from libs.common.enums import LoadMode
from libs.common.postgres.target_checks import LOADER_ROLE
from libs.common.postgres.target_table import TargetTable
from libs.common.sql_files import read_statement

_EVENTS = {LoadMode.APPEND: 4, LoadMode.UPSERT: 4 | 16, LoadMode.REPLACE: 4 | 8 | 16}
_NAME = r'(?:"(?:[^"]|"")+"|[a-z_][\w$]*)'
_NO_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_WRITES = re.compile(
    rf"\b(?P<what>insert\s+into|delete\s+from|update)\s+(?:only\s+)?(?P<name>{_NAME}(?:\s*\.\s*{_NAME})?)",
    re.IGNORECASE,
)
_PART = re.compile(_NAME, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Write:
    """A statement in a trigger's function: the right that it needs, on which name, and where that is looked for."""

    trigger: str
    needed: str
    name: str
    path: tuple[str, ...]


def find_lacking_rights(
    connection: Connection, table: TargetTable, mode: LoadMode, role: str = LOADER_ROLE
) -> list[str]:
    """Return a sentence for each trigger that seems to write where `role` may not."""
    with connection.cursor() as cursor:
        statement = read_statement(__package__, "trigger_functions")
        cursor.execute(statement, {"table": table.oid, "events": _EVENTS[mode]})
        writes = [
            write
            for trigger, body, path in cursor.fetchall()
            for write in _writes(trigger, body, path, table.schema)
        ]
        parameters = {
            "needed": [write.needed for write in writes],
            "names": [write.name for write in writes],
            "paths": [_as_array(write.path) for write in writes],
            "role": role,
        }
        cursor.execute(read_statement(__package__, "lacking_writes"), parameters)
        lacking = dict.fromkeys(
            (writes[place - 1].trigger, lacks) for place, lacks in cursor.fetchall()
        )
    return [
        f"trigger {trigger!r} of {table.name} seems to write where {role} may not, which fails each job: "
        f"GRANT {lacks} TO {role}"
        for trigger, lacks in lacking
    ]


def _writes(trigger: str, body: str, path: str | None, schema: str) -> Iterator[_Write]:
    """Yield what the text of a function writes; without a path of its own it has the load's."""
    schemas = (schema, "public") if path is None else tuple(map(_plain, _PART.findall(path)))
    for found in _WRITES.finditer(_NO_CODE.sub(" ", body)):
        what = found["what"].split()[0].upper()
        if what == "UPDATE" and found["name"].lower() == "set":
            continue  # of ON CONFLICT
        *own, name = map(_plain, _PART.findall(found["name"]))
        yield _Write(trigger, what, name, tuple(own) or schemas)


def _plain(name: str) -> str:
    """Return a name as the catalog has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _as_array(names: tuple[str, ...]) -> str:
    """Return names as the text of an array."""
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return "{" + ",".join(f'"{name}"' for name in quoted) + "}"
