"""Take the forms of the console: their fields, once it is sure that one of its own pages has sent them."""

import hmac
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError, model_validator

from services.api.errors.problems import ProblemError
from services.api.media_type import media_type
from services.api.web.pages import caller_of

Model = TypeVar("Model", bound=BaseModel)

FIELD, HEADER = "csrf", "X-CSRF-Token"
_TYPE = "application/x-www-form-urlencoded"
_MOST_FIELDS = 1000


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form, without the token; raise the problem for one that no page of ours has sent."""
    if media_type(request) != _TYPE:
        raise ProblemError(415, "unsupported-media-type", f"send the form as {_TYPE}")
    try:
        text = (await request.body()).decode()
        fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as exc:
        raise ProblemError(400, "malformed-request", f"the form cannot be read: {exc}") from exc
    require_token(request, fields.pop(FIELD, ""))
    return fields


async def require_script(request: Request) -> None:
    """Take what a script of a page sends and is no form: its token is in a header."""
    require_token(request, request.headers.get(HEADER, ""))


def require_token(request: Request, sent: str) -> None:
    """Raise the problem unless the token of a form is the session's; without keys there is none to compare."""
    session = caller_of(request.scope.get("state", {})).session
    if session is not None and not hmac.compare_digest(sent.encode(), session.csrf.encode()):
        raise ProblemError(
            403,
            "request-forged",
            "this form is not of the session that you are signed in with; load its page again and send it from there",
        )


Form = Annotated[Mapping[str, str], Depends(read_form)]
"""What each POST of the console takes."""


def see_other(path: str) -> RedirectResponse:
    """Lead the browser to what came of its form."""
    return RedirectResponse(path, 303)


def parsed_form(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """Return what the fields of a form say, or raise what a request of it would be answered with."""
    try:
        return model.model_validate(fields)
    except ValidationError as exc:
        raise RequestValidationError(
            [{**error, "loc": ("form", *error["loc"])} for error in exc.errors()]
        ) from exc


def _drop_empty(given: Any) -> Any:
    fields = given.model_dump(exclude_unset=True) if isinstance(given, BaseModel) else given
    if not isinstance(fields, Mapping):
        return fields
    return {name: value for name, value in fields.items() if value != ""}


without_empty = model_validator(mode="before")(_drop_empty)
"""What a query that a form sends takes as a validator: an empty field is none."""
