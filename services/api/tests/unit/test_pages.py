import base64
import json
from uuid import UUID

import pytest

from libs.common.errors import BadInput
from services.api.pagination import read_token, write_token

JOB = "01a20bb0-ed59-716e-a450-60748f27550b"


def test_a_token_gives_back_the_key_it_was_written_for() -> None:
    token = write_token(JOB, "jobs", "items")

    assert read_token(token, UUID, "jobs", "items") == UUID(JOB)


def test_no_token_is_the_first_page() -> None:
    assert read_token(None, UUID, "jobs") is None


def test_a_token_needs_no_escaping_in_a_url() -> None:
    token = write_token("?>ÿ~~~", "datasets")

    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("scope", [("datasets",), ("jobs", "items"), ("jobs", None)])
def test_a_token_of_another_list_or_filter_is_refused(scope: tuple[str, ...]) -> None:
    token = write_token(JOB, "jobs", "orders")

    with pytest.raises(BadInput, match="begin at the first page") as refused:
        read_token(token, UUID, *scope)
    assert refused.value.code == "page-token-invalid"


def _forged(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


DIGEST = json.loads(base64.urlsafe_b64decode(write_token(1, "jobs") + "=="))[1]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "ÿ",
        "????",
        _forged(None),
        _forged([]),
        _forged({"a": 1}),
        _forged(["nonsense", DIGEST]),
        _forged([[1], DIGEST]),
        _forged([None, DIGEST]),
        _forged([1, 2, 3]),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
    ],
)
def test_a_token_that_was_changed_is_refused(token: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_token(token, UUID, "jobs")
    assert refused.value.code == "page-token-invalid"
