"""Sources in stores: found, read and put away as files of a folder are, whatever the servers do."""

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.backends import get_backend

from libs.common.enums import SourceMatch
from libs.common.errors import SourceError, SourceUnsettled
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.opening import open_source
from libs.common.sources.search import resolve_source, resolve_sources
from libs.common.sources.source_areas import SourceAreas
from libs.common.sources.stores import object_store, retries, search
from libs.common.sources.stores.connections import Connections
from libs.common.sources.stores.locations import RemoteFile, identity, open_stored
from libs.common.sources.stores.retries import asking_once
from libs.common.sources.stores.search import find_remote, locate
from libs.common.sources.stores.store import StoreFault
from libs.common.sources.stream import SourceLimits
from libs.devstack.testing.sftp_server import SSHD, sftp_server
from libs.devstack.testing.stores import Fault, ServedStore, https_server, s3_server

KINDS = ["s3", "sftp", "https", "https without ranges"]
HTTP_KINDS = ["s3", "https", "https without ranges"]
FOLDER_KINDS = ["s3", "sftp"]
Content = bytes


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ServedStore]]:
    """Give the running server of a kind; each is started when it is first asked for."""
    running: dict[str, ServedStore] = {}
    entered: list[AbstractContextManager[ServedStore]] = []

    def serve(kind: str) -> ServedStore:
        if kind not in running:
            folder = tmp_path_factory.mktemp("served") / "files"
            folder.mkdir()
            starts: dict[str, Callable[[], AbstractContextManager[ServedStore]]] = {
                "s3": s3_server,
                "sftp": partial(sftp_server, folder),
                "https": partial(https_server, folder),
                "https without ranges": partial(https_server, folder, ranges=False),
            }
            entered.append(starts[kind]())
            running[kind] = entered[-1].__enter__()
        return running[kind]

    yield serve
    for context in reversed(entered):
        context.__exit__(None, None, None)


@pytest.fixture
def served(
    request: pytest.FixtureRequest, stores: Callable[[str], ServedStore]
) -> Iterator[ServedStore]:
    """Give the server of the test's kind, without faults."""
    kind: str = request.param
    if kind == "sftp" and SSHD is None:
        pytest.skip(
            "sshd is not installed: sudo apt-get install --no-install-recommends openssh-server"
        )
    store = stores(kind)
    yield store
    store.faults.next.clear()
    store.faults.always = None
    store.faults.requests.clear()


