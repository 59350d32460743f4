"""Keep a chunk's failed rows until they are written with its rows, in bounded memory.

They are encoded and compressed in a thread, while Postgres is asked about the next block.
"""

import io
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import polars as pl
from psycopg2.extensions import cursor as Cursor

from libs.common.csv.places import from_place
from libs.common.enums import STAGE_OF
from libs.common.errors import MESSAGE_LIMIT, cut_message
from libs.common.postgres.copy.encoder import HEADER, TRAILER
from services.loader.rejects.copy_rows import (
    BIGINT,
    BYTES,
    INTEGER,
    TEXT,
    UUID_BYTES,
    encode_tuples,
)
from services.loader.rejects.packed import BlockReader, PackedBytes, SpoolFull
from services.loader.rejects.rejected_row import RejectedRecord

_COPY = (
    "COPY adsp.failed_rows (job_id, chunk_number, line_number, byte_offset, raw,"
    " record_bytes, stage, error_code, column_name, sqlstate, message) FROM STDIN (FORMAT binary)"
)
_CODECS = [UUID_BYTES, INTEGER, BIGINT, BIGINT, BYTES, BIGINT, TEXT, TEXT, TEXT, TEXT, TEXT]
_COPY_BYTES = 1 << 20
FAILED_ROWS = pl.Schema(
    {
        "line_number": pl.Int64,
        "byte_offset": pl.Int64,
        "raw": pl.Binary,
        "error_code": pl.String,
        "column_name": pl.String,
        "sqlstate": pl.String,
        "message": pl.String,
        "record_bytes": pl.Int64,
    }
)
"""Failed rows by column, with the names of `RejectedRecord`."""


def by_columns(rows: Iterable[RejectedRecord]) -> pl.DataFrame:
    """Return failed rows by column."""
    cells = [[getattr(row, name) for name in FAILED_ROWS] for row in rows]
    return pl.DataFrame(cells, schema=FAILED_ROWS, orient="row")


class RejectSpool:
    """Failed rows of one chunk, in file order; they survive a rollback of the load.

    `by_file` is their number in each file of a delivery of several.
    """

    def __init__(
        self, job_id: UUID, chunk_number: int, memory_bytes: int, folder: Path | None = None
    ) -> None:
        """Start empty; beyond `memory_bytes`, compressed, the rows go to a file without a name in `folder`."""
        self._place = (
            pl.lit(job_id.bytes).alias("job_id"),
            pl.lit(chunk_number, pl.Int32).alias("chunk_number"),
        )
        self._rows = PackedBytes(folder, memory_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rejects")
        self._under_way: Future[None] | None = None
        self.count = 0
        self.by_file = Counter[int]()

    def forget(self) -> None:
        """Drop all failed rows."""
        self._end()
        self._rows.clear()
        self.count = 0
        self.by_file = Counter[int]()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Drop all failed rows and their file."""
        self._thread.shutdown(wait=True)
        self._rows.close()

    def add(self, rows: pl.DataFrame) -> None:
        """Add failed rows by column.

        Raises `SpoolFull` when there was no more room for those before; all are kept and counted all the same.
        """
        if rows.is_empty():
            return
        before, self._under_way = self._under_way, self._thread.submit(self._append, rows)
        self.count += rows.height
        # Records that are put together stand in one file.
        self.by_file[from_place(rows["byte_offset"][0])[0]] += rows.height
        if before is not None:
            before.result()  # so that no more than one block waits

    def settle(self) -> None:
        """Wait until all that was added is kept; raises `SpoolFull` when there was no more room."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def write(self, cursor: Cursor) -> None:
        """Copy all of them into the ledger, as part of the cursor's transaction."""
        self._end()
        blocks = chain([HEADER], self._rows.blocks(), [TRAILER])
        file = io.BufferedReader(BlockReader(blocks), _COPY_BYTES)
        cursor.copy_expert(_COPY, file, size=_COPY_BYTES)
        if cursor.rowcount != self.count:
            raise RuntimeError(f"{self.count} failed rows were sent, {cursor.rowcount} arrived")

    def _end(self) -> None:
        """Wait for the thread; what finds no room is kept all the same."""
        with suppress(SpoolFull):
            self.settle()

    def _append(self, rows: pl.DataFrame) -> None:
        """Encode failed rows and keep them; a message is cut, and cannot be stored with a NUL."""
        stage = pl.col("error_code").replace_strict(STAGE_OF, return_dtype=pl.String)
        message = pl.col("message").str.replace_all("\0", "", literal=True)
        # Postgres repeats a value of any size in its messages.
        if rows["message"].str.len_bytes().max() > MESSAGE_LIMIT:  # type: ignore[operator]
            message = message.map_elements(cut_message, return_dtype=pl.String)
        complete = rows.select(
            *self._place,
            "line_number",
            "byte_offset",
            "raw",
            "record_bytes",
            stage.alias("stage"),
            "error_code",
            "column_name",
            "sqlstate",
            message,
        )
        self._rows.append(encode_tuples(complete, _CODECS))
