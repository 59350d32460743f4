"""The command that shows the failed rows of a job, and has them corrected: rejects."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from libs.client.client import Client
from libs.client.models import FailedRow, RowFilters
from services.cli.connection import connect
from services.cli.editing import Then, apply_sheet, edit_draft, use_draft
from services.cli.exit_codes import ExitCode
from services.cli.options import JobId, Json
from services.cli.output import Column, say, show_json, show_table

_EXAMPLES = 3

ByReason = Annotated[
    bool, typer.Option("--by-reason", help="Count them by reason and column, with examples.")
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print all as CSV, with their reasons.")]
Edit = Annotated[
    bool,
    typer.Option(
        "--edit",
        help="Open the rows in $EDITOR, keep what was corrected in the draft, and load that.",
    ),
]
Sheet = Annotated[
    bool, typer.Option("--sheet", help="Print the draft as CSV, to correct and --apply.")
]
Apply = Annotated[
    Path | None,
    typer.Option(
        "--apply",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        help="Write the corrected sheet into the draft.",
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="See what Postgres says of the draft, without loading it.")
]
Replay = Annotated[
    bool, typer.Option("--replay", help="Load the draft: all failed rows, as they are corrected.")
]
Code = Annotated[
    str | None, typer.Option("--reason", help="Those of this error code alone, as check.")
]
InColumn = Annotated[
    str | None, typer.Option("--column", help="Those alone whose reason is about this column.")
]
Holding = Annotated[
    str | None, typer.Option("--text", help="Those alone with this in their record or message.")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many rows to list at most.")]

_ROWS = (
    Column("line", 7, rank=0, is_number=True),
    Column("reason", 16, rank=1),
    Column("column", 10, rank=3),
    Column("message", 30, rank=2),
    Column("record", 30, rank=4),
)
_REASONS = (
    Column("rows", 7, rank=0, is_number=True),
    Column("reason", 16, rank=1),
    Column("column", 10, rank=2),
    Column("message of the first", 30, rank=3),
    Column("lines", 20, rank=4),
)


@dataclass
class Group:
    """The failed rows of one reason and column: how many, and the first few."""

    error_code: str
    column: str | None
    rows: int = 0
    examples: list[FailedRow] = field(default_factory=list)

    def add(self, row: FailedRow) -> None:
        """Count a row of the group."""
        self.rows += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(row)


def rejects(  # noqa: PLR0913 - the options of a command
    job_id: JobId,
    *,
    by_reason: ByReason = False,
    csv: AsCsv = False,
    sheet: Sheet = False,
    edit: Edit = False,
    apply: Apply = None,
    check: Check = False,
    replay: Replay = False,
    reason: Code = None,
    column: InColumn = None,
    text: Holding = None,
    limit: Limit = 50,
    json: Json = False,
) -> ExitCode:
    """Show the failed rows of a job: where they stand, and why Postgres or the format refuses them.

    They are corrected in a draft, which all who correct them share.
    """
    _refuse_contradictions(
        [by_reason, csv, sheet, edit, apply is not None], [check, replay], [reason, column, text]
    )
    then = Then.CHECK if check else Then.REPLAY if replay or edit else Then.NOTHING
    filters: RowFilters = {"error_code": reason, "column": column, "text": text}
    with connect() as client:
        if edit:
            return edit_draft(client, job_id, filters, then, as_json=json)
        if apply is not None:
            return apply_sheet(client, job_id, apply, then, as_json=json)
        if then is not Then.NOTHING:
            return use_draft(client, job_id, then, as_json=json)
        if csv:
            client.export_failed_rows(job_id, sys.stdout.buffer, **filters)
        elif sheet:
            client.corrections(job_id).export(sys.stdout.buffer, **filters)
        elif by_reason:
            _show_reasons(client.failed_rows(job_id, **filters), as_json=json)
        else:
            _show_rows(client, job_id, filters, limit, as_json=json)
    return ExitCode.OK


def _refuse_contradictions(
    ways: Sequence[bool], ends: Sequence[bool], filters: Sequence[str | None]
) -> None:
    """Refuse options that cannot be meant together; `ways` begin with those that only show something."""
    *shows, edits, applies = ways
    if sum(ways) > 1:
        raise typer.BadParameter("choose one of --by-reason, --csv, --sheet, --edit and --apply")
    if sum(ends) > 1 or (any(ends) and any(shows)):
        raise typer.BadParameter(
            "choose one of --check and --replay, alone or with --edit or --apply"
        )
    if any(filters) and not edits and (applies or any(ends)):
        raise typer.BadParameter(
            "--apply, --check and --replay take all rows; leave --reason, --column and --text out"
        )


def _show_rows(
    client: Client, job_id: str, filters: RowFilters, limit: int, *, as_json: bool
) -> None:
    asked = client.failed_rows(job_id, page_size=min(limit + 1, 500), **filters)
    rows = list(islice(asked, limit + 1))
    if as_json:
        show_json(rows[:limit])
        return
    show_table(_ROWS, (_cells(row) for row in rows[:limit]))
    if len(rows) > limit:
        say(f"… there are more than {limit}: --limit, --by-reason or --csv")


def _cells(row: FailedRow) -> tuple[str, ...]:
    message, raw = _in_one_line(row.message), _in_one_line(row.raw)
    return f"{row.line_number:,}", row.error_code, row.column or "", message, raw


def _show_reasons(rows: Iterable[FailedRow], *, as_json: bool) -> None:
    groups = sorted(grouped(rows), key=lambda group: -group.rows)
    if as_json:
        show_json([_group_document(group) for group in groups])
        return
    show_table(_REASONS, (_group_cells(group) for group in groups))


def grouped(rows: Iterable[FailedRow]) -> list[Group]:
    """Count failed rows by reason and column; only counts and a few examples are held."""
    groups: dict[tuple[str, str | None], Group] = {}
    for row in rows:
        key = (row.error_code, row.column)
        groups.setdefault(key, Group(*key)).add(row)
    return list(groups.values())


def _group_cells(group: Group) -> tuple[str, ...]:
    lines = ", ".join(f"{row.line_number:,}" for row in group.examples)
    more = " …" if group.rows > len(group.examples) else ""
    first = _in_one_line(group.examples[0].message)
    return f"{group.rows:,}", group.error_code, group.column or "", first, lines + more


def _group_document(group: Group) -> dict[str, object]:
    return {
        "error_code": group.error_code,
        "column": group.column,
        "rows": group.rows,
        "examples": [row.model_dump(mode="json") for row in group.examples],
    }


def _in_one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")
