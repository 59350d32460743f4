"""Make the values of a row from the cells of a record: left out, converted, collected, added.

    records ──RecordShape.apply──► records with a value for each column of the load, in its order
                 └── a cell that cannot be converted ──► a fault of the record (`conversion-error`)

Without anything declared records pass as they are.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from libs.common.csv import parse_errors
from libs.common.csv.block import Block
from libs.common.csv.cells import Cells
from libs.common.csv.records import Record, RecordSplitter
from libs.common.csv.skipped_records import Skip, SkippedRecords
from libs.common.postgres.header_mapping import MatchedHeader
from services.loader.cells.added_values import AddedValues
from services.loader.cells.conversion import CellConverter, Unreadable


class RecordShape:
    """What a load makes of the cells of its records."""

    def __init__(
        self, header: MatchedHeader, converters: Mapping[int, CellConverter], added: AddedValues
    ) -> None:
        """Convert the values of columns (from 0) by `converters`."""
        self.header = header
        self.added = added
        self.converters = converters
        self.is_plain = header.is_plain and not converters
        self._names = [column.name for column in header.columns]

    def apply(self, record: Record) -> Record:
        """Return the record with the values of its row as cells, or with a fault."""
        if record.fault is not None or self.is_plain:
            return record
        header = self.header
        cells = [record.cells[place] for place in header.places]
        for column, converter in self.converters.items():
            cell = cells[column]
            if cell is None:
                continue
            made = converter.convert(cell.decode())
            if isinstance(made, Unreadable):
                fault = parse_errors.unconverted(made.message, self._names[column])
                return record._replace(cells=[], fault=fault)
            cells[column] = None if made is None else made.encode()
        if header.rescued:
            cells.append(_collect(record.cells, header.rescued))
        if header.added:
            cells += self.added.of_record(record)
        return record._replace(cells=cells, is_changed=True)


class Splitter(Protocol):
    """What cuts blocks into records; `skipped` counts what was read and is none, by the rules of `skips`."""

    @property
    def skips(self) -> SkippedRecords:
        """Return how records are found that are none."""
        ...

    @property
    def skipped(self) -> Counter[Skip]:
        """Return how many were found."""
        ...

    def split(self, block: Block) -> list[Record]:
        """Return the records of a block in file order."""
        ...


class ShapingSplitter:
    """Cut blocks into records whose cells are the values of their rows."""

    def __init__(self, splitter: RecordSplitter, shape: RecordShape) -> None:
        """Shape what `splitter` cuts."""
        self._splitter = splitter
        self._shape = shape
        self.skips = splitter.skips
        self.skipped = splitter.skipped

    def split(self, block: Block) -> list[Record]:
        """Return the records of a block in file order."""
        records = self._splitter.split(block)
        if self._shape.is_plain:
            return records
        return [self._shape.apply(record) for record in records]


def _collect(cells: Cells, named: Sequence[tuple[int, str]]) -> bytes:
    """Return cells as the document of the rescue column."""
    found = {name: cells[place] for place, name in named}
    texts = {name: None if cell is None else cell.decode() for name, cell in found.items()}
    return json.dumps(texts, ensure_ascii=False).encode()
