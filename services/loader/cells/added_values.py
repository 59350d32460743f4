"""Fill the columns that a dataset adds to each row: where it comes from, or a constant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath
from uuid import UUID

from libs.common.csv.places import from_place
from libs.common.csv.records import Record
from libs.common.datasets.column_options import (
    DATA_DATE,
    FILE,
    JOB_ID,
    LINE,
    LOADED_AT,
    constant_of,
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the rows of a load come from; `files` are the paths of its files by number.

    `loaded_at` is the time of its transaction, as Postgres writes it in the zone of the dataset.
    """

    job_id: UUID
    data_date: date
    files: Mapping[int, str]
    loaded_at: str


class AddedValues:
    """The texts of the added columns, in the order in which the dataset names them."""

    def __init__(self, values: Sequence[str], provenance: Provenance) -> None:
        """Take what is the same for all rows."""
        self._values = values
        self.are_lines = [value == LINE for value in values]
        self._files = provenance.files
        self._of_job = {
            JOB_ID: str(provenance.job_id),
            DATA_DATE: provenance.data_date.isoformat(),
            LOADED_AT: provenance.loaded_at,
        }
        self._known: dict[int, tuple[list[bytes], list[int]]] = {}

    def of_file(self, number: int) -> list[str | None]:
        """Return the values of the rows of a file; None for those that differ from row to row."""
        name = PurePath(self._files[number]).name
        same = {**self._of_job, FILE: name}
        return [
            None if value == LINE else same.get(value, constant_of(value)) for value in self._values
        ]

    def of_record(self, record: Record) -> list[bytes]:
        """Return the values of a record's row."""
        number, _ = from_place(record.byte_offset)
        if number not in self._known:
            texts = self.of_file(number)
            lines = [place for place, text in enumerate(texts) if text is None]
            self._known[number] = [(text or "").encode() for text in texts], lines
        values, lines = self._known[number]
        if not lines:
            return values
        _, line = from_place(record.line_number)
        written = b"%d" % line
        return [written if place in lines else value for place, value in enumerate(values)]
