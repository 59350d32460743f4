"""Say what becomes of a failed row: how it came, how its draft has it, and the correction that leads to a state.

The sheet of corrections shows such states, and what is sent back is compared with them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from libs.common.csv.dialect import FileFormat
from libs.common.csv.utf16 import with_byte_order
from libs.common.errors import BadInput
from libs.common.ledger.models import Correction, FailedRow
from services.api.corrections.record_cells import (
    encode_record,
    place_of_cell,
    read_cells,
    refuse_marker,
    write_record,
)
from services.api.corrections.rules import MOST_CHARACTERS
from services.api.schemas import SHOWN_BYTES


@dataclass(frozen=True)
class RowState:
    """A failed row as a replay would have it: its cells, or its record where it is not cut into cells.

    `is_start`: `record` is only the start of it.
    """

    cells: tuple[str | None, ...] | None
    record: str | None = None
    discarded: bool = False
    is_start: bool = False


@dataclass(frozen=True)
class RowReader:
    """How the records of a job are cut into cells; `is_masked`: its dataset masks columns."""

    header: Sequence[str]
    dialect: FileFormat
    is_masked: bool = False

    def as_it_came(self, row: FailedRow) -> RowState:
        """Return a row without its draft; of a record above 1 MiB the start."""
        is_whole = row.record_bytes is None and len(row.raw) <= SHOWN_BYTES
        cells = read_cells(row.raw, self.header, self.dialect) if is_whole else None
        if cells is not None and len(cells) == len(self.header):
            return RowState(tuple(cells))
        encoding = with_byte_order(self.dialect.encoding, b"")
        text = row.raw[:SHOWN_BYTES].decode(encoding, "backslashreplace")
        # A sheet is text: a reader of CSV takes no NUL.
        return RowState(None, text.replace("\0", "\\x00"), is_start=not is_whole)

    def as_drafted(self, came: RowState, draft: Correction | None) -> RowState:
        """Return a row that came so as its draft has it."""
        if draft is None:
            return came
        if draft.discarded:
            return replace(came, discarded=True)
        if draft.record is not None:
            return RowState(None, draft.record)
        if came.cells is None or not draft.cells:
            return came
        named = zip(self.header, came.cells, strict=True)
        return replace(came, cells=tuple(draft.cells.get(name, text) for name, text in named))

    def correction(self, came: RowState, wanted: RowState) -> Mapping[str, Any] | None:
        """Return the correction that makes a row that came so what is wanted, None where it came as that.

        Raises `BadInput` for what the dialect cannot say.
        """
        if wanted == came:
            return None
        if wanted.discarded:
            return {"cells": None, "record": None, "discarded": True}
        if wanted.cells is None or came.cells is None:
            _refuse_long([wanted.record])
            record = encode_record(wanted.record or "", self.dialect)
            if self.is_masked and came.is_start and came.record:
                encoding = with_byte_order(self.dialect.encoding, b"")
                masked = came.record.encode(encoding, "replace")
                refuse_marker(masked, record, self.header, self.dialect)
            return {"cells": None, "record": wanted.record, "discarded": False}
        triples = zip(self.header, wanted.cells, came.cells, strict=True)
        changed = [(name, text) for name, text, before in triples if text != before]
        _refuse_long(text for _, text in changed)
        for name, _ in changed:  # a name that comes twice would hide one of them
            place_of_cell(self.header, name)
        write_record(list(wanted.cells), self.header, self.dialect)
        return {"cells": dict(changed), "record": None, "discarded": False}


def _refuse_long(texts: Iterable[str | None]) -> None:
    if any(len(text or "") > MOST_CHARACTERS for text in texts):
        raise BadInput(
            "cell-too-long",
            f"a correction holds {MOST_CHARACTERS:,} characters at most; correct the row in a file of the dataset",
        )
