"""Keep the text of masked columns out of failed rows: whatever is rejected passes here before it is kept anywhere.

rejected rows ──► RejectMask.apply ──► spool ──► failed_rows

What is kept of a record is in `masked_records`, of a message in `masked_messages`. A record that cannot be cut into its
cells keeps none of its bytes. See docs/decisions/0069.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from libs.common.csv.header import Header, with_names
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import STAGE_OF, ErrorCode, Stage
from libs.common.postgres.header_mapping import MatchedHeader
from services.loader.rejects.columns import RejectedRows
from services.loader.rejects.masked_messages import mask_message
from services.loader.rejects.masked_records import RecordMask
from services.loader.rejects.rejection import Rejection
from services.loader.rejects.texts import Messages, Texts


@dataclass(frozen=True, slots=True)
class RejectMask:
    """What is kept of the failed rows of one load."""

    records: RecordMask
    columns: frozenset[str]

    @classmethod
    def of(
        cls, definition: DatasetDefinition, header: Header, matched: MatchedHeader
    ) -> Self | None:
        """Return the masks of a load, None where its dataset has none.

        Cells that no column of their own takes are masked too: a header may have renamed a masked column.
        """
        columns = frozenset(definition.masked_columns)
        if not columns:
            return None
        shown = {
            place
            for place, column in zip(matched.places, matched.columns, strict=False)
            if column.name not in columns
        }
        form = with_names(definition.format, header.cells)
        form = form.model_copy(update={"encoding": header.encoding})
        masked = set(range(matched.width)) - shown
        return cls(RecordMask(form, header.cells, masked), columns)

    def apply(self, rows: RejectedRows) -> RejectedRows:
        """Return failed rows without masked values; `record_bytes` says of which not all is kept."""
        reasons = [rows.reason(row) for row in range(len(rows))]
        stored = [rows.raws.raw(row) for row in range(len(rows))]
        kept = [
            self._mask_record(raw, reason.error_code)
            for raw, reason in zip(stored, reasons, strict=True)
        ]
        is_part = np.array([a != b for a, b in zip(stored, kept, strict=True)], np.bool_)
        lengths = np.where(rows.record_bytes < 0, rows.raws.lengths, rows.record_bytes)
        return replace(
            rows,
            raws=Texts.of(kept),
            record_bytes=np.where(is_part, lengths, rows.record_bytes),
            messages=Messages.of([self._mask_message(reason) for reason in reasons]),
        )

    def _mask_record(self, raw: bytes, code: ErrorCode) -> bytes:
        """Return what is kept of a record: nothing where it is not known which of it is which cell."""
        masked = None if STAGE_OF[code] is Stage.PARSE else self.records.apply(raw)
        return b"" if masked is None else masked

    def _mask_message(self, reason: Rejection) -> str:
        return mask_message(reason, is_masked=reason.column_name in self.columns)
