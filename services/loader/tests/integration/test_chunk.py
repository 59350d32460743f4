"""A chunk is loaded once and for all, whatever happens to its loader, its source or its servers."""

import gzip
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from backports import zstd
from psycopg2.extensions import connection as Connection

from libs.common.csv.chunk_boundaries import find_boundaries
from libs.common.csv.header import read_header
from libs.common.csv.text import Text
from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import MESSAGE_LIMIT, LeaseLost, PublishFault
from libs.devstack.testing.waiting import wait_for
from services.loader import load, record_load
from services.loader.chunk_loader import ChunkLoader, Outcome
from services.loader.leasing.chunks import ChunkKey
from services.loader.leasing.connection_cache import CachedConnection, LoadingConnections
from services.loader.leasing.lease import Heartbeat
from services.loader.rejects.columns import RejectedRows, by_columns
from services.loader.rejects.rejection import RejectedRecord
from services.loader.tests.integration.conftest import LoadBench

PAIRS = DatasetDefinition(table="feed.t")
TABLE = "CREATE TABLE feed.t (id int PRIMARY KEY, v text)"
DATA = b"id,v\n1,a\n2,b\nx,c\n"
PATIENCE = 30


def pairs(**changes: Any) -> DatasetDefinition:
    """Return the dataset of feed.t with changes."""
    return DatasetDefinition.model_validate({"table": "feed.t", **changes})


def rows(bench: LoadBench) -> list[tuple[Any, ...]]:
    """Return what is in the target."""
    return bench.execute("SELECT * FROM feed.t ORDER BY 1, 2")


@contextmanager
def held_up(
    bench: LoadBench, job_id: UUID, **settings: Any
) -> Iterator[Callable[[], Future[Outcome]]]:
    """Load in a thread while the target is locked; leaving the block (or calling it) lets the load go on."""
    with (
        closing(psycopg2.connect(bench.database.superuser_dsn)) as blocker,
        ThreadPoolExecutor(1) as pool,
    ):
        with blocker.cursor() as cursor:
            cursor.execute("LOCK TABLE feed.t")
        future = pool.submit(bench.loader(**settings).load_chunk, job_id, 0)
        wait_for(lambda: waiting_backends(bench), PATIENCE, "the load waits for the target")

        def go_on() -> Future[Outcome]:
            blocker.rollback()
            return future

        try:
            yield go_on
        finally:
            blocker.rollback()


def waiting_backends(bench: LoadBench) -> list[tuple[Any, ...]]:
    """List the loader's backends that wait for a lock."""
    return bench.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'adsp-loader'"
        " AND wait_event_type = 'Lock' AND datname = current_database()"
    )


def test_a_chunk_that_comes_again_finds_itself_done(bench: LoadBench) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)

    outcomes = [bench.loader().load_chunk(job_id, 0) for _ in range(3)]

    assert outcomes == [Outcome.LOADED, Outcome.SKIPPED, Outcome.SKIPPED]
    assert rows(bench) == [(1, "a"), (2, "b")]
    assert len(bench.failed_rows(job_id)) == 1
    assert bench.chunk(job_id)["attempt"] == 1
    assert bench.execute("SELECT * FROM adsp.chunk_leases") == []


def test_two_loaders_at_once_load_it_once(bench: LoadBench) -> None:
    bench.execute("CREATE TABLE feed.t (id int, v text)")
    job_id = bench.add_job(DATA, PAIRS)
    start = threading.Barrier(4)

    def load() -> Outcome:
        start.wait(PATIENCE)
        return bench.loader().load_chunk(job_id, 0)

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(f.result() for f in [pool.submit(load) for _ in range(4)])

    assert outcomes == [Outcome.LOADED, Outcome.SKIPPED, Outcome.SKIPPED, Outcome.SKIPPED]
    assert rows(bench) == [(1, "a"), (2, "b")]


def test_a_chunk_of_a_job_that_is_over_is_left_alone(bench: LoadBench) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)
    bench.execute("UPDATE adsp.jobs SET state = 'cancelled', finished_at = now()")

    assert bench.loader().load_chunk(job_id, 0) is Outcome.SKIPPED
    assert rows(bench) == []


