"""Make failed rows of a block's refused lines, by column: with the place and the bytes of each."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from libs.common.csv.line_scanner import Positions
from services.loader.blocks.constraint_messages import RejectedLines
from services.loader.blocks.preparation import Prepared
from services.loader.rejects.rejected_row import RejectedLine
from services.loader.rejects.spool import FAILED_ROWS


def place_refusals(prepared: Prepared, refusals: Sequence[RejectedLine]) -> pl.DataFrame:
    """Return refusals as failed rows: with the place and the bytes of their lines."""
    lines, codes, names, states, messages = zip(*refusals, strict=True) if refusals else ((),) * 5
    reasons = {"error_code": codes, "column_name": names, "sqlstate": states, "message": messages}
    return _failed_rows(prepared, np.asarray(lines, np.int64), reasons)


def place_worded(prepared: Prepared, lines: Positions, worded: RejectedLines) -> pl.DataFrame:
    """Return the refusals of one constraint as failed rows."""
    first = worded.first
    reasons = {
        "error_code": first.error_code.value,
        "column_name": first.column_name,
        "sqlstate": first.sqlstate,
        "message": worded.messages,
    }
    return _failed_rows(prepared, lines, reasons)


def _failed_rows(
    prepared: Prepared, lines: Positions, reasons: Mapping[str, object]
) -> pl.DataFrame:
    """Put lines of a block and the reasons together."""
    begins, texts = prepared.lines.texts(lines)
    block = prepared.block
    return pl.DataFrame(
        {
            "line_number": lines + block.line_number,
            "byte_offset": np.asarray(begins, np.int64) + block.byte_offset,
            "raw": texts,
            **reasons,
            "record_bytes": None,
        },
        schema=FAILED_ROWS,
    )
