import hashlib
import re

import pytest

from libs.common.enums import Scope
from libs.common.ledger.api_keys import RIGHT_PATTERN, ApiKey, Rights


def test_a_key_is_read_back_from_its_text() -> None:
    key = ApiKey.make()

    assert ApiKey.parse(key.text) == key
    assert key.matches(hashlib.sha256(key.secret.encode()).digest())
    assert not key.matches(ApiKey.make().digest)


def test_no_two_keys_are_alike_and_each_has_256_random_bits() -> None:
    keys = {ApiKey.make().secret for _ in range(100)}

    assert len(keys) == 100
    assert all(len(bytes.fromhex(secret)) == 32 for secret in keys)


@pytest.mark.parametrize("text", ["", "adsp__", "adsp_x_y", "١" * 12, "adsp_" + "0" * 77, "\n"])
def test_other_text_is_no_key(text: str) -> None:
    assert ApiKey.parse(text) is None
    assert ApiKey.parse(ApiKey.make().text + "\n") is None


def test_the_secret_shows_in_no_log() -> None:
    key = ApiKey.make()

    assert key.secret not in repr(key)
    assert key.secret not in str(key)


def test_admin_may_do_everything_and_the_others_one_thing_each() -> None:
    read, submit, admin = (Rights([scope]) for scope in Scope)

    assert all(admin.has_scope(scope) and admin.allow(scope, "a") for scope in Scope)
    assert [read.has_scope(scope) for scope in Scope] == [True, False, False]
    assert [submit.allow(scope, "a") for scope in Scope] == [False, True, False]


@pytest.mark.parametrize(
    ("texts", "allowed"),
    [
        (["submit:a_b"], {"a_b"}),
        (["submit:a*"], {"a_b", "axb"}),
        (["submit:*b"], {"a_b", "axb", "b"}),
        (["submit:a_b", "submit:b"], {"a_b", "b"}),
        (["submit:b", "submit"], {"a_b", "axb", "b"}),
        (["read", "submit:c"], set()),
        (["read:a_b"], set()),
    ],
)
def test_a_right_is_for_the_datasets_that_it_names(texts: list[str], allowed: set[str]) -> None:
    rights = Rights(texts)

    assert {name for name in ("a_b", "axb", "b") if rights.allow(Scope.SUBMIT, name)} == allowed
    assert all(re.match(RIGHT_PATTERN, text) for text in texts)