@pytest.fixture
def retried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Wait for nothing between tries; give the kinds of the connections that were asked again."""
    seen: list[str] = []
    monkeypatch.setattr(retries, "_WAITS", (0.0,) * 4)
    monkeypatch.setattr(retries, "watchers", [seen.append])
    return seen


def of(*kinds: str) -> pytest.MarkDecorator:
    """Run a test for each kind."""
    return pytest.mark.parametrize("served", kinds, indirect=True)


def areas(served: ServedStore, **changes: object) -> SourceAreas:
    """Allow the sources of a server alone."""
    return SourceAreas(
        (), None, Connections.model_validate({"c": {**served.connection, **changes}})
    )


def file_of(
    served: ServedStore, key: str, data: bytes | None = None, **changes: object
) -> RemoteFile:
    """Return a file of a server, with new content if there is some."""
    if data is not None:
        served.put(key, data)
    return locate(served.root + key, areas(served, **changes).connections)


@of(*KINDS)
@pytest.mark.parametrize("size", [0, 1, 300_000, 9_000_000])
def test_a_file_reads_as_it_was_put_from_any_place(served: ServedStore, size: int) -> None:
    data = random.Random(size).randbytes(size)
    file = file_of(served, f"read/a b+é[{size}].csv", data)
    rng = random.Random(size)

    with open_stored(file) as opened:
        whole = b"".join(iter(lambda: opened.read(1 << 18), b""))
        places = [rng.randint(0, size) for _ in range(5)]
        pieces = [(opened.seek(place), opened.read(1_000))[1] or b"" for place in places]
        end = opened.seek(0, os.SEEK_END)

    assert whole == data
    assert end == identity(file).size == size
    assert all(data.startswith(piece, place) for place, piece in zip(places, pieces, strict=True))
    assert all(len(piece) > 0 for place, piece in zip(places, pieces, strict=True) if place < size)


@of(*KINDS)
def test_a_fingerprint_is_that_of_the_same_file_here(served: ServedStore, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(2_000_000)
    file = file_of(served, "digests/x.csv", data)
    local = tmp_path / "x.csv"
    local.write_bytes(data)

    assert fingerprint(file) == fingerprint(local)


@of("s3", "https")
def test_of_a_part_no_byte_behind_it_is_asked_for(served: ServedStore) -> None:
    """A loader reads one chunk: what it asked for ahead would be sent to the loader of the next one as well."""
    data = random.Random(2).randbytes(9_000_000)
    file, start, end = file_of(served, "part.csv", data), 1_000_000, 4_000_000
    part = b""
    with open_source(file, "none", SourceLimits(1 << 40, 1 << 10)) as stream:
        stream.skip(start)
        stream.expect_end(end)
        while stream.position < end:
            part += stream.read(min(1 << 18, end - stream.position))
    asked = ranges(served)

    assert part == data[start:end]
    assert (min(first for first, _ in asked), max(last for _, last in asked)) == (start, end)


def ranges(served: ServedStore) -> list[tuple[int, int]]:
    """Return the ranges that were asked for."""
    asked = (request.partition("bytes=")[2] for request in served.faults.requests)
    return [(int(a), int(b) + 1) for a, _, b in (each.partition("-") for each in asked) if b]


@of(*KINDS)
def test_what_is_not_there_is_missing(served: ServedStore) -> None:
    with pytest.raises(SourceError) as raised:
        identity(file_of(served, "no/such.csv"))

    assert raised.value.code == "source-missing"


@of(*KINDS)
def test_a_file_that_is_replaced_while_it_is_read_is_never_a_mixture(served: ServedStore) -> None:
    old, new = b"old" * 1_000_000, b"new" * 1_100_000
    file = file_of(served, "replaced.csv", old)

    with open_stored(file) as opened:
        read = opened.read(1_000) or b""
        served.put("replaced.csv", new)
        is_noticed = False
        try:
            while piece := opened.read(1 << 18):
                read += piece
        except SourceUnsettled:
            is_noticed = True

    assert is_noticed or read == old


@of(*KINDS)
def test_a_file_that_was_replaced_since_it_was_seen_has_no_fingerprint(served: ServedStore) -> None:
    file = file_of(served, "since.csv", b"old")
    seen = identity(file)
    served.put("since.csv", b"newer")

    with pytest.raises(SourceUnsettled):
        fingerprint(file, seen)


NAMES = [
    "in/a.csv",
    "in/b.csv",
    "in/.hidden.csv",
    "in/a[1].csv",
    "in/deep/a.csv",
    "in/deep/er/a.csv",
    "in2/a.csv",
    "other.csv",
]
PATTERNS = [
    "in/*.csv",
    "in/?.csv",
    "in/a[1].csv",
    "in/[!a].csv",
    "in/*/a.csv",
    "in*/a.csv",
    "*/*/*/*.csv",
    "in/.*.csv",
    "in/a.csv",
    "in/**/a.csv",
    "nothing/*.csv",
    "in",
    "in/deep",
]


@of(*FOLDER_KINDS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_what_it_means_in_a_folder(
    served: ServedStore, tmp_path: Path, pattern: str
) -> None:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
        served.put(f"patterns/{name}", name.encode())

    def found(root: str, allowed: SourceAreas) -> set[str]:
        try:
            files = resolve_sources(f"{root}{pattern}", allowed, SourceMatch.ALL)
        except SourceError:
            return set()
        return {str(file).removeprefix(root) for file in files}

    here = found(f"{tmp_path}/", SourceAreas((tmp_path,)))
    there = found(f"{served.root}patterns/", areas(served))

    assert there == here


@of(*FOLDER_KINDS)
def test_the_newest_match_is_taken(served: ServedStore) -> None:
    for number in (3, 1, 2):
        served.put(f"newest/i-{number}.csv", b"%d" % number)

    newest = resolve_source(f"{served.root}newest/i-*.csv", areas(served), SourceMatch.NEWEST)

    times = {
        number: identity(file_of(served, f"newest/i-{number}.csv")).mtime_ns for number in (1, 2, 3)
    }
    latest = max(times.values())
    assert str(newest).endswith(f"i-{max(n for n, at in times.items() if at == latest)}.csv")


@of(*FOLDER_KINDS)
def test_a_file_is_moved_or_deleted_only_as_it_was_seen(served: ServedStore) -> None:
    file = file_of(served, "away/a.csv", b"loaded")
    seen = identity(file)
    store, folder = file.store, file.key.removesuffix("a.csv")
    served.put("away/a.csv", b"another one")
    refused = store.move(file.key, f"{folder}loaded/a.csv", seen), store.delete(file.key, seen)
    left = {name for name in served.names() if name.startswith("away/")}
    seen = identity(file)
    moved = store.move(file.key, f"{folder}loaded/a.csv", seen)
    after_move = {name for name in served.names() if name.startswith("away/")}
    moved_file = file_of(served, "away/loaded/a.csv")
    deleted = store.delete(moved_file.key, identity(moved_file))
    after_delete = {name for name in served.names() if name.startswith("away/")}

    assert refused == (False, False)
    assert left == {"away/a.csv"}
    assert (moved, after_move) == (True, {"away/loaded/a.csv"})
    assert (deleted, after_delete) == (True, set())


@of("s3")
def test_an_object_that_came_between_two_tries_is_not_deleted(
    served: ServedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_WAITS", (0.0,) * 4)
    file = file_of(served, "tries/a.csv", b"loaded")
    seen = identity(file)
    monkeypatch.setattr(retries, "watchers", [lambda _: served.put("tries/a.csv", b"the next")])
    served.faults.next[:] = [None, Fault.THROTTLED]

    assert not file.store.delete(file.key, seen)

    assert open_stored(file).read() == b"the next"


@of("s3")
@pytest.mark.parametrize("is_before", [False, True])
def test_the_copy_of_an_object_stays_where_another_has_taken_its_place(
    served: ServedStore, monkeypatch: pytest.MonkeyPatch, *, is_before: bool
) -> None:
    """If the other one came before the copy, that goes again."""
    monkeypatch.setattr(retries, "_WAITS", (0.0,) * 4)
    file = file_of(served, "copied/a.csv", b"loaded")
    seen = identity(file)
    monkeypatch.setattr(retries, "watchers", [lambda _: served.put("copied/a.csv", b"the next")])
    served.faults.next[:] = [None, *([] if is_before else [None]), Fault.THROTTLED]

    assert not file.store.move(file.key, "copied/loaded/a.csv", seen)

    assert open_stored(file).read() == b"the next"
    copies = {name for name in served.names() if name.startswith("copied/loaded/")}
    assert copies == (set() if is_before else {"copied/loaded/a.csv"})


@of(*HTTP_KINDS)
@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.CUT])
def test_faults_that_pass_are_tried_again_and_counted(
    served: ServedStore, retried: list[str], fault: Fault
) -> None:
    data = random.Random(2).randbytes(3_000_000)
    file = file_of(served, "passing.csv", data)
    with open_stored(file) as opened:
        served.faults.next[:] = [fault, fault]
        read = b"".join(iter(lambda: opened.read(1 << 18), b""))
    served.faults.next[:] = [Fault.THROTTLED, Fault.THROTTLED]
    size = identity(file).size

    assert read == data
    assert size == len(data)
    assert retried in ([served.connection["kind"]] * 4, [served.connection["kind"]] * 2)
    assert served.faults.next == []


@of(*HTTP_KINDS)
def test_faults_that_stay_are_given_up_after_five_tries(
    served: ServedStore, retried: list[str]
) -> None:
    file = file_of(served, "staying.csv", b"x")
    served.faults.requests.clear()
    served.faults.always = Fault.THROTTLED

    with pytest.raises(StoreFault, match="503"):
        identity(file)

    assert len(served.faults.requests) == 5
    assert len(retried) == 4


@of(*HTTP_KINDS)
@pytest.mark.parametrize("fault", [Fault.EXPIRED, Fault.DENIED])
def test_a_refusal_is_noticed_at_once_and_shows_no_secret(
    served: ServedStore, retried: list[str], fault: Fault
) -> None:
    file = file_of(served, "refused.csv", b"x" * 100)
    served.faults.always = fault
    served.faults.requests.clear()

    with pytest.raises(SourceError) as raised:
        open_stored(file)

    assert raised.value.code == "source-not-allowed"
    assert "connection 'c'" in raised.value.message
    assert "secret" not in raised.value.message
    assert (len(served.faults.requests), retried) == (1, [])


@of("s3")
def test_a_store_that_is_silent_is_given_up_but_not_while_it_copies(
    served: ServedStore, retried: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_SILENT", "200ms")
    file = file_of(served, "silent/a.csv", b"x", access_key_id="of another store than before")
    (tmp_path / "a.csv").write_bytes(b"sent")
    served.faults.delay = 1.0
    try:
        file.store.put(file.key, tmp_path / "a.csv")
        patient = list(retried)
        with asking_once(), pytest.raises(StoreFault):
            identity(file)
    finally:
        served.faults.delay = 0.0

    assert patient == []
    assert open_stored(file).read() == b"sent"


@of("s3")
def test_a_listing_goes_on_after_a_fault_and_leaves_nothing_out(
    served: ServedStore, retried: list[str]
) -> None:
    """Put into the server's own memory, as requests would take minutes; it sorts all keys for each page."""
    most = 20_000
    backend = get_backend("s3")["123456789012"]["aws"]
    for number in range(most):
        backend.put_object("landing", f"many/{number:06}.csv", b"x")
    served.faults.requests.clear()
    served.faults.next[:] = [None, None, None, Fault.THROTTLED]

    found = find_remote(f"{served.root}many/0*1.csv", areas(served))

    assert len(found) == most // 10
    assert len(served.faults.requests) == 1 + most // 1_000 + len(retried)
    assert retried == ["s3"]