@pytest.mark.parametrize(
    ("pid", "expires", "outcome"),
    [
        pytest.param("pg_backend_pid()", "1 hour", Outcome.SKIPPED, id="alive"),
        pytest.param("pg_backend_pid()", "-1 second", Outcome.LOADED, id="expired"),
        pytest.param("-1", "1 hour", Outcome.LOADED, id="its backend is gone"),
    ],
)
def test_a_lease_keeps_others_out_while_its_holder_lives(
    bench: LoadBench, pid: str, expires: str, outcome: Outcome
) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)
    bench.execute(
        "INSERT INTO adsp.chunk_leases (job_id, chunk_number, holder, backend_pid, backend_start, expires_at)"
        f" SELECT %s, 0, 'other', {pid}, backend_start, now() + interval '{expires}'"
        " FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        str(job_id),
    )

    assert bench.loader().load_chunk(job_id, 0) is outcome


def test_too_many_rejects_stop_the_load_and_keep_the_failed_rows(bench: LoadBench) -> None:
    bench.execute(TABLE)
    data = b"id,v\n" + b"".join(b"%d,a\nx%d,b\n" % (i, i) for i in range(1000))

    job_id = bench.load(data, pairs(max_rejected_rows=10), block_rows=50, block_bytes=400)

    chunk = bench.chunk(job_id)
    assert (chunk["state"], chunk["error_code"]) == ("failed", "too-many-rejects")
    assert "max_rejected_rows=10" in chunk["error_message"]
    assert chunk["rows_read"] == chunk["rows_rejected"] == len(bench.failed_rows(job_id))
    assert 10 < chunk["rows_rejected"] < 100
    assert rows(bench) == []


@pytest.mark.parametrize("changes", [{}, {"max_rejected_rows": 9000}])
def test_each_refused_row_is_put_into_columns_once(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """To put all refusals so far together after each of them costs the square of their number."""
    bench.execute(TABLE)
    bench.execute("CREATE UNIQUE INDEX ON feed.t ((id + 1))")  # no join answers for an expression
    bench.execute("INSERT INTO feed.t SELECT n, 'there' FROM generate_series(1, 8000) AS n")
    heights: list[int] = []

    def counted(rows: Sequence[RejectedRecord]) -> RejectedRows:
        heights.append(len(rows))
        return by_columns(rows)

    monkeypatch.setattr(record_load, "by_columns", counted)
    data = b"id,v\n" + b"".join(b"%d,new\n" % n for n in range(1, 8001))
    job_id = bench.load(data, pairs(**changes))

    chunk = bench.chunk(job_id)
    assert (chunk["state"], chunk["rows_rejected"]) == ("done", 8000)
    assert {row[3] for row in bench.failed_rows(job_id)} == {"unique"}
    assert sum(heights) == 8000


@pytest.mark.parametrize("delimiter", [",", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_message_that_repeats_a_large_value_is_cut(
    bench: LoadBench, encoding: str, delimiter: str
) -> None:
    """Postgres repeats the value: 200 MB of messages came from a file of 195 kB (rule 12)."""
    bench.execute(TABLE)
    value = "x" * 500_000
    data = f"id{delimiter}v\n{value}{delimiter}a\n1{delimiter}b\n".encode(encoding)
    job_id = bench.load(data, pairs(format={"encoding": encoding, "delimiter": delimiter}))

    sizes = bench.execute(
        "SELECT length(raw), length(message) FROM adsp.failed_rows WHERE job_id = %s", str(job_id)
    )
    assert rows(bench) == [(1, "b")]
    [(raw, message)] = sizes
    assert raw == len(f"{value}{delimiter}a".encode(encoding))
    assert message <= MESSAGE_LIMIT


@pytest.mark.parametrize(("ratio", "state"), [(0.33, "failed"), (0.34, "done")])
def test_the_share_of_rejects_is_judged_at_the_end(
    bench: LoadBench, ratio: float, state: str
) -> None:
    bench.execute(TABLE)

    job_id = bench.load(DATA, pairs(max_rejected_ratio=ratio))

    assert bench.chunk(job_id)["state"] == state
    assert len(rows(bench)) == (2 if state == "done" else 0)
    assert len(bench.failed_rows(job_id)) == 1


def test_a_source_that_changed_since_the_plan_is_refused(bench: LoadBench) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)
    with (bench.folder / f"{job_id}.csv").open("ab") as file:
        file.write(b"4,d\n")

    assert bench.loader().load_chunk(job_id, 0) is Outcome.FAILED
    assert bench.chunk(job_id)["error_code"] == "source-changing"


def test_a_source_that_changes_during_the_load_publishes_nothing(bench: LoadBench) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)

    with held_up(bench, job_id) as go_on:
        with (bench.folder / f"{job_id}.csv").open("ab") as file:
            file.write(b"4,d\n")
        outcome = go_on().result(PATIENCE)

    assert outcome is Outcome.FAILED
    assert bench.chunk(job_id)["error_code"] == "source-changing"
    assert rows(bench) == []
    assert bench.failed_rows(job_id) == []


@pytest.mark.parametrize(
    "mode", [{}, {"mode": "upsert", "key": ["id"]}, {"mode": "replace"}], ids=str
)
def test_a_cancelled_job_stops_its_load_at_once(bench: LoadBench, mode: dict[str, Any]) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, pairs(**mode))

    with held_up(bench, job_id) as go_on:
        bench.execute("UPDATE adsp.jobs SET cancel_requested_at = now()")
        wait_for(lambda: bench.announced, PATIENCE, "the loader reports")
        outcome = go_on().result(PATIENCE)

    assert outcome is Outcome.CANCELLED
    assert rows(bench) == []
    chunk = bench.chunk(job_id)
    assert (chunk["state"], chunk["next_attempt_at"]) == ("queued", None)
    assert bench.execute("SELECT * FROM adsp.chunk_leases") == []


