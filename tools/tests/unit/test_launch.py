import pytest

from tools.bootstrap.launch import invoke_arguments


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ([], ["--list"]),
        (["keys", "list"], ["keys.list"]),
        (["keys", "revoke", "0a"], ["keys.revoke", "0a"]),
        (["db.migrate"], ["db.migrate"]),
        (["keys", "--help"], ["keys", "--help"]),
        (["trigger", "items"], ["trigger", "items"]),
    ],
)
def test_a_command_of_a_group_may_be_written_with_a_space(
    given: list[str], understood: list[str]
) -> None:
    assert invoke_arguments(given) == understood
