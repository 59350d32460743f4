"""Keep a chunk's failed rows until they are written with its rows, in bounded memory."""

from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self
from uuid import UUID

from psycopg2.extensions import cursor as Cursor

from services.loader.copytext import encode_row
from services.loader.verdicts import FailedRow

_COPY = (
    "COPY adsp.failed_rows (job_id, chunk_number, line_number, byte_offset, raw,"
    " stage, error_code, column_name, sqlstate, message) FROM STDIN"
)


class RejectSpool:
    """Failed rows of one chunk, in file order; they survive a rollback of the load."""

    def __init__(self, job_id: UUID, chunk_number: int, memory_bytes: int) -> None:
        """Start empty; beyond `memory_bytes` the rows go to a temporary file."""
        self._place = (str(job_id).encode(), str(chunk_number).encode())
        self._file = SpooledTemporaryFile[bytes](max_size=memory_bytes)
        self.count = 0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Drop the temporary file."""
        self._file.close()

    def add(self, rows: list[FailedRow]) -> None:
        """Add failed rows."""
        for row in rows:
            self._file.write(encode_row([*self._place, *_cells(row)]))
        self.count += len(rows)

    def write(self, cursor: Cursor) -> None:
        """Copy all of them into the ledger, as part of the cursor's transaction."""
        self._file.seek(0)
        cursor.copy_expert(_COPY, self._file, size=1 << 20)
        if cursor.rowcount != self.count:
            raise RuntimeError(f"{self.count} failed rows were sent, {cursor.rowcount} arrived")


def _cells(row: FailedRow) -> list[bytes | None]:
    """Return the columns after the chunk's; NUL cannot be stored in a message."""
    texts = (row.stage, row.error_code, row.column_name, row.sqlstate, row.message)
    return [
        str(row.line_number).encode(),
        str(row.byte_offset).encode(),
        b"\\x" + row.raw.hex().encode(),
        *(None if text is None else text.replace("\0", "").encode() for text in texts),
    ]
