"""Inspect a file: its dialect, its header, the types of its columns, and what a load of it would refuse.

    sample ──► format ──► header and records, by the reader of loads ──► types, by Postgres ──► proposal

For a table that exists its own types are asked about, and the header is mapped to its columns.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from psycopg2.extensions import connection as Connection  # a class in lower case
from sqlalchemy import text
from sqlalchemy.orm import Session

from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import Framer
from libs.common.csv.header import Header, read_header, with_names
from libs.common.csv.records import Record, RecordSplitter
from libs.common.csv.text import Text
from libs.common.enums import DateOrder
from libs.common.errors import BadInput
from libs.common.postgres.target_table import TargetColumn
from services.api.inspection.column_types import (
    ColumnGuess,
    ask_refusals,
    guess_columns,
    guess_date_order,
)
from services.api.inspection.dialects import guess_format, texts
from services.api.inspection.names import plain_name, twice
from services.api.inspection.sample import Sample

MOST_RECORDS = 10_000
MOST_REJECTS = 20
_TIMEOUT = "10s"


@dataclass(frozen=True)
class Reject:
    """A record of the sample that would be refused, and why."""

    line_number: int
    error_code: str
    column: str | None
    sqlstate: str | None
    message: str
    record: Record


@dataclass
class Inspection:
    """What a file is."""

    format: FileFormat
    header: Sequence[str]
    records: Sequence[Record]
    is_part: bool = False
    """Whether there are records that were not examined."""
    date_order: DateOrder | None = None
    columns: list[ColumnGuess] = field(default_factory=list)
    mapping: list[str | None] = field(default_factory=list)
    """Of a table that exists: the column of each header cell, None where there is none."""
    rejects: list[Reject] = field(default_factory=list)
    rejected: int = 0
    notes: list[str] = field(default_factory=list)


def inspect(session: Session, sample: Sample, table: Sequence[TargetColumn] | None) -> Inspection:
    """Return what the sample is, and how it fits the table if there is one."""
    session.execute(text(f"SET LOCAL statement_timeout TO '{_TIMEOUT}'"))
    dialect = guess_format(sample.plain)
    dialect, header, records = _read(sample, dialect)
    is_part = sample.is_part or len(records) == MOST_RECORDS
    found = Inspection(dialect, header.cells, records, is_part)
    _note_rejects(found)
    cells = _different_cells(found)
    _note_dates(found, cells)
    if table is None:
        found.columns = guess_columns(session, cells, found.date_order)
    else:
        _judge_by_table(session, found, cells, table)
    return found


def _read(sample: Sample, dialect: FileFormat) -> tuple[FileFormat, Header, list[Record]]:
    """Read header and records as a load does; what may be cut at the sample's end is left out."""
    plain = io.BytesIO(sample.plain)
    header = read_header(plain, dialect)
    repeated = twice(header.cells)
    if repeated or "" in header.cells:
        dialect = _with_other_names(dialect, header)
        plain.seek(0)
        header = read_header(plain, dialect)
    named = with_names(dialect, header.cells).model_copy(update={"encoding": header.encoding})
    plain.seek(header.byte_end)
    framer = Framer(
        Text(plain, header.encoding, start=header.byte_end),
        named,
        first_line=header.next_line,
        cr_ends_records=header.cr_ends_records,
    )
    splitter = RecordSplitter(named, width=len(header.cells))
    every = (record for block in framer.blocks() for record in splitter.split(block))
    records = list(islice(every, MOST_RECORDS + 1))
    if len(records) > MOST_RECORDS or (sample.is_part and len(records) > 1):
        records.pop()
    return dialect, header, records


def _with_other_names(dialect: FileFormat, header: Header) -> FileFormat:
    """Pass a header with nameless or repeated cells, and name its columns."""
    names: list[str] = []
    for number, cell in enumerate(header.cells, 1):
        name = cell or f"column_{number}"
        names.append(name if name not in names else f"{name}_{number}")
    passed = {"lines": 0, "names": names, "skip_before": header.next_line - 1}
    return FileFormat.model_validate({**dialect.model_dump(), "header": passed})


