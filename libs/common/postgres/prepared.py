"""Run questions to the catalog as prepared statements: Postgres plans such a statement longer than it runs it.

Nothing that was read is kept, only its plan: each question sees the catalog as it is. A backend that has no such
statement (it is new, a pooler gave another one, somebody has deallocated it) prepares it; so the name has the digest of
the text. Postgres plans again by itself where what the plan was made of has changed.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from libs.common.sql_files import read_statement

_PARAMETER = re.compile(r"%\((\w+)\)s")
_LOOK = (
    "SELECT pg_catalog.current_setting('plan_cache_mode') AS mode,"
    " EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE name = %s) AS is_prepared"
)
# Plans for the very values would be made each time. To compile one takes longer than any of these statements.
_BEFORE = "SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan; "
_AFTER = "SELECT pg_catalog.set_config('plan_cache_mode', %s, TRUE)"


class _Statement(NamedTuple):
    """A statement's name, how it is prepared, and how it is run with named parameters."""

    name: str
    prepare: str
    execute: str


def fetch_prepared(
    cursor: Cursor, package: str, name: str, parameters: Mapping[str, object]
) -> list[Any]:
    """Run ``<name>.sql`` of a package within a transaction and return its rows."""
    statement = _translate(package, name)
    with cursor.connection.cursor() as looking:
        looking.execute(_LOOK, (statement.name,))
        [(mode, is_prepared)] = looking.fetchall()
    if not is_prepared:
        cursor.execute(statement.prepare)
    cursor.execute(_BEFORE + statement.execute, parameters)
    rows = cursor.fetchall()
    cursor.execute(_AFTER, (mode,))
    return rows


@cache
def _translate(package: str, name: str) -> _Statement:
    """Return a statement of psycopg2's form as one that Postgres prepares; the types follow from its text."""
    given = read_statement(package, name)
    names = list(dict.fromkeys(_PARAMETER.findall(given)))
    text = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", given).replace("%%", "%")
    label = f"adsp_{name}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    values = ", ".join(f"%({each})s" for each in names)
    return _Statement(label, f"PREPARE {label} AS {text}", f"EXECUTE {label} ({values})")
