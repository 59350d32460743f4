"""Folders are ours alone, and reach is what the account can really do."""

import os
import pwd
from pathlib import Path

import pytest

from libs.devstack.errors import StackError
from libs.devstack.os_user import USER_VARIABLE, Account, make_own_folder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as somebody else")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root never runs servers itself")


@as_root
def test_root_runs_servers_as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(USER_VARIABLE, raising=False)

    assert Account.current().uid == pwd.getpwnam("nobody").pw_uid


@as_root
def test_an_unknown_user_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_VARIABLE, "no-such-user")

    with pytest.raises(StackError, match=f"no-such-user.*{USER_VARIABLE}"):
        Account.current()


@not_as_root
def test_a_user_runs_servers_as_itself() -> None:
    assert Account.current() == Account(os.geteuid(), os.getegid())


@as_root
def test_a_private_parent_is_out_of_reach(tmp_path: Path) -> None:
    folder = tmp_path / "private" / "inside"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)

    assert not Account.current().can_reach(folder)


def test_a_secret_is_readable_for_its_account_alone(tmp_path: Path) -> None:
    account = Account.current()
    secret = account.write_secret(tmp_path / "secret", "text")

    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.stat().st_uid == account.uid


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(StackError, match="only you can write"):
        make_own_folder(folder)


def test_a_link_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")

    with pytest.raises(StackError, match="only you can write"):
        make_own_folder(tmp_path / "link")
