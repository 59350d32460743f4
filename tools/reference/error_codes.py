"""List the codes of failed rows, of warnings, and of problems and failed jobs, as the code raises them."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from psycopg2 import errorcodes

from libs.common import errors
from libs.common.enums import STAGE_OF, ErrorCode, WarningCode
from services.api.errors import database, problems
from services.loader.rejects.rejection import error_code, is_row_error
from tools.reference.markdown import code, table
from tools.reference.source_code import Call, calls, member_docs, subclasses, words_of

_HEAD = """\
# Error codes

## Failed rows

`error_code` and `stage` of a failed row. SQLSTATE and message are Postgres' own, where Postgres refuses it. What to do:
[fix failed rows](../howto/fix-failed-rows.md).
"""
_WARNINGS = """\
## Warnings

`warnings` of a job: what was odd about it and allowed.
"""
_PROBLEMS = """\
## Problems and failed jobs

A request that is refused is answered with `application/problem+json`: a `code`, and a `detail` that says how to fix it
("…" stands for what is known only then). A job that fails has the same in `error`: `code` and `message`. Codes without
a status are of jobs alone.
"""


_CALLS = {"ProblemError", "unavailable", "problem_response", "JobError", "__init__"}
_CODE = re.compile("[a-z]+(-[a-z]+)*")
_POSTPONES = {"plan-is-long"}  # no job ends with it
_JOBS_ONLY = {("services", "worker"), ("services", "loader")}


class Said(NamedTuple):
    """Something that is refused: the status of the answer, none where only jobs fail so, and the words."""

    code: str
    status: int | None
    words: str


def page() -> str:
    """Return the page: three tables."""
    rows = table(("code", "stage", "SQLSTATE", "meaning"), _of_rows())
    warnings = table(("code", "meaning"), _of_warnings())
    refused = table(("code", "status", "says"), _of_problems())
    return f"{_HEAD}\n{rows}\n{_WARNINGS}\n{warnings}\n{_PROBLEMS}\n{refused}"


def _of_rows() -> Iterator[tuple[str, str, str, str]]:
    states: dict[ErrorCode, list[str]] = defaultdict(list)
    for sqlstate in sorted(name for name in errorcodes.__dict__.values() if _is_sqlstate(name)):
        if (found := error_code(sqlstate)) is not ErrorCode.OTHER:
            states[found].append(code(sqlstate))
    docs = member_docs(ErrorCode)
    for each in ErrorCode:
        yield code(each.value), STAGE_OF[each].value, ", ".join(states[each]), docs[each.name]


def _is_sqlstate(value: object) -> bool:
    return isinstance(value, str) and len(value) == 5 and is_row_error(value)


def _of_warnings() -> Iterator[tuple[str, str]]:
    docs = member_docs(WarningCode)
    for each in WarningCode:
        yield code(each.value), docs[each.name]


def _of_problems() -> Iterator[tuple[str, str, str]]:
    """Yield each code once, with the statuses and words that it has anywhere."""
    statuses: dict[str, set[int]] = defaultdict(set)
    words: dict[str, dict[str, None]] = defaultdict(dict)
    for said in [*_answers(), *_raised()]:
        statuses[said.code] |= {said.status} if said.status else set()
        words[said.code][said.words] = None
    for name in sorted(words):
        shown = ", ".join(map(str, sorted(statuses[name])))
        yield (
            code(name),
            shown,
            "<br>".join(filter(None, words[name])) or "what is wrong, in each case",
        )


def _answers() -> Iterator[Said]:
    """Yield the answers that stand in tables."""
    for status, (name, words) in problems.ANSWERS.items():
        yield Said(name, status, words)
    for name, words in (*database.ANSWERS.values(), database.AWAY):
        yield Said(name, 503, words)


def _raised() -> Iterator[Said]:
    """Yield what is raised or answered at a place of its own."""
    bad_input = set(subclasses("BadInput"))
    for call in calls(bad_input | _CALLS):
        said = [words_of(each) for each in call.arguments]
        place = next((number for number, each in enumerate(said) if _CODE.fullmatch(each)), None)
        if place is not None and said[place] not in _POSTPONES:
            name, words = said[place], [*said, ""][place + 1]
            status = _status_of_input(call, name) if call.name in bad_input else _status(call)
            yield Said(name, status, words if words.strip("… ") else "")


def _status_of_input(call: Call, name: str) -> int | None:
    """Return the answer's status; what only the worker or the loader raises is never answered."""
    if call.module.parts[:2] in _JOBS_ONLY:
        return None
    kind = getattr(errors, call.name, errors.BadInput)
    return problems.status_of(kind(name, ""))


def _status(call: Call) -> int | None:
    if call.name == "unavailable":
        return 503
    numbers = [each.value for each in call.node.args if isinstance(each, ast.Constant)]
    return next((number for number in numbers if isinstance(number, int)), None)
