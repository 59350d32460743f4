from uuid import UUID

import pytest

from services.api.middleware.request_log import accept_request_id


@pytest.mark.parametrize("given", ["a", "01a20bb0-ed59-716e", "trace:1.2_3", "x" * 128])
def test_a_sane_request_id_is_taken(given: str) -> None:
    assert accept_request_id(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a\nb", "-a", "é", '"', "a\n"])
def test_anything_else_is_replaced_by_a_new_one(given: str | None) -> None:
    made = accept_request_id(given)

    assert UUID(made).version == 4
    assert made != accept_request_id(given)
