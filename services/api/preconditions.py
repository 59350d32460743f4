"""Tell one state of a resource from another: ``ETag`` in answers, ``If-Match`` in requests (RFC 9110).

Without ``If-Match`` a request goes through whatever has changed since.
"""

import hashlib
import re
from typing import Annotated, Any

from fastapi import Header, Response
from pydantic import BaseModel

from services.api.errors.problems import ProblemError
from services.api.responses import Responses, problems

_TAG = re.compile(r'(?:W/)?"[^"]*"')

IfMatchHeader = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The `ETag` that the dataset was read with: the request is refused with 412 when it "
        "has changed since. `*`: it must be there.",
    ),
]

ETAG: dict[str, Any] = {
    "ETag": {
        "description": "Names this state of the dataset, for `If-Match`.",
        "schema": {"type": "string"},
    }
}
PRECONDITION: Responses = problems(412)


def etag_of(document: BaseModel) -> str:
    """Return the tag of what a document says: any change gives another one."""
    digest = hashlib.sha256(document.model_dump_json().encode()).hexdigest()
    return f'"{digest[:32]}"'


def tag(response: Response, document: BaseModel) -> None:
    """Set the header that names the state of what is answered."""
    response.headers["ETag"] = etag_of(document)


def require_match(if_match: str | None, document: BaseModel | None) -> None:
    """Raise the problem unless the document is what a client last saw of it; None: there is none."""
    if if_match is None:
        return
    current = etag_of(document) if document is not None else None
    if current is not None and (if_match.strip() == "*" or current in _TAG.findall(if_match)):
        return
    state = f"its ETag is now {current}" if current else "it is not there"
    raise ProblemError(
        412,
        "dataset-changed",
        f"the dataset is not what If-Match names: {state}; GET it, make the change on what it is now, and "
        "send that with its ETag",
    )
