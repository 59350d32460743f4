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
from typing import Self
from uuid import UUID

from psycopg2.extensions import cursor as Cursor

from libs.common.csv.places import from_place
from libs.common.enums import ErrorCode
from libs.common.postgres.copy.row_forms import HEADER, TRAILER
from services.loader.rejects.columns import COLUMNS, RejectedRows, tuple_head
from services.loader.rejects.masks import RejectMask
from services.loader.rejects.packed import BlockReader, PackedBytes, SpoolFull

_COPY = f"COPY adsp.failed_rows ({COLUMNS}) FROM STDIN (FORMAT binary)"
_COPY_BYTES = 1 << 20


class RejectSpool:
    """Failed rows of one chunk, block by block in file order; they survive a rollback of the load.

    `mask`, once it is set, keeps masked values out of what is added. `by_file` is their number in each file of a
    delivery of several, `by_code` that of each error code.
    """

    def __init__(
        self, job_id: UUID, chunk_number: int, memory_bytes: int, folder: Path | None = None
    ) -> None:
        """Start empty; beyond `memory_bytes`, compressed, the rows go to a file without a name in `folder`."""
        self.mask: RejectMask | None = None
        self._head = tuple_head(job_id.bytes, chunk_number)
        self._rows = PackedBytes(folder, memory_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rejects")
        self._under_way: Future[None] | None = None
        self._count_none()

    def forget(self) -> None:
        """Drop all failed rows."""
        self._end()
        self._rows.clear()
        self._count_none()

    def _count_none(self) -> None:
        self.count = 0
        self.by_file = Counter[int]()
        self.by_code = Counter[ErrorCode]()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Drop all failed rows and their file."""
        self._thread.shutdown(wait=True)
        self._rows.close()

    def add(self, parts: Iterable[RejectedRows]) -> None:
        """Add failed rows of a block, all of one file.

        Raises `SpoolFull` when there was no more room for those before; all are kept and counted all the same.
        """
        given = [rows for rows in parts if len(rows)]
        if not given:
            return
        before, self._under_way = self._under_way, self._thread.submit(self._append, given)
        count = sum(map(len, given))
        self.count += count
        self.by_file[from_place(int(given[0].byte_offsets[0]))[0]] += count
        for rows in given:
            self.by_code.update(rows.count_codes())
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

    def _append(self, parts: Iterable[RejectedRows]) -> None:
        """Encode failed rows and keep them."""
        if self.mask is not None:
            parts = list(map(self.mask.apply, parts))
        self._rows.append(b"".join([rows.encode(self._head) for rows in parts]))
