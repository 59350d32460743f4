"""Make failed rows of a block's refused lines, by column: with the place and the bytes of each."""

import numpy as np

from libs.common.csv.line_scanner import Positions
from services.loader.blocks.prepared_block import Prepared
from services.loader.rejects.columns import RejectedRows, encode_reasons
from services.loader.rejects.line_rejections import LineRejections
from services.loader.rejects.rejection import Rejection
from services.loader.rejects.texts import Messages, Texts


def place_rejections(prepared: Prepared, rejections: LineRejections) -> RejectedRows:
    """Return rejected lines as failed rows: with the place and the bytes of each."""
    reasons, which = rejections.reasons, rejections.which
    messages = Messages.of([reason.message for reason in reasons]).take(which)
    return _failed_rows(prepared, rejections.lines, encode_reasons(reasons).take(which), messages)


def place_worded(
    prepared: Prepared, lines: Positions, first: Rejection, messages: Messages
) -> RejectedRows:
    """Return the refusals of one constraint as failed rows, each with its message; the `first` one has its reason."""
    reason = encode_reasons([first])
    return _failed_rows(prepared, lines, reason.take(np.zeros(len(lines), np.int64)), messages)


def _failed_rows(
    prepared: Prepared, lines: Positions, reasons: Texts, messages: Messages
) -> RejectedRows:
    """Put lines of a block and the reasons together."""
    block, starts = prepared.block, prepared.lines.starts
    begins, ends = starts[lines], starts[lines + 1] - prepared.lines.ending
    return RejectedRows(
        prepared.lines.number(lines) + block.line_number,
        begins + block.byte_offset,
        Texts.of_bytes(prepared.lines.data, begins, ends),
        np.full(len(lines), -1, np.int64),
        reasons,
        messages,
    )
