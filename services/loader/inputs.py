"""Ask Postgres which texts its types refuse, many at a time: the verdicts of the stage `convert`.

An INSERT reads its literals in their order, first without length or precision (``numeric``, not ``numeric(12,2)``);
only then are lengths and precisions looked at. So the first text that its plain type refuses decides, then the one
whose length or precision does not fit.
"""

import re
from collections.abc import Sequence

import polars as pl
from psycopg2.extensions import cursor as Cursor

from libs.common.catalog import TargetColumn
from libs.common.statements import read_statement
from services.loader.verdicts import error_code

_ANSWERS = pl.Schema(
    {
        "place": pl.Int64,
        "is_plain": pl.Boolean,
        "sqlstate": pl.String,
        "message": pl.String,
        "detail": pl.String,
    }
)


class Inputs:
    """The input functions of a load's columns."""

    def __init__(self, cursor: Cursor, columns: Sequence[TargetColumn]) -> None:
        """Ask nothing yet."""
        self._cursor = cursor
        self._names = [column.name for column in columns]
        self._types = [column.type for column in columns]
        self._plain_types = [_without_limit(column.type) for column in columns]

    def refusals(self, doubts: pl.DataFrame, before: str) -> tuple[pl.DataFrame, list[int]]:
        """Return what is refused: line, error_code, column_name, sqlstate, message, a row for each line.

        `doubts` are cells: the line of the block, the column's place in the header, the text.
        Beside it the lines whose verdict needs more than this: texts of two columns are too long for them.
        """
        texts = doubts.select("column", "text").unique(maintain_order=True).with_row_index("place")
        answers = self._ask(texts, before)
        found = doubts.join(texts, on=["column", "text"]).join(answers, on="place")
        first = found.sort("line", ~pl.col("is_plain"), "column").group_by(
            "line", maintain_order=True
        )
        refused = first.agg(
            pl.col("is_plain", "column", "sqlstate", "message").first(), count=pl.len()
        )
        is_settled = pl.col("is_plain") | (pl.col("count") == 1)
        names = dict(enumerate(self._names))
        settled = refused.filter(is_settled).select(
            "line",
            pl.col("sqlstate").map_elements(error_code, return_dtype=pl.String).alias("error_code"),
            pl.col("column").replace_strict(names, return_dtype=pl.String).alias("column_name"),
            "sqlstate",
            "message",
        )
        return settled, refused.filter(~is_settled)["line"].to_list()

    def _ask(self, texts: pl.DataFrame, before: str) -> pl.DataFrame:
        """Return the answers for texts with their `place`, those that are refused."""
        columns = texts["column"].to_list()
        parameters = {
            "places": texts["place"].to_list(),
            "plain_types": [self._plain_types[column] for column in columns],
            "types": [self._types[column] for column in columns],
            "texts": texts["text"].to_list(),
        }
        self._cursor.execute(before + read_statement("services.loader", "inputs"), parameters)
        answers = pl.DataFrame(self._cursor.fetchall(), schema=_ANSWERS, orient="row")
        detail = pl.concat_str(pl.lit(": "), "detail").fill_null("")
        return answers.with_columns(message=pl.col("message") + detail).drop("detail")


def _without_limit(type_name: str) -> str:
    """Return the type as a literal is read first: without length or precision."""
    plain = re.sub(r"\(.*?\)", "", type_name)
    return "bpchar" if plain == "character" else plain
