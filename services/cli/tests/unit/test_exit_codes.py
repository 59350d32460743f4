import pytest

from libs.client.errors import (
    ApiUnreachable,
    ClientError,
    Conflict,
    Forbidden,
    NotFound,
    Problem,
    RefusedRequest,
    ServerFault,
    StoreRefused,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)
from services.cli.exit_codes import ExitCode, code_of_ends, code_of_error

REFUSALS: list[tuple[type[RefusedRequest], ExitCode]] = [
    (NotFound, ExitCode.REFUSED),
    (Conflict, ExitCode.REFUSED),
    (Unauthorized, ExitCode.NO_PERMISSION),
    (Forbidden, ExitCode.NO_PERMISSION),
    (TooManyRequests, ExitCode.UNAVAILABLE),
    (ServerFault, ExitCode.UNAVAILABLE),
]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["succeeded"], 0),
        (["completed_with_rejects"], 3),
        (["failed"], 4),
        (["cancelled"], 4),
        (["duplicate"], 5),
        (["outdated"], 5),
        (["succeeded", "duplicate"], 0),
        (["duplicate", "outdated"], 5),
        (["succeeded", "completed_with_rejects", "duplicate"], 3),
        (["succeeded", "completed_with_rejects", "failed"], 4),
        (["succeeded", "a-state-of-tomorrow"], 4),
        ([], 5),
    ],
)
def test_the_worst_end_decides(states: list[str], code: int) -> None:
    assert code_of_ends(states) == code


@pytest.mark.parametrize(("kind", "code"), REFUSALS)
def test_a_refusal_says_whether_to_come_again(kind: type[RefusedRequest], code: ExitCode) -> None:
    assert code_of_error(kind(0, Problem(code="c", detail="d"))) is code


@pytest.mark.parametrize(
    "error", [ApiUnreachable("away"), StoreRefused("away"), UnexpectedAnswer("not the api")]
)
def test_no_answer_is_unavailable(error: ClientError) -> None:
    assert code_of_error(error) is ExitCode.UNAVAILABLE