def _note_rejects(found: Inspection) -> None:
    for record in found.records:
        if record.fault is not None:
            fault = record.fault
            _add(found, Reject(record.line_number, fault.code, None, None, fault.message, record))


def _add(found: Inspection, reject: Reject) -> None:
    found.rejected += 1
    if len(found.rejects) < MOST_REJECTS:
        found.rejects.append(reject)


def _different_cells(found: Inspection) -> list[dict[str, Record]]:
    """Return the different cells of each column, with the first record of each."""
    cells: list[dict[str, Record]] = [{} for _ in found.header]
    for record in found.records:
        if record.fault is None:
            for place, cell in enumerate(texts(record)):
                if cell is not None:
                    cells[place].setdefault(cell, record)
    return cells


def _note_dates(found: Inspection, cells: Sequence[Mapping[str, Record]]) -> None:
    orders, ambiguous = {}, []
    for name, column in zip(found.header, cells, strict=True):
        order, is_ambiguous = guess_date_order(column)
        if order is not None:
            orders[name] = order
        if is_ambiguous:
            ambiguous.append(name)
    found.date_order = next(iter(orders.values()), None)
    if len(set(orders.values())) > 1:
        said = ", ".join(f"{name} {order.value}" for name, order in orders.items())
        found.notes.append(
            f"dates are written in different orders ({said}): a dataset has one `date_order`; declare the others by "
            "`convert` with `date_format`"
        )
    if ambiguous and found.date_order is None:
        found.notes.append(
            f"no date of {', '.join(ambiguous)} tells the day from the month, so they are read month first; set "
            "`date_order` if the day comes first"
        )


def _judge_by_table(
    session: Session,
    found: Inspection,
    cells: Sequence[Mapping[str, Record]],
    table: Sequence[TargetColumn],
) -> None:
    """Map the header to the table, and have Postgres judge the cells by its types."""
    known = {plain_name(column.name): column for column in table}
    exact = {column.name: column for column in table}
    taken: set[str] = set()
    for cell in found.header:
        column = exact.get(cell) or known.get(plain_name(cell))
        name = None if column is None or column.name in taken else column.name
        found.mapping.append(name)
        taken.add(name or "")
    targets = [exact[name] if name else None for name in found.mapping]
    guesses = guess_columns(session, cells, found.date_order)
    found.columns = [
        guess.for_type(column.type if column else "text")
        for guess, column in zip(guesses, targets, strict=True)
    ]
    asked = [
        {"number": number, "type": guess.type, "cells": _read_cells(guess, cells[number])}
        for number, guess in enumerate(found.columns)
        if targets[number] is not None
    ]
    refused = ask_refusals(session, asked, found.date_order, MOST_RECORDS)
    for record in found.records:
        _judge_record(found, record, targets, refused)


def _read_cells(guess: ColumnGuess, cells: Iterable[str]) -> list[str]:
    return [read for read in map(guess.read, cells) if read is not None]


def _judge_record(
    found: Inspection,
    record: Record,
    targets: Sequence[TargetColumn | None],
    refused: Mapping[tuple[int, str], tuple[str, str]],
) -> None:
    """Note the first reason why the table would not take a record."""
    if record.fault is not None:
        return
    for number, (came, column) in enumerate(zip(texts(record), targets, strict=True)):
        if column is None:
            continue
        cell = None if came is None else found.columns[number].read(came)
        if cell is None and column.is_not_null:
            message = f'null value in column "{column.name}" violates not-null constraint'
            _add(
                found, Reject(record.line_number, "not-null", column.name, "23502", message, record)
            )
            return
        if cell is not None and (number, cell) in refused:
            sqlstate, message = refused[number, cell]
            line = record.line_number
            _add(found, Reject(line, "type-error", column.name, sqlstate, message, record))
            return


def driver_of(session: Session) -> Connection:
    """Return psycopg2's connection of the session's transaction."""
    connection = session.connection().connection.driver_connection
    if connection is None:
        raise BadInput("connection-closed", "the connection was closed; send the request again")
    return cast(Connection, connection)


def format_of(found: Inspection) -> dict[str, Any]:
    """Return what of the format is not its default."""
    return found.format.model_dump(mode="json", exclude_defaults=True)
