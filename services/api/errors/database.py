"""Turn errors of Postgres into problems: a value is the caller's fault, everything else is a 503.

SQLAlchemy's errors come here and the driver's own, since `libs.common.postgres.catalog` reads through
psycopg2 itself. What is a defect of the api stays an exception and ends in `request_log`.
"""

import psycopg2
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from libs.common.logs import get_logger
from services.api.errors.problems import RETRY_SECONDS, problem_response

log = get_logger(__name__)

AWAY = (
    "database-away",
    "Postgres does not answer the api; try again shortly, GET /readyz tells when it is back",
)
_NOT_MIGRATED = (
    "database-not-migrated",
    "the ledger is missing or of another version; run the migrations (./dev db.migrate)",
)
ANSWERS: dict[str, tuple[str, str]] = {
    "55P03": (
        "database-busy",
        "another session has locked what this request needs, for longer than a request waits; try again shortly",
    ),
    "57014": (
        "database-slow",
        "Postgres needs longer for this than a request waits; ask for less, or try again when less is going on",
    ),
    "25006": (
        "database-read-only",
        "Postgres takes no changes (a standby?); point ADSP_DATABASE_URL at the primary",
    ),
    "3F000": _NOT_MIGRATED,
    "42P01": _NOT_MIGRATED,
    "42703": _NOT_MIGRATED,
    "42501": (
        "database-not-permitted",
        "the role in ADSP_DATABASE_URL lacks a privilege; use adsp_api, whom migrations grant all",
    ),
}
"""Code and detail of what Postgres refuses, by its SQLSTATE; all other outages are `AWAY`."""


def install_database_handlers(app: FastAPI) -> None:
    """Make an error of Postgres in any request a problem, never a bare 500."""
    for error in (DBAPIError, PoolTimeoutError, psycopg2.Error):
        app.exception_handler(error)(answer_database_error)


async def answer_database_error(request: Request, exc: Exception) -> JSONResponse:
    """Answer with the problem for an error of Postgres, or raise it when it is a defect of the api."""
    error = exc.orig if isinstance(exc, DBAPIError) else exc
    path = request.scope["path"]
    if isinstance(error, psycopg2.DataError):
        log.info("invalid_value", error=type(error).__name__)
        detail = (
            "a value cannot be stored by Postgres, such as text with a NUL character; correct it"
        )
        return problem_response(path, 422, "value-not-storable", detail)
    sqlstate = getattr(error, "pgcode", None)
    if sqlstate not in ANSWERS and not _is_outage(error, sqlstate):
        raise exc
    code, detail = ANSWERS.get(str(sqlstate), AWAY)
    log.warning(
        "database_not_usable",
        code=code,
        error=type(error).__name__,
        detail=str(error).partition("\n")[0],
    )
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return problem_response(path, 503, code, detail, headers=headers)


def _is_outage(error: BaseException | None, sqlstate: str | None) -> bool:
    """Return whether the server or the way to it failed, not a statement of the api."""
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError | PoolTimeoutError):
        return True
    # libpq's own word for a broken stream has no SQLSTATE and no class of its own.
    return sqlstate is None and type(error) is psycopg2.DatabaseError
