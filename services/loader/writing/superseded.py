"""Tell whether records that later ones of their keys supersede would have been taken by themselves.

An upsert writes the last record of each key only. An earlier one is superseded if Postgres would have taken it, and a
failed row if not; NOT NULL and CHECK have been asked of each before it was staged, so what is left are foreign keys
and rare things that are not looked into here.
"""

from collections.abc import Sequence

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.catalog import TargetColumn, TargetTable
from libs.common.statements import read_statement


class SupersededRows:
    """The question of one target."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        staged: sql.Identifier,
    ) -> None:
        """Read the catalog; `staged` is where the records are."""
        self._cursor = cursor
        names = [column.name for column in columns]
        parameters = {"table": table.oid, "columns": names}
        cursor.execute(read_statement("services.loader.writing", "superseded_rules"), parameters)
        row = cursor.fetchone()
        self._is_unknown = row is None or bool(row[0])
        cursor.execute(read_statement("services.loader.writing", "foreign_keys"), parameters)
        keys = cursor.fetchall()
        self._is_unknown |= any(
            not is_simple or not set(names).issuperset(own) for _, _, _, own, is_simple in keys
        )
        self._questions = [
            _dangling(staged, sql.Identifier(schema, relation), theirs, own)
            for schema, relation, theirs, own, _ in keys
        ]

    def are_sound(self) -> bool:
        """Tell whether all staged rows certainly would have been taken; raises psycopg2.Error where it cannot ask."""
        return not self._is_unknown and not any(map(self._finds, self._questions))

    def _finds(self, question: sql.Composed) -> bool:
        """Return whether there is a row."""
        self._cursor.execute(question)
        return self._cursor.fetchone() is not None


def _dangling(
    staged: sql.Identifier, referred: sql.Identifier, theirs: Sequence[str], own: Sequence[str]
) -> sql.Composed:
    """Return the question for a staged row that refers to nothing."""
    present = [sql.SQL("s.{} IS NOT NULL").format(sql.Identifier(name)) for name in own]
    equal = [
        sql.SQL("r.{} = s.{}").format(sql.Identifier(their), sql.Identifier(mine))
        for their, mine in zip(theirs, own, strict=True)
    ]
    return sql.SQL(
        "SELECT FROM {} AS s WHERE {} AND NOT EXISTS (SELECT FROM {} AS r WHERE {}) LIMIT 1"
    ).format(staged, sql.SQL(" AND ").join(present), referred, sql.SQL(" AND ").join(equal))
