"""Write records again with a marker in place of the masked cells.

    raw ──cut──► cells as they are stored ──► the masked ones: a marker, in quotes where they were ──► raw
            └── it cannot be cut: None, nothing of it may be kept

Empty cells and texts that stand for NULL stay: they say nothing that the definition does not.
"""

import json
from collections.abc import Collection, Sequence
from contextlib import suppress

from libs.common.csv.cells import CellSplitter
from libs.common.csv.dialect import FileFormat
from libs.common.csv.json_lines import JsonLineError, members_of
from libs.common.csv.mask_markers import choose_marker
from libs.common.csv.utf16 import UTF_16, with_byte_order


class RecordMask:
    """Masks cells of the records of one file, by their place (from 0)."""

    def __init__(self, dialect: FileFormat, names: Sequence[str], masked: Collection[int]) -> None:
        """Mask the cells in these places of a header with these names."""
        self._dialect = dialect
        self._names = {name: place for place, name in enumerate(names)}
        self._width = len(names)
        self._masked = frozenset(masked)
        self._marker = choose_marker(dialect)
        self._cells = CellSplitter(dialect)
        self._delimiter = dialect.delimiter.encode()
        self._quote = (dialect.quote or "").encode()
        self._kept = {b"", self._quote * 2, b"\\N", *_encode(dialect)}

    def apply(self, raw: bytes) -> bytes | None:
        """Return the record with its masked cells replaced, None where it cannot be cut into cells."""
        if self._marker is None:
            return None
        if self._dialect.encoding not in UTF_16:
            return self._mask(raw)
        encoding = with_byte_order(self._dialect.encoding, b"")
        try:
            masked = self._mask(raw.decode(encoding).encode())
        except UnicodeError:
            return None
        return None if masked is None else masked.decode().encode(encoding)

    def _mask(self, raw: bytes) -> bytes | None:
        return self._mask_object(raw) if self._dialect.type == "jsonl" else self._mask_cells(raw)

    def _mask_cells(self, raw: bytes) -> bytes | None:
        cells = self._cells.cut(raw)
        width = len(cells) - (self._dialect.trailing_delimiter and len(cells) > 1 and not cells[-1])
        if width != self._width or self._delimiter.join(cells) != raw:
            return None
        for place in self._masked:
            cells[place] = self._mask_cell(cells[place])
        return self._delimiter.join(cells)

    def _mask_cell(self, cell: bytes) -> bytes:
        marker = (self._marker or "").encode()
        if cell in self._kept:
            return cell
        return self._quote + marker + self._quote if cell.startswith(self._quote) else marker

    def _mask_object(self, raw: bytes) -> bytes | None:
        """Mask members of an object; a key that comes twice is masked twice."""
        try:
            members = list(members_of(raw.decode(self._dialect.text_encoding)))
        except (UnicodeError, JsonLineError):
            return None
        if any(key not in self._names for key, _, _ in members):
            return None
        shown = [(key, self._shown(key, stored)) for key, _, stored in members]
        if shown == [(key, stored) for key, _, stored in members]:
            return raw
        text = ", ".join(f"{json.dumps(key)}: {value}" for key, value in shown)
        return f"{{{text}}}".encode(self._dialect.text_encoding)

    def _shown(self, key: str, stored: str) -> str:
        is_shown = self._names[key] not in self._masked or stored in {"null", '""'}
        return stored if is_shown else f'"{self._marker}"'


def _encode(dialect: FileFormat) -> list[bytes]:
    """Return the texts for NULL as they stand in a file."""
    found = []
    for text in dialect.null_texts:
        with suppress(UnicodeEncodeError):
            found.append(text.encode(dialect.text_encoding))
    return found
