"""Make tables: ``POST /v1/tables``, in schemas that the operator has allowed."""

from collections.abc import Sequence
from typing import Literal

from fastapi import APIRouter
from psycopg2 import ProgrammingError, errors
from psycopg2.extensions import connection as Connection  # a class in lower case
from pydantic import BaseModel, Field

from libs.common.datasets.definition import TABLE_PATTERN
from libs.common.enums import AuditAction
from libs.common.errors import Conflict
from libs.common.ledger.audit import record_audit
from libs.common.strict_model import StrictModel
from services.api.dependencies import Wired
from services.api.errors.problems import ProblemError
from services.api.inspection.column_types import TYPES
from services.api.inspection.inspect_file import driver_of
from services.api.inspection.proposal import table_ddl
from services.api.responses import problems
from services.api.security.caller import Administrator

router = APIRouter(tags=["datasets"])


class TableColumn(StrictModel):
    """A column to make."""

    name: str = Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")
    type: Literal[TYPES]  # type: ignore[valid-type]


class TableCreation(StrictModel):
    """A table to make."""

    table: str = Field(pattern=TABLE_PATTERN)
    columns: list[TableColumn] = Field(min_length=1, max_length=1600)


class TableDocument(BaseModel):
    """A table that was made."""

    table: str
    ddl: list[str] = Field(description="What was run.")


@router.post(
    "/v1/tables",
    status_code=201,
    operation_id="createTable",
    summary="Make a table for a dataset",
    responses=problems(400, 403, 409, 413, 415, 422, 503),
)
def create_table(dependencies: Wired, caller: Administrator, body: TableCreation) -> TableDocument:
    """Make a table of the types that POST /v1/inspect proposes, in a schema that the operator has allowed.

    The api's role owns it then.
    """
    schema = body.table.partition(".")[0]
    with dependencies.sessions.begin() as session:
        columns = [(column.name, column.type) for column in body.columns]
        ddl = table_ddl(driver_of(session), body.table, columns)
        if schema not in dependencies.settings.create_tables_in:
            raise ProblemError(
                403,
                "table-creation-off",
                f"the api may not make tables in {schema}: add it to ADSP_CREATE_TABLES_IN and GRANT CREATE to "
                f"the api's role there, or run this as the owner of the schema: {'; '.join(ddl)}",
            )
        _run(driver_of(session), ddl)
        record_audit(session, caller.actor, AuditAction.TABLE_CREATE, f"table/{body.table}")
    return TableDocument(table=body.table, ddl=ddl)


def _run(connection: Connection, ddl: Sequence[str]) -> None:
    """Run the statements, or raise `Conflict` with what Postgres says of them."""
    try:
        with connection.cursor() as cursor:
            for statement in ddl:
                cursor.execute(statement)
    except errors.DuplicateTable as exc:
        raise Conflict("table-exists", f"{exc.diag.message_primary}; choose another name") from exc
    except ProgrammingError as exc:
        said = (exc.diag.message_primary or str(exc)).strip()
        raise Conflict(
            "table-not-permitted",
            f"Postgres made no table: {said}; GRANT CREATE and USAGE on its schema to the api's role, or run this as "
            f"the owner of the schema: {'; '.join(ddl)}",
        ) from exc
