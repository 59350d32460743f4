import json

import pytest

from libs.common.errors import BadInput, Conflict, HeaderError, NotFound, SourceError
from services.api.errors.problems import FieldError, internal_error, problem_response, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("job-unknown", "m"), 404),
        (Conflict("state-conflict", "m"), 409),
        (Conflict("idempotency-key-reused", "m"), 422),
        (BadInput("source-not-given", "m"), 422),
        (SourceError("source-missing", "m"), 422),
        (HeaderError("header-malformed", "m"), 422),
    ],
)
def test_bad_input_has_the_status_that_tells_what_to_do(error: BadInput, status: int) -> None:
    assert status_of(error) == status


def test_a_problem_has_every_member_of_rfc_9457() -> None:
    error = FieldError(location="body.dataset", message="m", code="missing")
    answer = problem_response("/v1/jobs", 422, "invalid-request", "cure", errors=[error])

    assert answer.media_type == "application/problem+json"
    assert json.loads(bytes(answer.body)) == {
        "type": "urn:adsp:problem:invalid-request",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "cure",
        "code": "invalid-request",
        "instance": "/v1/jobs",
        "errors": [{"location": "body.dataset", "message": "m", "code": "missing"}],
    }


def test_a_defect_is_reported_without_its_inner_workings() -> None:
    shown = json.loads(bytes(internal_error("/x").body))

    assert (shown["status"], shown["code"]) == (500, "internal-error")
    assert "request id" in shown["detail"]
