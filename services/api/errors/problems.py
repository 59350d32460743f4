"""Turn what goes wrong into ``application/problem+json`` (RFC 9457), the only form of errors.

    BadInput, validation, HTTP errors ──► 4xx (mostly 422) that says how to fix it
    a server that is away             ──► 503 with Retry-After (Postgres: `database`)

Every problem has a stable `code`, also the last part of its `type`, and a `detail` that says how to
fix it.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from libs.common.errors import AdspError, BadInput, Conflict, NotFound
from libs.common.logs import bound_request_id
from services.api.media_type import media_type

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:adsp:problem:"
RETRY_SECONDS = 5
MAX_FIELD_ERRORS = 20

ANSWERS: dict[int, tuple[str, str]] = {
    400: ("malformed-request", "the request could not be read; send well-formed JSON in UTF-8"),
    404: ("path-unknown", "there is nothing at this path; GET /docs shows what there is"),
    405: ("method-not-allowed", "this path does not take this method; the Allow header lists them"),
    413: ("body-too-large", "the body is too large; files go to POST /v1/datasets/{name}/uploads"),
}
"""Code and detail of what the framework refuses, by its status."""


class FieldError(BaseModel):
    """One thing wrong with a request."""

    location: str = Field(description="Where: 'body.dataset', 'query.page_size', 'path.name'.")
    message: str = Field(description="What is wrong there.")
    code: str = Field(description="Stable name of the rule that was broken.")


class Problem(BaseModel):
    """What went wrong and how to fix it (RFC 9457)."""

    type: str = Field(description="Identifies the kind of problem: urn:adsp:problem: and the code.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, and how to fix it.")
    code: str = Field(description="Stable kebab-case name of the problem.")
    instance: str | None = Field(None, description="The path that was asked for.")
    request_id: str | None = Field(None, description="The X-Request-ID to look for in the logs.")
    errors: list[FieldError] | None = Field(
        None, description="The fields that are wrong, at most 20."
    )


class ProblemError(AdspError):
    """A refusal with a status of its own, where `BadInput` says too little."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers


def unavailable(code: str, detail: str) -> ProblemError:
    """Make the 503 for a server that is away, with the time to wait."""
    return ProblemError(503, code, detail, {"Retry-After": str(RETRY_SECONDS)})


def problem_response(
    path: str,
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] | None = None,
) -> JSONResponse:
    """Render a problem."""
    problem = Problem(
        type=f"{TYPE_PREFIX}{code}",
        title=_title(status),
        status=status,
        detail=detail,
        code=code,
        instance=quote(path),
        request_id=bound_request_id(),
        errors=list(errors) if errors else None,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True), status, dict(headers or {}), media_type=MEDIA_TYPE
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem; what no handler knows ends in `request_log`."""
    app.exception_handler(BadInput)(_on_bad_input)
    app.exception_handler(ProblemError)(_on_problem)
    app.exception_handler(RequestValidationError)(_on_invalid_request)
    app.exception_handler(HTTPException)(_on_http_error)


def internal_error(path: str) -> JSONResponse:
    """Render the problem for a defect of the api itself."""
    return problem_response(
        path,
        500,
        "internal-error",
        "the api failed, nothing is wrong with the request; look for its request id in the log",
    )


async def _on_bad_input(request: Request, exc: BadInput) -> JSONResponse:
    return problem_response(request.scope["path"], status_of(exc), exc.code, exc.message)


async def _on_problem(request: Request, exc: ProblemError) -> JSONResponse:
    return problem_response(
        request.scope["path"], exc.status, exc.code, exc.detail, headers=exc.headers
    )


async def _on_invalid_request(request: Request, exc: RequestValidationError) -> JSONResponse:
    found = list(exc.errors())
    path = request.scope["path"]
    if any(error["type"] == "json_invalid" for error in found):
        where, why = found[0]["loc"][-1], found[0]["ctx"]["error"]
        detail = f"the body is not JSON ({why}, at character {where}); correct it"
        return problem_response(path, 400, "malformed-json", detail)
    if _lacks_json_type(request, found):
        detail = "the body must be JSON; send it with 'Content-Type: application/json'"
        return problem_response(path, 415, "unsupported-media-type", detail)
    errors = [_field_error(error) for error in found[:MAX_FIELD_ERRORS]]
    detail = "; ".join(f"{error.location}: {error.message}" for error in errors)
    return problem_response(path, 422, "invalid-request", detail, errors=errors)


async def _on_http_error(request: Request, exc: HTTPException) -> JSONResponse:
    code, detail = ANSWERS.get(exc.status_code, ("http-error", str(exc.detail)))
    return problem_response(
        request.scope["path"], exc.status_code, code, detail, headers=exc.headers
    )


def status_of(exc: BadInput) -> int:
    """Return the status that tells a client what to do about bad input."""
    if isinstance(exc, NotFound):
        return 404
    if isinstance(exc, Conflict) and exc.code != "idempotency-key-reused":
        return 409
    return 422


def _lacks_json_type(request: Request, errors: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a body was not read as JSON because its media type is another."""
    subject = media_type(request)
    is_json = subject == "application/json" or subject.endswith("+json")
    return not is_json and any(
        error["loc"] == ("body",) and error["type"] != "missing" for error in errors
    )


def _field_error(error: Mapping[str, Any]) -> FieldError:
    return FieldError(
        location=".".join(str(part) for part in error["loc"]),
        message=str(error["msg"]).removeprefix("Value error, "),
        code=str(error["type"]).replace("_", "-"),
    )


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
