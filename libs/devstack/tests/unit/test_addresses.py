"""Addresses become URLs, and survive being written down."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from libs.devstack.addresses import Credentials, StackAddresses


@pytest.fixture
def addresses() -> StackAddresses:
    """Give the addresses of servers that do not run."""
    return StackAddresses(1, 2, 3, 4, 5, Credentials())


def test_a_role_enters_with_its_own_password(addresses: StackAddresses) -> None:
    url = make_url(addresses.database_url("loader", "some_database"))

    assert (url.username, url.port, url.database) == ("adsp_loader", 1, "some_database")
    assert url.password == addresses.credentials.loader


def test_addresses_are_read_as_they_were_written(addresses: StackAddresses, tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    path.write_text(addresses.to_json())

    assert StackAddresses.read(path) == addresses


def test_passwords_are_not_shown(addresses: StackAddresses) -> None:
    assert addresses.credentials.superuser not in repr(addresses)


def test_kept_credentials_stay_the_same_and_are_private(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"

    assert Credentials.kept_in(path) == Credentials.kept_in(path)
    assert path.stat().st_mode & 0o777 == 0o600
