"""Cut a failed row into the cells of its header, and write a corrected one as a record of the same dialect.

What is written is read again before it is taken: whatever a dialect cannot say is refused, never changed.
"""

import io
import json
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import Framer
from libs.common.csv.header import with_names
from libs.common.csv.mask_markers import MARKERS
from libs.common.csv.records import Record, split
from libs.common.csv.text import Text
from libs.common.csv.utf16 import with_byte_order
from libs.common.errors import BadInput
from libs.common.ledger.datasets import find_dataset
from libs.common.ledger.models import Job
from libs.common.ledger.replays import definition_of_replay, is_one_record
from services.api.exports.dialects import definition_of
from services.api.exports.source_file import quote_text, write_text

Cells = list[str | None]


def replay_dialect(session: Session, job: Job) -> FileFormat:
    """Return the dialect that a replay of the job's failed rows would read them by."""
    current = find_dataset(session, job.dataset).parsed()
    return definition_of_replay(definition_of(job), current, "none").format


def read_cells(raw: bytes, header: Sequence[str], dialect: FileFormat) -> Cells | None:
    """Return the cells of a record, as many as the header has or more; None where it cannot be cut into cells."""
    record = _only_record(raw, with_names(dialect, header))
    if record is None or record.fault is not None:
        return None
    cells = [None if cell is None else cell.decode() for cell in record.cells]
    return cells + [None] * (len(header) - len(cells))


def change_cells(
    raw: bytes, header: Sequence[str], dialect: FileFormat, changes: Mapping[str, str | None]
) -> bytes:
    """Return the record with some of its cells changed, or raise `BadInput`."""
    cells = read_cells(raw, header, dialect)
    if cells is None or len(cells) > len(header):
        raise BadInput(
            "cells-unknown",
            "this record cannot be cut into the cells of its header; correct it as a whole, with `record`",
        )
    for name, text in changes.items():
        cells[place_of_cell(header, name)] = text
    return write_record(cells, header, dialect)


def refuse_marker(masked: bytes, record: bytes, header: Sequence[str], dialect: FileFormat) -> None:
    """Raise `BadInput` where the correction of a masked record still has the marker in place of a cell."""
    before, after = (read_cells(raw, header, dialect) or [] for raw in (masked, record))
    for name, old, new in zip(header, before, after, strict=False):
        if old == new and new in MARKERS:
            raise BadInput(
                "cell-masked",
                f"the cell {name!r} still has the marker {new} in place of a masked text; take the text from the "
                "source, or discard the row",
            )


def place_of_cell(header: Sequence[str], name: str) -> int:
    """Return which cell of the header has a name, or raise `BadInput`."""
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise BadInput(
            "cell-ambiguous",
            f"the header has the cell {name!r} more than once; correct the record as a whole, with `record`",
        )
    raise BadInput("cell-unknown", f"the header has no cell {name!r}; it has {', '.join(header)}")


def write_record(cells: Cells, header: Sequence[str], dialect: FileFormat) -> bytes:
    """Return cells as a record without its line end, or raise `BadInput` for what the dialect cannot say."""
    if dialect.type == "jsonl":
        text = json.dumps(dict(zip(header, cells, strict=True)), ensure_ascii=False)
    else:
        text = dialect.delimiter.join(_write_cell(cell, dialect) for cell in cells)
        text += dialect.delimiter * dialect.trailing_delimiter
    raw = encode_record(text, dialect)
    if read_cells(raw, header, dialect) != cells:
        raise BadInput(
            "cell-not-writable",
            "a file of this dataset cannot hold such cells: its format has no way to write a line end, a delimiter, "
            "NULL or an empty text there; change the cell, or the dataset's format",
        )
    return raw


def encode_record(text: str, dialect: FileFormat) -> bytes:
    """Return the text of one record in the encoding of the dialect, or raise `BadInput` where it is not one."""
    try:
        raw = text.encode(with_byte_order(dialect.encoding, b""))
    except UnicodeEncodeError as exc:
        raise BadInput(
            "text-not-encodable",
            f"{text[exc.start : exc.start + 1]!r} does not exist in {dialect.encoding}, the encoding of the file; "
            "write it otherwise",
        ) from exc
    if not is_one_record(raw, _with_byte_order(dialect)):
        raise BadInput(
            "not-one-record",
            "this is not one record: look for a quote that is not closed, or for a line end outside of quotes",
        )
    return raw


def _with_byte_order(dialect: FileFormat) -> FileFormat:
    """Return the dialect with the byte order that records are written in."""
    return dialect.model_copy(update={"encoding": with_byte_order(dialect.encoding, b"")})


def _only_record(raw: bytes, dialect: FileFormat) -> Record | None:
    dialect = _with_byte_order(dialect)
    text = Text(io.BytesIO(raw), dialect.encoding)
    framer = Framer(text, dialect, max_record_bytes=max(1, len(raw)))
    records = [record for block in split(framer) for record in block]
    return records[0] if len(records) == 1 else None


def _write_cell(cell: str | None, dialect: FileFormat) -> str:
    """Quote a cell that would be read as something else."""
    if cell is None:
        return dialect.null_texts[0] if dialect.null_texts else ("\\N" if dialect.escape else "")
    return (quote_text if cell in dialect.null_texts else write_text)(cell, dialect)