def test_a_loader_that_lost_its_lease_stops_and_writes_nothing(bench: LoadBench) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)

    with held_up(bench, job_id) as go_on:
        bench.execute("UPDATE adsp.chunk_leases SET holder = 'somebody else'")
        wait_for(lambda: not waiting_backends(bench), PATIENCE, "the load is interrupted")
        outcome = go_on().result(PATIENCE)

    assert outcome is Outcome.SKIPPED
    assert rows(bench) == []
    assert bench.chunk(job_id)["state"] == "running"
    assert len(bench.execute("SELECT * FROM adsp.chunk_leases")) == 1


def test_a_lease_lost_after_the_connection_is_reported_all_the_same(bench: LoadBench) -> None:
    """The heart that could not interrupt died with a traceback (seen where a frozen loader woke up)."""
    key = ChunkKey(bench.add_job(DATA, PAIRS), 0, "somebody")
    loading = psycopg2.connect(bench.database.dsn_for("loader"))
    loading.close()
    heartbeat = Heartbeat(
        lambda: psycopg2.connect(bench.database.dsn_for("loader")),
        CachedConnection(loading, 0, datetime.now(UTC)),
        key,
        bench.settings(),
    )

    heartbeat.start()

    with pytest.raises(LeaseLost):
        wait_for(heartbeat.check, PATIENCE, "it is reported")
    heartbeat.stop()


