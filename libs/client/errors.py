"""Define what the client raises.

ClientError
├── ApiUnreachable      no answer: no connection, or it broke
├── UnexpectedAnswer    an answer that is not the api's
├── StoreRefused        the store to which a file is sent directly did not take it
├── JobTooSlow          a job was not over when its waiter gave up
└── RefusedRequest      the api answered with a problem (RFC 9457): `status`, `code`, `detail`, `errors`
├── Unauthorized    401, no key or an unknown one
├── Forbidden       403, the key lacks a scope
├── NotFound        404
├── Conflict        409, 412: as things are now, it cannot be done
├── InvalidRequest  other 4xx
├── TooManyRequests 429
└── ServerFault     5xx
"""

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ClientError(Exception):
    """What goes wrong between the client and the api."""


class ApiUnreachable(ClientError):
    """The api gives no answer; whether it took the request is unknown."""


class UnexpectedAnswer(ClientError):
    """The answer is not one that the api gives: something else listens there, or it has another version."""


class StoreRefused(ClientError):
    """The bucket that a file was sent to has not taken it, or gives no answer."""


class JobTooSlow(ClientError):
    """A job was not over when its waiter had to give up; the job itself goes on."""


class FieldError(BaseModel):
    """One thing wrong with a request: where, what, and the stable name of the rule."""

    model_config = ConfigDict(frozen=True)

    location: str
    message: str
    code: str


class Problem(BaseModel):
    """The body of a refusal (RFC 9457), as far as the client uses it."""

    model_config = ConfigDict(frozen=True)

    code: str
    detail: str
    errors: list[FieldError] = Field(default_factory=list)
    request_id: str | None = None


class RefusedRequest(ClientError):
    """The api answered with a problem: its status, its stable code, and how to fix it."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(f"{status} {problem.code}: {problem.detail}")
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """Return the stable name of the problem, such as ``dataset-unknown``."""
        return self.problem.code

    @property
    def detail(self) -> str:
        """Return what is wrong and how to fix it."""
        return self.problem.detail


class Unauthorized(RefusedRequest):
    """There is no API key, or it is unknown or revoked."""


class Forbidden(RefusedRequest):
    """The key lacks the scope, or its owner has no room for more files."""


class NotFound(RefusedRequest):
    """It is not there, or belongs to another owner."""


class Conflict(RefusedRequest):
    """As things are now it cannot be done."""


class InvalidRequest(RefusedRequest):
    """Something in the request is wrong."""


class TooManyRequests(RefusedRequest):
    """A limit of the key or its owner is reached."""


class ServerFault(RefusedRequest):
    """The api failed, or a server that it needs is away."""


_KINDS: dict[int, type[RefusedRequest]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: TooManyRequests,
}


def refusal_of(response: httpx.Response) -> ClientError:
    """Return the error that an answer of 400 or more stands for; a proxy's own has not the api's form."""
    try:
        problem = Problem.model_validate_json(response.read())
    except ValidationError:
        return UnexpectedAnswer(
            f"{response.request.url} answered {response.status_code} without the api's form of errors; "
            "check that the address is that of ADSP's api"
        )
    status = response.status_code
    return _KINDS.get(status, ServerFault if status >= 500 else InvalidRequest)(status, problem)
