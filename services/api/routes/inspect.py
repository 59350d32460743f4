"""Say what a file is before it is loaded: ``POST /v1/inspect``."""

from itertools import islice
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from libs.common.datasets.definition import TABLE_PATTERN
from libs.common.errors import BadInput
from libs.common.postgres.catalog import read_table
from libs.common.postgres.target_table import TargetColumn
from libs.common.sources.stream import SourceLimits
from libs.common.strict_model import StrictModel
from services.api.dependencies import Dependencies, Wired
from services.api.errors.problems import ProblemError
from services.api.inspection.dialects import texts
from services.api.inspection.inspect_file import (
    Inspection,
    Reject,
    driver_of,
    format_of,
    inspect,
)
from services.api.inspection.names import dataset_name, table_name
from services.api.inspection.proposal import Proposal, propose
from services.api.inspection.sample import read_sample
from services.api.limits.body_limit import TAKES_FILE
from services.api.responses import problems
from services.api.schemas import render_raw
from services.api.security.caller import Caller, Reader
from services.api.uploads.receive import (
    empty_body,
    receive_file,
    refuse_declared_size,
    refuse_form,
)
from services.api.uploads.upload_area import StoredUpload, safe_filename

router = APIRouter(tags=["datasets"])

MOST_BYTES = 16 << 20
_MOST_ROWS = 100
_MOST_SHOWN = 200
_EXAMPLES = 3


class InspectQuery(StrictModel):
    """What is said about the file."""

    filename: str = Field("upload.csv", max_length=1024, description="Its name.")
    table: str | None = Field(
        None,
        pattern=TABLE_PATTERN,
        description="Table that it is for: if it exists, the header is mapped to it; else it is proposed.",
    )
    is_part: bool = Field(
        default=False, description="The body is only the start of the file: its end may be cut."
    )


class InspectedColumn(BaseModel):
    """A column of the file."""

    cell: str = Field(description="Its cell in the header.")
    column: str | None = Field(description="Of the table; null: none is like it, it is left out.")
    type: str
    examples: list[str | None]


class InspectedReject(BaseModel):
    """A record that would be refused."""

    line_number: int
    error_code: str
    column: str | None
    sqlstate: str | None
    message: str
    raw: str

    @classmethod
    def of(cls, reject: Reject, encoding: str) -> Self:
        """Show a record of a file in this encoding."""
        shown = {name: getattr(reject, name) for name in cls.model_fields if name != "raw"}
        raw = render_raw(reject.record.raw[: 4 * _MOST_SHOWN], encoding)[0]
        return cls(**shown, raw=raw)


class InspectDocument(BaseModel):
    """What a file is, and the table and dataset that it could have."""

    filename: str
    compression: str
    is_part: bool = Field(description="Only the start of the file was examined.")
    records: int = Field(description="So many records were examined.")
    format: dict[str, Any] = Field(description="What of its format is not the default.")
    columns: list[InspectedColumn]
    table: str
    table_exists: bool
    ddl: list[str] = Field(description="Statements that make the table; none where it exists.")
    can_create: bool = Field(
        description="Whether POST /v1/tables may make it: its schema is allowed."
    )
    name: str = Field(description="A name for the dataset.")
    definition: dict[str, Any] = Field(description="A body for PUT /v1/datasets/{name}.")
    rejected: int = Field(description="So many of the records would be refused.")
    rejects: list[InspectedReject] = Field(description="The first of them.")
    rows: list[list[str | None]] = Field(description="The cells of the first records.")
    notes: list[str] = Field(description="What should be decided by a person.")


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"The file, plain or compressed, or its start: {MOST_BYTES >> 20} MiB at most.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/v1/inspect",
    operation_id="inspectFile",
    summary="Say what a file is, and propose a table and a dataset for it",
    responses=problems(408, 413, 415, 422, 503, 507),
    dependencies=[TAKES_FILE],
    openapi_extra=_BODY,
)
async def inspect_file(
    request: Request, dependencies: Wired, caller: Reader, asked: Annotated[InspectQuery, Query()]
) -> InspectDocument:
    """Find dialect, header and types of a file; nothing of it is kept. The key may read all datasets."""
    caller.require_all()
    return await inspect_body(request, dependencies, caller, asked)


async def inspect_body(
    request: Request, dependencies: Dependencies, caller: Caller, asked: InspectQuery
) -> InspectDocument:
    """Return what the body of a request is."""
    refuse_form(request)
    refuse_declared_size(request, MOST_BYTES)
    stored = await receive_file(request, dependencies, safe_filename(asked.filename), caller.owner)
    if stored is None:
        raise empty_body()
    try:
        return await run_in_threadpool(inspect_stored, dependencies, stored, asked)
    finally:
        stored.discard()


def inspect_stored(
    dependencies: Dependencies, stored: StoredUpload, asked: InspectQuery
) -> InspectDocument:
    """Return what a file in the upload area is."""
    if stored.size > MOST_BYTES:
        raise ProblemError(
            413,
            "upload-too-large",
            f"{MOST_BYTES >> 20} MiB are enough to tell what a file is; send its start, with is_part=true",
        )
    limits = SourceLimits.from_settings(dependencies.settings)
    sample = read_sample(stored.path, limits, is_part=asked.is_part)
    table = asked.table or f"public.{table_name(asked.filename)}"
    with dependencies.sessions() as session:
        driver = driver_of(session)
        target = _columns_of(session, table)
        found = inspect(session, sample, target)
        proposal = propose(driver, found, table, asked.filename)
    can_create = table.partition(".")[0] in dependencies.settings.create_tables_in
    return InspectDocument(
        filename=asked.filename,
        compression=sample.compression,
        is_part=found.is_part,
        records=len(found.records),
        format=format_of(found),
        columns=_columns(found, proposal),
        table=table,
        table_exists=target is not None,
        ddl=proposal.ddl,
        can_create=can_create and target is None,
        name=dataset_name(table),
        definition=proposal.definition,
        rejected=found.rejected,
        rejects=[InspectedReject.of(reject, found.format.encoding) for reject in found.rejects],
        rows=[[_cut(cell) for cell in cells] for cells in _cells(found, _MOST_ROWS)],
        notes=found.notes,
    )


def _columns_of(session: Session, table: str) -> list[TargetColumn] | None:
    """Return the columns of a table that can be filled, None where it is not there."""
    try:
        return [
            each for each in read_table(driver_of(session), table).columns if not each.is_generated
        ]
    except BadInput as exc:
        if exc.code == "table-missing":
            return None
        raise


def _columns(found: Inspection, proposal: Proposal) -> list[InspectedColumn]:
    first = _cells(found, _EXAMPLES)
    return [
        InspectedColumn(
            cell=column.cell,
            column=column.name,
            type=column.type,
            examples=[_cut(cells[place]) for cells in first],
        )
        for place, column in enumerate(proposal.columns)
    ]


def _cells(found: Inspection, most: int) -> list[list[str | None]]:
    """Return the cells of the first records that are well-formed."""
    sound = (texts(record) for record in found.records if record.fault is None)
    return list(islice(sound, most))


def _cut(cell: str | None) -> str | None:
    return cell if cell is None or len(cell) <= _MOST_SHOWN else cell[:_MOST_SHOWN] + "…"
