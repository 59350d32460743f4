"""Ask what a file is before there is a table for it, and have the table made."""

from pathlib import Path

from libs.client.answers import Answers
from libs.client.models import CreatedTable, InspectedFile
from libs.client.transport import Request

_START_BYTES = 4 << 20
"""Enough to tell what a file is; the api takes some more."""

_TIMEOUT = 120.0


class NewTables:
    """What is asked and made before a dataset."""

    def __init__(self, answers: Answers) -> None:
        """Send by what the client sends by."""
        self._answers = answers

    def inspect(self, path: Path, *, table: str | None = None) -> InspectedFile:
        """Return dialect, header and types of a file, and the table and dataset proposed; its start is sent alone.

        `table`: as schema.table; if it exists, the header is mapped to it.
        """
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
            is_part = bool(file.read(1))
        request = Request(
            "POST",
            "/v1/inspect",
            parameters={
                "filename": path.name,
                "is_part": is_part,
                **({"table": table} if table else {}),
            },
            headers={"Content-Type": "application/octet-stream"},
            content=lambda: iter([start]),
            timeout=_TIMEOUT,
        )
        return self._answers.read(InspectedFile, request)

    def create(self, seen: InspectedFile) -> CreatedTable:
        """Make the table that was proposed for a file; raises `Refused` where the operator has not allowed it."""
        columns = [{"name": each.column, "type": each.type} for each in seen.columns if each.column]
        body = {"table": seen.table, "columns": columns}
        request = Request("POST", "/v1/tables", json=body, is_repeatable=False)
        return self._answers.read(CreatedTable, request)
