"""Keys are made, listed and revoked as a person does it, and never leave their maker whole."""

import os

import psycopg2
import pytest

from libs.common.enums import Scope
from libs.devstack.testing.databases import ScratchDatabase
from tools.local_env.keystore import LOCAL, KeyStore, KeyStoreFault


@pytest.fixture
def store(clean_database: ScratchDatabase) -> KeyStore:
    """Give the keys of an empty ledger, as its owner."""
    return KeyStore(LOCAL, {**os.environ, "ADSP_DATABASE_URL": clean_database.url_for("owner")})


def test_a_key_is_made_listed_and_revoked(store: KeyStore, clean_database: ScratchDatabase) -> None:
    key = store.create('it\'s a "feed"; --', "prices", [Scope.READ, Scope.SUBMIT])
    (listed,) = store.all()
    store.revoke(key.id)
    (revoked,) = store.all()

    assert (listed["id"], listed["name"]) == (key.id, 'it\'s a "feed"; --')
    assert (listed["owner"], listed["scopes"]) == ("prices", ["read", "submit"])
    assert listed["revoked_at"] is None
    assert revoked["revoked_at"]
    assert key.secret not in str(listed)
    assert key.digest.hex() not in str(listed)
    connection = psycopg2.connect(clean_database.dsn_for("owner"))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT digest FROM adsp.api_keys")
            [(digest,)] = cursor.fetchall()
    finally:
        connection.close()
    assert key.matches(bytes(digest))


def test_a_key_that_is_not_there_cannot_be_revoked(store: KeyStore) -> None:
    with pytest.raises(KeyStoreFault, match="there is no API key 0123"):
        store.revoke("0123")


def test_a_key_that_is_revoked_again_keeps_its_end(store: KeyStore) -> None:
    key = store.create("--name", "--owner", [Scope.ADMIN])
    store.revoke(key.id)
    first = store.all()
    store.revoke(key.id)

    assert store.all() == first
    assert (first[0]["name"], first[0]["owner"]) == ("--name", "--owner")


def test_a_ledger_that_refuses_is_reported_in_its_words(clean_database: ScratchDatabase) -> None:
    url = "postgresql+psycopg2://adsp_owner:secret@127.0.0.1:1/adsp"
    nowhere = KeyStore(LOCAL, {**os.environ, "ADSP_DATABASE_URL": url})

    with pytest.raises(KeyStoreFault, match="cannot be reached"):
        nowhere.all()
