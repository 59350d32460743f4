"""No client takes the api from the others: neither by many requests nor by many slow uploads."""

import resource
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.requests import Request

from libs.common.ledger.api_keys import ApiKey
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for
from services.api.errors.problems import ProblemError
from services.api.limits.rate_limits import RateLimits
from services.api.limits.upload_slots import UploadSlots
from services.api.security.addresses import network_of
from services.api.security.api_keys import KnownKeys
from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    SettingsWith,
    problem_of,
    serving,
    silent_server,
)

SLOW_UPLOADS = 200
SLOTS = 8
DRIPS = 200
NO_REDIS = "redis://127.0.0.1:1/0"
"""Each api counts for itself then: the tests have one address."""
HEADER = b"sku,name,category,price,quantity,updated_at\n"


@contextmanager
def _slow_upload(port: int) -> Iterator[socket.socket]:
    """Begin an upload and send no more than its first line."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(_head(1_000_000) + HEADER)
        yield connection


def _head(length: int) -> bytes:
    """Return the beginning of a request that announces a file of so many bytes."""
    return (
        b"POST /v1/datasets/items/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Length: %d\r\nContent-Type: text/csv\r\n\r\n" % length
    )


def _status_of(connection: socket.socket) -> int:
    """Read the status that a raw connection was answered with."""
    return int(connection.recv(4096).split()[1])


@pytest.fixture
def limits_of(redis_url: str) -> Iterator[Callable[..., RateLimits]]:
    """Return a function that makes counters of three requests a minute."""
    with ExitStack() as made:

        def make(url: str = redis_url, per_minute: int = 3) -> RateLimits:
            limits = RateLimits(url, per_minute)
            made.callback(limits.close)
            return limits

        yield make


def test_one_request_too_many_hears_how_long_to_wait(
    limits_of: Callable[..., RateLimits],
) -> None:
    """Two apis count together, and each caller for himself."""
    first, second = limits_of(), limits_of()
    name = f"key {ApiKey.make().id}"
    counted = [limits.count(name) for limits in (first, second, first, second)]

    assert counted[:3] == [0, 0, 0]
    assert 1 <= counted[3] <= 60
    assert first.count(f"key {ApiKey.make().id}") == 0


def test_the_limit_holds_in_each_api_while_redis_is_away(
    limits_of: Callable[..., RateLimits],
) -> None:
    with silent_server() as port:
        limits = limits_of(f"redis://127.0.0.1:{port}/0")
        counted = [limits.count("key a") for _ in range(4)]

    assert counted[:3] == [0, 0, 0]
    assert counted[3] >= 1


def test_without_a_limit_nothing_is_counted(limits_of: Callable[..., RateLimits]) -> None:
    limits = limits_of(NO_REDIS, per_minute=0)

    assert [limits.count("key a") for _ in range(10)] == [0] * 10


def test_a_key_that_asks_too_often_is_refused_and_the_probes_are_not(
    settings_with: SettingsWith, clean_database: ScratchDatabase, ledger: Ledger
) -> None:
    keys = [ApiKey.make(), ApiKey.make()]
    for key in keys:
        ledger.execute(
            "INSERT INTO adsp.api_keys (id, name, owner, scopes, digest)"
            " VALUES (%s, 'a', 'a', '{read}', %s)",
            key.id,
            key.digest,
        )
    settings = settings_with(auth=True, requests_per_minute=5, redis_url=NO_REDIS)
    with serving(settings) as client:
        answers = [client.get("/v1/jobs", headers={"X-API-Key": keys[0].text}) for _ in range(6)]
        other = client.get("/v1/jobs", headers={"X-API-Key": keys[1].text})
        probes = {client.get("/livez").status_code for _ in range(10)}

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert problem_of(answers[-1])[1] == "too-many-requests"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert other.status_code == 200
    assert probes == {200}


def test_an_address_that_guesses_keys_is_slowed_down(settings_with: SettingsWith) -> None:
    with serving(settings_with(auth=True, requests_per_minute=5, redis_url=NO_REDIS)) as client:
        statuses = [
            client.get("/v1/jobs", headers={"X-API-Key": ApiKey.make().text}).status_code
            for _ in range(6)
        ]

    assert statuses == [401] * 5 + [429]


def test_guessed_keys_stop_costing_the_database_a_question(settings_with: SettingsWith) -> None:
    """Seen before: each was looked up before it was counted, so that the limit spared the database nothing."""
    nowhere = "postgresql+psycopg2://nobody@127.0.0.1:1/nowhere"
    with serving(settings_with(auth=True, requests_per_minute=5, database_url=nowhere)) as client:
        statuses = [
            client.get("/v1/jobs", headers={"X-API-Key": ApiKey.make().text}).status_code
            for _ in range(8)
        ]

    assert statuses == [503] * 5 + [429] * 3


def test_who_guesses_keys_takes_nothing_from_a_good_key_at_his_address(
    settings_with: SettingsWith, clean_database: ScratchDatabase, ledger: Ledger
) -> None:
    """Behind a proxy they have one address."""
    key = ApiKey.make()
    ledger.execute(
        "INSERT INTO adsp.api_keys (id, name, owner, scopes, digest)"
        " VALUES (%s, 'a', 'a', '{read}', %s)",
        key.id,
        key.digest,
    )
    settings = settings_with(auth=True, requests_per_minute=5, redis_url=NO_REDIS)
    with serving(settings) as client:

        def ask(text: str) -> int:
            return client.get("/v1/jobs", headers={"X-API-Key": text}).status_code

        first = ask(key.text)
        wrong = f"{key.text[:-1]}{'0' if key.text[-1] != '0' else '1'}"
        guesses = {ask(wrong) for _ in range(10)}
        later = [ask(key.text) for _ in range(3)]
        ledger.execute("UPDATE adsp.api_keys SET revoked_at = now()")
        revoked = [ask(key.text) for _ in range(2)]

    assert (first, guesses) == (200, {401, 429})
    assert later == [200] * 3
    assert revoked == [401, 429]


def test_known_keys_are_bounded_and_the_unused_are_forgotten_first() -> None:
    keys = [ApiKey.make() for _ in range(4)]
    known = KnownKeys(most=3)
    for key in keys[:3]:
        known.add(key)
    assert keys[0] in known
    known.add(keys[3])
    known.forget(keys[3])

    assert [key in known for key in keys] == [True, False, True, False]


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_is_what_one_client_is_given(host: str, counted: str) -> None:
    """An IPv6 client may choose any of 2^64 addresses, one for each request."""
    assert network_of(Request({"type": "http", "client": (host, 1)})) == counted


def test_no_owner_takes_more_than_half_of_the_slots() -> None:
    slots = UploadSlots(4)
    with ExitStack() as held:
        for owner in ("prices", "prices", "stock"):
            held.enter_context(slots.taken(owner))
        with pytest.raises(ProblemError, match="as many files"):
            held.enter_context(slots.taken("prices"))
        held.enter_context(slots.taken("stock"))
        with pytest.raises(ProblemError, match="as many files"):
            held.enter_context(slots.taken("third"))

    with slots.taken("prices"):
        pass


def test_many_slow_uploads_take_neither_the_memory_nor_the_health_check(
    settings_with: SettingsWith, clean_database: ScratchDatabase, root: Path, upload_dir: Path
) -> None:
    """Most are refused at once, the others are given up, and nothing is left of them."""
    settings = settings_with(max_uploads_at_once=SLOTS, upload_idle_seconds=2.0)
    with serving(settings) as client, ExitStack() as open_uploads:
        assert client.put("/v1/datasets/items", json=ITEMS).status_code == 201
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        port = int(client.base_url.port or 0)
        connections = [open_uploads.enter_context(_slow_upload(port)) for _ in range(SLOW_UPLOADS)]
        alive = [client.get("/livez") for _ in range(20)]
        statuses: list[int] = []
        readers = [
            threading.Thread(target=lambda c=one: statuses.append(_status_of(c)))
            for one in connections
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(30)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        wait_for(lambda: not any(upload_dir.glob("*/*")), 10, "nothing is left of the uploads")
        after = client.post("/v1/datasets/items/uploads", content=HEADER)

    assert all(answer.status_code == 200 for answer in alive)
    assert max(answer.elapsed.total_seconds() for answer in alive) < 1
    assert len(statuses) == SLOW_UPLOADS
    assert set(statuses) == {408, 429}
    assert SLOTS <= statuses.count(408) <= 3 * SLOTS
    assert grown < 64 << 10  # kilobytes
    assert after.status_code == 202


def test_an_upload_that_stalls_is_given_up_with_its_reason(
    settings_with: SettingsWith, clean_database: ScratchDatabase, root: Path
) -> None:
    with serving(settings_with(upload_idle_seconds=0.2)) as client:
        assert client.put("/v1/datasets/items", json=ITEMS).status_code == 201
        with _slow_upload(int(client.base_url.port or 0)) as connection:
            answer = connection.recv(4096)

    assert b"408 Request Timeout" in answer
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    ("pause", "status"), [(0.1, b"408 Request Timeout"), (0.0, b"202 Accepted")]
)
def test_an_upload_that_drips_is_given_up_and_one_that_flows_is_not(
    settings_with: SettingsWith,
    clean_database: ScratchDatabase,
    root: Path,
    pause: float,
    status: bytes,
) -> None:
    """A byte now and then would hold a slot for ever; many small pieces that come at once do not."""
    settings = settings_with(upload_idle_seconds=1.0, upload_min_rate=1000)
    with serving(settings) as client:
        assert client.put("/v1/datasets/items", json=ITEMS).status_code == 201
        with socket.create_connection(("127.0.0.1", int(client.base_url.port or 0))) as dripping:
            dripping.settimeout(20)
            dripping.sendall(_head(len(HEADER) + DRIPS) + HEADER)
            answer = _drip(dripping, pause)

    assert status in answer


def _drip(connection: socket.socket, pause: float) -> bytes:
    """Send byte after byte until the answer comes, and return it; a pause is a wait for the answer."""
    for _ in range(DRIPS):
        if select.select([connection], [], [], pause)[0]:
            break
        connection.sendall(b"1")
    return connection.recv(4096)
