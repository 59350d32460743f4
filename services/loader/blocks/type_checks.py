"""Ask Postgres which texts its types refuse, many at a time: the verdicts of the stage `convert`.

An INSERT reads its literals in their order, first without length or precision (``numeric``, not ``numeric(12,2)``);
only then are lengths and precisions checked. So the first text that its plain type refuses decides, then the one
whose length or precision does not fit.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from libs.common.postgres.copy.encoded_block import TypeCheckCell
from libs.common.postgres.target_table import TargetColumn
from libs.common.sql_files import read_statement
from services.loader.rejects.rejection import RejectedLine, Rejection, error_code

_LIMIT = re.compile(r'("(?:[^"]|"")*")|\([^()"]*\)')
"""A quoted name, which may hold brackets, or a length or precision."""


_UNLIMITED = {"character": "bpchar", "bit": '"bit"'}
"""Types whose names without a length mean the length 1."""


class Answer(NamedTuple):
    """What Postgres says to a text; `is_plain`: already without length or precision."""

    is_plain: bool
    sqlstate: str
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

    def refusals(
        self, type_check_cells: Sequence[TypeCheckCell]
    ) -> tuple[list[RejectedLine], list[int]]:
        """Return what is refused, by line, and the lines whose verdict needs more than this.

        Those are the lines with texts of several columns that are too long or too large for them, and of domains what
        their checks refuse, which an INSERT does last.
        """
        answers = self._ask(sorted({(column, text) for _, column, text in type_check_cells}))
        by_line: dict[int, list[tuple[bool, int, Answer]]] = {}
        for line, column, text in type_check_cells:
            answer = answers.get((column, text))
            if answer is not None:
                by_line.setdefault(line, []).append((not answer.is_plain, column, answer))
        settled, undecided = list[RejectedLine](), list[int]()
        for line, found in by_line.items():
            is_limited, _, answer = min(found) if len(found) > 1 else found[0]
            if (is_limited and len(found) > 1) or self._is_of_domain(found):
                undecided.append(line)
                continue
            settled.append((line, answer.rejection))
        return settled, undecided

    def _is_of_domain(self, found: Sequence[tuple[bool, int, Answer]]) -> bool:
        """Return whether the refusals of a line are such as a check of a domain may come after, or are one.

        The check may be of a domain that the column's type holds; whose column it is only an INSERT says.
        """
        is_several = len(found) > 1
        return any(
            answer.sqlstate.startswith("23") or (is_several and self.columns[column].is_domain)
            for _, column, answer in found
        )

    def _ask(self, cells: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Answer]:
        """Return the answers for columns and texts, in the columns' order, those that are refused."""
        found: dict[tuple[int, str], Answer] = {}
        for column, group in groupby(cells, itemgetter(0)):
            texts = [text for _, text in group]
            self._cursor.execute(
                read_statement(__package__, "type_checks"),
                {
                    "plain_type": self._plain_types[column],
                    "type": self._types[column],
                    "texts": texts,
                },
            )
            for place, is_plain, sqlstate, message, detail in self._cursor.fetchall():
                said = f"{message}: {detail}" if detail else message
                why = Rejection(error_code(sqlstate), said, self._names[column], sqlstate)
                found[column, texts[place]] = Answer(is_plain, sqlstate, why)
        return found


def _without_limit(type_name: str) -> str:
    """Return the type as a literal is read first: without length or precision."""
    plain = _LIMIT.sub(lambda found: found[1] or "", type_name)
    element = plain.removesuffix("[]")
    return _UNLIMITED.get(element, element) + plain[len(element) :]