def test_progress_is_visible_while_the_load_goes_on(bench: LoadBench) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(b"id,v\n" + b"".join(b"%d,a\n" % i for i in range(5000)), PAIRS)
    with (
        closing(psycopg2.connect(bench.database.superuser_dsn)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        with other.cursor() as cursor:
            cursor.execute("INSERT INTO feed.t VALUES (4990, 'not yet committed')")
        future = pool.submit(bench.loader(block_bytes=50).load_chunk, job_id, 0)

        [(read, renewed)] = wait_for(
            lambda: bench.execute(
                "SELECT rows_read, expires_at > now() FROM adsp.chunk_leases WHERE rows_read > 0"
            ),
            PATIENCE,
            "the lease shows progress",
        )
        other.rollback()

        assert renewed
        assert 0 < read < 4990
        assert future.result(PATIENCE) is Outcome.LOADED


def test_a_lost_backend_postpones_the_chunk_until_its_attempts_are_used_up(
    bench: LoadBench,
) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)
    seen, chunk = [], bench.chunk(job_id)
    for _ in range(3):
        with held_up(bench, job_id, chunk_max_attempts=3, heartbeat_seconds=60) as go_on:
            bench.execute(
                "SELECT pg_terminate_backend(backend_pid) FROM adsp.chunk_leases WHERE job_id = %s",
                str(job_id),
            )
            wait_for(lambda: not waiting_backends(bench), PATIENCE, "the backend is gone")
            seen.append(go_on().result(PATIENCE))
        chunk = bench.chunk(job_id)
        assert (chunk["state"] == "queued") == (chunk["next_attempt_at"] is not None)

    assert seen == [Outcome.POSTPONED, Outcome.POSTPONED, Outcome.FAILED]
    assert (chunk["state"], chunk["error_code"], chunk["attempt"]) == ("failed", "load-fault", 3)
    assert rows(bench) == []
    assert bench.announced == [job_id]


def test_a_fault_that_nobody_expects_is_an_attempt_and_on_record(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was an attempt only once its lease had expired, and its reason stood nowhere (rule 12)."""
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)

    def break_down(_load: load.Load) -> None:
        raise TypeError("x" * 5_000)

    monkeypatch.setattr(load.Load, "run", break_down)

    seen = [bench.loader(chunk_max_attempts=2).load_chunk(job_id, 0) for _ in range(2)]

    chunk = bench.chunk(job_id)
    assert seen == [Outcome.POSTPONED, Outcome.FAILED]
    assert (chunk["state"], chunk["error_code"], chunk["attempt"]) == ("failed", "load-fault", 2)
    assert "TypeError: xxx" in chunk["error_message"]
    assert len(chunk["error_message"]) <= MESSAGE_LIMIT
    assert bench.execute("SELECT FROM adsp.chunk_leases") == []


def test_a_fault_that_no_attempt_can_fix_fails_the_chunk_at_once(bench: LoadBench) -> None:
    bench.execute("CREATE SEQUENCE feed.s; REVOKE ALL ON SEQUENCE feed.s FROM adsp_loader")
    bench.execute("CREATE TABLE feed.t (id int, v text DEFAULT nextval('feed.s'))")

    job_id = bench.load(b"id\n1\n", PAIRS)

    chunk = bench.chunk(job_id)
    assert (chunk["state"], chunk["error_code"]) == ("failed", "table-not-permitted")
    assert "permission denied for sequence s" in chunk["error_message"]
    assert chunk["attempt"] == 1


class AnswerLost(Connection):
    """A connection that breaks right after its COMMIT of rows, as when the network fails at the worst moment."""

    def commit(self) -> None:
        """Commit; lose the answer if anything was written."""
        written = self._has_written()
        super().commit()
        if written:
            self._break()

    def _has_written(self) -> bool:
        with self.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            return cursor.fetchone() == (True,)

    def _break(self) -> None:
        self.close()
        raise psycopg2.OperationalError("server closed the connection unexpectedly")


class CommitLost(AnswerLost):
    """A connection that breaks before its COMMIT of rows arrives."""

    def commit(self) -> None:
        """Commit only what wrote nothing."""
        if self._has_written():
            self._break()
        super().commit()


@pytest.mark.parametrize(
    ("factory", "outcome", "loaded"),
    [(AnswerLost, Outcome.LOADED, 2), (CommitLost, Outcome.POSTPONED, 0)],
)
def test_when_the_answer_to_commit_is_lost_the_ledger_tells(
    bench: LoadBench,
    monkeypatch: pytest.MonkeyPatch,
    factory: type[Connection],
    outcome: Outcome,
    loaded: int,
) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)
    loader = bench.loader()

    def connect() -> Connection:
        """Make the loading connection one that breaks; every other one is whole."""
        return psycopg2.connect(bench.database.dsn_for("loader"), connection_factory=factory)

    monkeypatch.setattr(loader, "_connections", LoadingConnections(connect))

    assert loader.load_chunk(job_id, 0) is outcome
    assert len(rows(bench)) == loaded
    assert bench.chunk(job_id)["state"] == ("done" if loaded else "queued")


def test_a_broker_that_is_away_does_not_undo_a_load(bench: LoadBench) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(DATA, PAIRS)

    def refuse(_job_id: UUID, _request_id: str | None) -> None:
        raise PublishFault("nobody confirms")

    assert ChunkLoader(bench.settings(), refuse).load_chunk(job_id, 0) is Outcome.LOADED
    assert bench.chunk(job_id)["state"] == "done"


@pytest.mark.parametrize(
    ("data", "changes", "code"),
    [
        pytest.param(b"", {}, "source-empty", id="empty"),
        pytest.param(b"\n\r\n", {}, "source-empty", id="blank lines only"),
        pytest.param(b'id,"v\n1,2\n', {}, "header-malformed", id="malformed header"),
        pytest.param(b"id,w\n", {}, "header-unknown-column", id="unknown column"),
        pytest.param(b"v\na\n", {}, "header-missing-column", id="missing column"),
        pytest.param(b"id,v,id\n", {}, "header-repeated-column", id="repeated column"),
        pytest.param(gzip.compress(DATA * 99)[:-9], {}, "source-corrupt", id="truncated gzip"),
        pytest.param(
            gzip.compress(DATA) + gzip.compress(DATA)[:-1], {}, "source-corrupt", id="second member"
        ),
        pytest.param(zstd.compress(DATA * 99)[:-5], {}, "source-corrupt", id="truncated zstd"),
        pytest.param(
            zstd.compress(DATA) + zstd.compress(DATA)[:9],
            {},
            "source-corrupt",
            id="second frame",
        ),
        pytest.param(gzip.compress(DATA) + b"more", {}, "source-corrupt", id="rubbish behind"),
        pytest.param(
            DATA, {"format": {"compression": "zstd"}}, "source-corrupt", id="not compressed"
        ),
        pytest.param(DATA, {"table": "feed.nowhere"}, "table-missing", id="no table"),
        pytest.param(DATA, {"mode": "upsert", "key": ["v"]}, "key-not-unique", id="no unique key"),
    ],
)
def test_what_cannot_be_loaded_fails_with_a_code_and_leaves_no_row(
    bench: LoadBench, data: bytes, changes: dict[str, Any], code: str
) -> None:
    bench.execute(TABLE)

    job_id = bench.load(data, pairs(**changes))

    assert bench.chunk(job_id)["error_code"] == code
    assert rows(bench) == []


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress])
def test_a_source_that_grows_beyond_the_cap_publishes_nothing(
    bench: LoadBench, compress: Callable[[bytes], bytes]
) -> None:
    """Also when its first rows were good, which are found bad only with the last."""
    bench.execute(TABLE)
    data = b"id,v\n" + b"".join(b"%d,a\n" % number for number in range(20_000))

    job_id = bench.load(compress(data), PAIRS, max_decompressed_bytes=100_000, block_bytes=5_000)

    assert bench.chunk(job_id)["error_code"] == "source-too-large"
    assert rows(bench) == []


def test_replace_leaves_exactly_the_good_rows_and_readers_never_see_less(bench: LoadBench) -> None:
    bench.execute(TABLE + "; INSERT INTO feed.t VALUES (1, 'old'), (9, 'old')")
    job_id = bench.add_job(b"id,v\n1,new\n2,new\nx,bad\n40,late\n", pairs(mode="replace"))
    with (
        closing(psycopg2.connect(bench.database.superuser_dsn)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE adsp.failed_rows")
        future = pool.submit(bench.loader().load_chunk, job_id, 0)
        wait_for(
            lambda: waiting_backends(bench), PATIENCE, "everything but the failed rows is written"
        )

        assert rows(bench) == [(1, "old"), (9, "old")]
        other.rollback()
        assert future.result(PATIENCE) is Outcome.LOADED

    assert rows(bench) == [(1, "new"), (2, "new"), (40, "late")]
    assert bench.chunk(job_id)["rows_rejected"] == 1


def test_a_file_in_many_chunks_ends_like_the_file_in_one(bench: LoadBench) -> None:
    bench.execute("CREATE TABLE feed.t (id int, v text)")
    data = b"\xef\xbb\xbfid,v\r\n" + b'1,"a\r\nb"\r\nx,bad\n\n2,c\r3,"d\n4,e"\n5\n' * 20
    whole = bench.load(data, pairs(atomic=False))
    in_one = rows(bench)
    bench.execute("TRUNCATE feed.t")
    header = read_header(BytesIO(data), PAIRS.format)
    starts = find_boundaries(
        Text(BytesIO(data[header.byte_end :]), start=header.byte_end),
        PAIRS.format,
        40,
        first_line=header.next_line,
    )
    ends = [*(start.byte_offset for start in starts[1:]), None]
    chunks = [(s.byte_offset, e, s.line_number) for s, e in zip(starts, ends, strict=True)]

    job_id = bench.add_job(data, pairs(atomic=False), chunks)
    for number in range(len(chunks)):
        assert bench.loader().load_chunk(job_id, number) is Outcome.LOADED

    assert len(chunks) > 10
    assert rows(bench) == in_one
    assert bench.failed_rows(job_id) == bench.failed_rows(whole)
    done = [bench.chunk(job_id, number)["bytes_done"] for number in range(len(chunks))]
    assert sum(done) == len(data)
