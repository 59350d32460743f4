"""Undo what a part of a load did, in one transaction and without round trips of their own for the savepoints."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import psycopg2
from psycopg2.extensions import cursor as Cursor
from psycopg2.sql import SQL, Composable

from services.loader.rejects.rejection import may_be_row_error

Statement: TypeAlias = str | bytes | Composable
Answer = TypeVar("Answer")

_NAME = "adsp_try"


class SavepointCursor(Cursor):
    """A cursor that sends what is pending with the next statement, before it."""

    pending = ""
    """Statements, each with its semicolon; no more than ASCII."""
    prefix_length = 0
    """So many characters came before the last statement: what Postgres says of places in it counts them."""

    def execute(self, query: Statement, vars: Any = None) -> None:  # noqa: A002  # psycopg2's name
        """Run a statement, after what is pending."""
        super().execute(self._with_pending(query), vars)

    def copy_expert(
        self,
        sql: Statement,
        file: Any,
        size: int = 8192,
    ) -> None:
        """Run a COPY, after what is pending."""
        super().copy_expert(self._with_pending(sql), file, size)

    def _with_pending(self, query: Statement) -> Statement:
        """Return a statement with what comes before it, which is pending no more."""
        pending, self.pending = self.pending, ""
        self.prefix_length = len(pending)
        if not pending:
            return query
        if isinstance(query, Composable):
            return SQL(pending) + query
        return pending.encode() + query if isinstance(query, bytes) else pending + query


class Savepoint:
    """Undo what one ``with`` block did when it raises; used over and over in one transaction.

    Setting, releasing and rolling back go with the first statement of the next block. Call `settle` before anything
    runs outside of such a block.
    """

    def __init__(self, cursor: SavepointCursor) -> None:
        """Set nothing yet."""
        self._cursor = cursor
        self._pending = f"SAVEPOINT {_NAME}; "

    def __enter__(self) -> None:
        """Have the block's first statement begin with what is pending."""
        self._cursor.pending = self._pending

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Remember to keep or to undo what the block did, if it did anything."""
        if self._cursor.pending:
            self._cursor.pending = ""
            return
        again = f"ROLLBACK TO SAVEPOINT {_NAME}; "
        keep = f"RELEASE SAVEPOINT {_NAME}; SAVEPOINT {_NAME}; "
        self._pending = again if error is not None else keep

    def ask(self, question: Callable[[], Answer]) -> Answer | None:
        """Return the answer to a question about values, None where one of them broke the question.

        Some types cannot say softly what they refuse, and an expression may fail. Raises psycopg2.Error for what no row
        can be the cause of.
        """
        try:
            with self:
                return question()
        except psycopg2.Error as exc:
            if not may_be_row_error(exc.pgcode):
                raise
            return None

    def settle(self) -> None:
        """Do what is pending, so that the transaction can go on without savepoints."""
        with self:
            self._cursor.execute("")
