"""Ask Postgres which texts its types refuse, many at a time: the verdicts of the stage `convert`.

An INSERT reads its literals in their order, first without length or precision (``numeric``, not ``numeric(12,2)``);
only then are lengths and precisions checked. So the first text that its plain type refuses decides, then the one
whose length or precision does not fit.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from psycopg2.extensions import cursor as Cursor

from libs.common.csv.line_scanner import Positions
from libs.common.postgres.copy.encoded_block import TypeCheckCells
from libs.common.postgres.target_table import TargetColumn
from libs.common.sql_files import read_statement
from services.loader.rejects.line_rejections import LineRejections
from services.loader.rejects.rejection import Rejection, error_code

_LIMIT = re.compile(r'("(?:[^"]|"")*")|\([^()"]*\)')
"""A quoted name, which may hold brackets, or a length or precision."""


_UNLIMITED = {"character": "bpchar", "bit": '"bit"'}
"""Types whose names without a length mean the length 1."""


class Answer(NamedTuple):
    """What Postgres says to a text of a column.

    `is_limited`: only for its length or precision; `is_of_check`: a domain's check refuses it, its type does not.
    """

    is_limited: bool
    column: int
    is_of_check: bool
    rejection: Rejection


class Inputs:
    """The input functions of a load's columns."""

    def __init__(self, cursor: Cursor, columns: Sequence[TargetColumn]) -> None:
        """Ask nothing yet."""
        self._cursor = cursor
        self.columns = columns
        self._names = [column.name for column in columns]
        self._types = [column.type for column in columns]
        self._plain_types = [_without_limit(column.type) for column in columns]

    def refusals(self, cells: TypeCheckCells) -> tuple[LineRejections, list[int]]:
        """Return what is refused, by line, and the lines whose verdict needs more than this.

        Those are the lines with texts of several columns that are too long or too large for them, and of domains what
        their checks refuse, which an INSERT does last.
        """
        answers = self._ask(cells.distinct)
        is_refused = np.isin(cells.which, list(answers))
        lines, which = cells.lines[is_refused], cells.which[is_refused]
        decisive = [place for place, answer in answers.items() if not answer.is_of_check]
        alone, together = _by_line(lines)
        chosen = alone[np.isin(which[alone], decisive)].tolist()
        for places in together:
            first = self._decide([answers[number] for number in which[places].tolist()])
            chosen += [places[first]] if first is not None else []
        reasons = {place: answer.rejection for place, answer in answers.items()}
        settled = LineRejections.of(lines[chosen], which[chosen], reasons)
        return settled, sorted(set(lines[~np.isin(lines, settled.lines)].tolist()))

    def _decide(self, answers: Sequence[Answer]) -> int | None:
        """Return which of several refusals of one line an INSERT names, None where only an INSERT tells.

        The check may be of a domain that the column's type holds; whose column it is only an INSERT says.
        """
        if any(answer.is_of_check for answer in answers):
            return None
        first = min(range(len(answers)), key=lambda place: answers[place][:2])
        may_come_later = answers[first].is_limited or any(
            self.columns[answer.column].is_domain for answer in answers
        )
        return None if may_come_later else first

    def _ask(self, cells: Sequence[tuple[int, str]]) -> dict[int, Answer]:
        """Return the answers to columns and texts that are refused, by their places."""
        found: dict[int, Answer] = {}
        by_column: dict[int, list[int]] = {}
        for place, (column, _) in enumerate(cells):
            by_column.setdefault(column, []).append(place)
        for column, places in sorted(by_column.items()):
            self._cursor.execute(
                read_statement(__package__, "type_checks"),
                {
                    "plain_type": self._plain_types[column],
                    "type": self._types[column],
                    "texts": [cells[place][1] for place in places],
                },
            )
            for text, is_plain, sqlstate, message, detail in self._cursor.fetchall():
                said = f"{message}: {detail}" if detail else message
                why = Rejection(error_code(sqlstate), said, self._names[column], sqlstate)
                found[places[text]] = Answer(not is_plain, column, sqlstate.startswith("23"), why)
        return found


def _by_line(lines: Positions) -> tuple[Positions, list[list[int]]]:
    """Return the places of lines that stand once, and those of each line that stands several times."""
    _, firsts, counts = np.unique(lines, return_index=True, return_counts=True)
    together: dict[int, list[int]] = {}
    several = np.flatnonzero(np.isin(lines, lines[firsts[counts > 1]]))
    for place, line in zip(several.tolist(), lines[several].tolist(), strict=True):
        together.setdefault(line, []).append(place)
    return firsts[counts == 1], list(together.values())


def _without_limit(type_name: str) -> str:
    """Return the type as a literal is read first: without length or precision."""
    plain = _LIMIT.sub(lambda found: found[1] or "", type_name)
    element = plain.removesuffix("[]")
    return _UNLIMITED.get(element, element) + plain[len(element) :]