@of("s3")
def test_the_markers_of_folders_are_no_files_and_end_no_listing(
    served: ServedStore, retried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MOST_LISTED", 100)
    backend = get_backend("s3")["123456789012"]["aws"]
    for key in ("a", "b/", "b/c.csv", "d", "e/", "f-", "f/", "f0", "g/"):
        backend.put_object("landing", f"marked/{key}", b"" if key.endswith("/") else b"x")
    backend.put_object("landing", "marked/empty", b"")
    served.faults.next[:] = [None, Fault.CUT]

    found = find_remote(f"{served.root}marked/*", areas(served))

    names = {str(file).removeprefix(f"{served.root}marked/") for file in found}
    assert names == {"a", "d", "empty", "f-", "f0"}
    assert retried == ["s3"]


@of("s3")
def test_a_folder_with_a_key_that_is_no_path_is_not_taken_for_an_empty_one(
    served: ServedStore,
) -> None:
    get_backend("s3")["123456789012"]["aws"].put_object("landing", "odd//x.csv", b"x")
    served.put("odd/y.csv", b"y")

    with pytest.raises(SourceError, match=r"odd//x\.csv") as raised:
        find_remote(f"{served.root}odd/*.csv", areas(served))

    assert raised.value.code == "source-not-allowed"


@of(*KINDS)
def test_a_server_that_is_away_is_a_fault_of_the_system(
    served: ServedStore, retried: list[str]
) -> None:
    away = {"endpoint": "http://127.0.0.1:9"} if served.connection["kind"] == "s3" else {"port": 9}
    found = Connections.model_validate({"c": {**served.connection, **away}})
    url = served.root.replace(f":{served.connection.get('port')}", ":9") + "a.csv"

    with pytest.raises(StoreFault):
        identity(locate(url, found))

    assert len(retried) == 4


@pytest.mark.parametrize("served", ["sftp"], indirect=True)
def test_a_server_with_another_key_is_not_spoken_to(
    served: ServedStore, retried: list[str]
) -> None:
    own = served.connection["host_key"]
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"
    assert other != own

    with pytest.raises(SourceError) as raised:
        identity(file_of(served, "a.csv", b"x", host_key=other))

    assert raised.value.code == "source-not-allowed"
    assert retried == []


@of("sftp", "https")
def test_a_private_address_is_refused_unless_that_is_said(served: ServedStore) -> None:
    with pytest.raises(SourceError) as raised:
        identity(file_of(served, "a.csv", b"x", is_private=False))

    assert raised.value.code == "source-not-allowed"
    assert "is_private" in raised.value.message


@of("https")
def test_a_server_that_is_not_trusted_is_not_read(served: ServedStore, retried: list[str]) -> None:
    with pytest.raises(StoreFault):
        identity(file_of(served, "a.csv", b"x", certificate_authority=None))


@pytest.mark.parametrize(
    ("connection", "host", "signature", "headers"),
    [
        (
            {"kind": "s3", "bucket": "landing", "region": "eu-central-1", "access_key_id": "A"}
            | {"secret_access_key": "s3cret"},
            "s3.eu-central-1.amazonaws.com",
            "X-Amz-Signature",
            {},
        ),
        (
            {"kind": "az", "container": "landing", "account": "acme", "account_key": "czNjcmV0"},
            "acme.blob.core.windows.net",
            "sig",
            {"x-ms-blob-type": "BlockBlob"},
        ),
        ({"kind": "gs", "bucket": "landing"}, "storage.googleapis.com", "X-Goog-Signature", {}),
    ],
    ids=["s3", "az", "gs"],
)
def test_each_kind_of_bucket_signs_for_one_file_with_its_own_key(
    connection: dict[str, str], host: str, signature: str, headers: dict[str, str]
) -> None:
    """The stores themselves were not asked."""
    if connection["kind"] == "gs":
        connection = {**connection, "service_account_key": google_key()}
    connections = Connections.model_validate({"c": connection})
    place = locate(f"{connection['kind']}://landing/sent/a.csv", connections)
    put = place.store.sign_put(place.key, timedelta(seconds=60))

    url = urlsplit(put.url)
    assert url.hostname == host
    assert url.path == "/landing/sent/a.csv"
    assert signature in parse_qs(url.query)
    assert put.headers == headers
    assert "s3cret" not in put.url


def google_key() -> str:
    """Return the key of a service account that was made up."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    names = {"private_key_id": "1", "client_email": "a@acme.iam.gserviceaccount.com"}
    return json.dumps({**names, "private_key": pem.decode(), "client_id": "1"})


def test_a_server_that_is_no_bucket_signs_and_copies_nothing(
    stores: Callable[[str], ServedStore],
) -> None:
    served = stores("https")
    connections = Connections.model_validate({"c": served.connection})
    place = locate(f"{served.root}a.csv", connections)

    with pytest.raises(SourceError, match="can sign no URL"):
        place.store.sign_put(place.key, timedelta(seconds=60))
    with pytest.raises(StoreFault, match="buckets alone"):
        place.store.copy(place.key, "b.csv")
