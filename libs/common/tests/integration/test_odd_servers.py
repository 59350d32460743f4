"""HTTPS servers that answer with what was not asked for: nothing wrong is read, nothing fills up, nothing hangs."""

import gzip
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from libs.common.errors import SourceError, SourceUnsettled
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.stores import https_store, retries
from libs.common.sources.stores.connections import Connections, HttpsServer
from libs.common.sources.stores.locations import RemoteFile, identity, open_stored
from libs.common.sources.stores.private_addresses import refuse_private
from libs.common.sources.stores.search import locate
from libs.common.sources.stores.store import StoreFault
from libs.devstack.testing.stores import ServedStore, https_application

CONTENT = b"0123456789" * 100_000
Answer = Callable[[Request], Response]


class Server:
    """A server whose answers a test sets."""

    def __init__(self, served: ServedStore) -> None:
        self.served = served
        self.answer: Answer = whole

    def file(self, key: str = "a.csv", **changes: object) -> RemoteFile:
        """Return a file of it."""
        connection = {**self.served.connection, **changes}
        return locate(self.served.root + key, Connections.model_validate({"c": connection}))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Give a server that answers as the test says; nothing waits between tries."""
    monkeypatch.setattr(retries, "_WAITS", (0.0,) * 4)
    running: list[Server] = []

    @Request.application
    def application(request: Request) -> Response:
        return running[0].answer(request)

    with https_application(tmp_path / "files", application) as served:
        running.append(Server(served))
        yield running[0]


def whole(
    request: Request, content: bytes = CONTENT, headers: dict[str, str] | None = None
) -> Response:
    """Answer with ranges, as it should be."""
    response = Response(content, headers=headers)
    return response.make_conditional(request, accept_ranges=True, complete_length=len(content))


def read(file: RemoteFile) -> bytes:
    """Return all bytes of a file."""
    with open_stored(file) as opened:
        return b"".join(iter(lambda: opened.read(1 << 18), b""))


def test_ranges_of_another_place_are_not_taken_for_those_asked_for(server: Server) -> None:
    def shifted(request: Request) -> Response:
        response = whole(request)
        if response.status_code == 206:
            start, _, rest = response.headers["Content-Range"].removeprefix("bytes ").partition("-")
            end = int(rest.partition("/")[0])
            response.headers["Content-Range"] = f"bytes {int(start) + 1}-{end + 1}/{len(CONTENT)}"
        return response

    server.answer = shifted

    with pytest.raises(SourceUnsettled):
        read(server.file())


@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_body_without_end_is_not_read_to_its_end(server: Server, *, has_ranges: bool) -> None:
    sent: list[int] = []

    def endless(request: Request) -> Response:
        response = whole(request)
        if request.method == "HEAD" or (has_ranges and response.status_code != 206):
            return response

        def body() -> Iterator[bytes]:
            for _ in range(1_000):
                sent.append(1 << 20)
                yield b"x" * (1 << 20)

        answer = Response(body(), status=206 if has_ranges else 200)
        if has_ranges:
            answer.headers["Content-Range"] = response.headers["Content-Range"]
        answer.headers["Connection"] = "close"
        return answer

    server.answer = endless

    with pytest.raises(SourceUnsettled):
        read(server.file())

    assert sum(sent) < 100 << 20


@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_compressed_file_is_read_as_it_is_stored(server: Server, *, has_ranges: bool) -> None:
    """Many servers say of a stored `.gz` that it is an encoding of what is in it."""
    packed = gzip.compress(CONTENT * 3, compresslevel=0)

    def encoded(request: Request) -> Response:
        if has_ranges:
            return whole(request, packed, {"Content-Encoding": "gzip"})
        return Response(packed, headers={"Content-Encoding": "gzip"})

    server.answer = encoded

    assert read(server.file("a.csv.gz")) == packed


def test_a_body_that_drips_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https_store, "_PATIENCE", 0.0)
    monkeypatch.setattr(https_store, "_LEAST_RATE", 1 << 50)

    with pytest.raises(StoreFault, match="ReadTimeout"):
        read(server.file())


@pytest.mark.parametrize("date", ["yesterday", "0", "Mon, 99 Foo 9999 99:99:99 GMT"])
def test_a_date_that_is_none_counts_as_none(server: Server, date: str) -> None:
    server.answer = lambda request: whole(request, headers={"Last-Modified": date})

    assert identity(server.file()).mtime_ns == 0
    assert read(server.file()) == CONTENT


def test_a_name_is_sent_whole(server: Server) -> None:
    server.answer = lambda request: whole(request, request.path.encode())

    assert read(server.file("a#1.csv")) == b"/a#1.csv"


def test_a_name_that_no_url_can_hold_is_missing(server: Server) -> None:
    with pytest.raises(SourceError) as raised:
        identity(server.file("a\n.csv"))

    assert raised.value.code == "source-missing"


@pytest.mark.parametrize(
    "key",
    [
        "feeds/../a.csv",
        "feeds/%2e%2e/a.csv",
        "feeds/.%2E/a.csv",
        "feeds/%252e%252e/a.csv",
        "feeds/x%2f..%2f../a.csv",
        "feeds/..%5ca.csv",
        "feeds/..\\a.csv",
        "feeds/..;x=1/a.csv",
        "feeds/..",
        "feeds/..?x",
    ],
)
def test_no_way_of_writing_it_leads_out_of_a_prefix(server: Server, key: str) -> None:
    with pytest.raises(SourceError) as raised:
        server.file(key, prefix="feeds/")

    assert raised.value.code == "source-not-allowed"


def test_a_file_that_was_closed_is_not_read(server: Server) -> None:
    opened = open_stored(server.file())
    opened.close()
    server.served.faults.requests.clear()

    with pytest.raises(ValueError, match="closed"):
        opened.read(1)

    assert server.served.faults.requests == []
    assert fingerprint(server.file())


@pytest.mark.parametrize(
    "connection",
    [
        {"kind": "gs", "bucket": "bucket", "service_account_key": "S3CRET"},
        {"kind": "az", "container": "bucket", "account": "a", "account_key": "S3CRET!"},
        {"kind": "https", "host": "bucket", "certificate_authority": "S3CRET"},
    ],
    ids=["gs", "az", "https"],
)
def test_a_connection_that_cannot_be_used_is_said_without_its_secrets(
    connection: dict[str, str],
) -> None:
    found = Connections.model_validate({"c": connection})

    with pytest.raises(SourceError, match="connection 'c' cannot be used") as raised:
        locate(f"{connection['kind']}://bucket/a.csv", found)

    assert raised.value.code == "source-not-allowed"
    assert "S3CRET" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("address", "is_private"),
    [
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("::ffff:8.8.8.8", False),
        ("127.0.0.1", True),
        ("169.254.169.254", True),
        ("100.64.0.1", True),
        ("224.0.0.1", True),
        ("::1", True),
        ("::ffff:10.0.0.1", True),
        ("64:ff9b::a00:1", True),
        ("2002:a00:1::", True),
    ],
)
def test_a_private_address_is_one_however_it_is_written(address: str, *, is_private: bool) -> None:
    expectation = pytest.raises(SourceError, match="not public") if is_private else nullcontext()

    with expectation:
        refuse_private(HttpsServer(kind="https", host=address), "c")
