"""Know which types are domains that refuse NULL, as a COPY and an INSERT find out while they read cells."""

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.postgres.target_table import TargetColumn
from services.loader.rejects.rejection import is_row_error
from services.loader.savepoint import Savepoint


class DomainNulls:
    """Asks once for each type."""

    def __init__(self, cursor: Cursor, savepoint: Savepoint) -> None:
        """Ask nothing yet."""
        self._cursor = cursor
        self._savepoint = savepoint
        self._refused: dict[str, bool] = {}

    def are_refused(self, column: TargetColumn) -> bool:
        """Return whether the type of a column is a domain that has no NULL."""
        if column.type not in self._refused:
            self._refused[column.type] = column.is_domain and self._ask(column)
        return self._refused[column.type]

    def _ask(self, column: TargetColumn) -> bool:
        try:
            with self._savepoint:
                self._cursor.execute(sql.SQL("SELECT NULL::{}").format(sql.SQL(column.type)))
        except psycopg2.Error as exc:
            if not is_row_error(exc.pgcode):
                raise
            return True
        return False
