"""What served its purpose is removed after its time, and what a job still needs is not."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from libs.common.enums import Trigger
from libs.common.ids import earliest_uuid7, uuid7
from libs.common.ledger.jobs import JobRequest, create_job
from libs.common.ledger.models import DirectUpload, Event, IdempotencyKey, Job, Upload
from libs.common.sources.stores import retries
from libs.common.sources.stores.connections import Connections
from libs.common.sources.upload_folders import upload_folder
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.stores import Fault, s3_server
from services.worker.cleanup import Removed, delete_expired
from services.worker.tests.conftest import Bench

LONG_AGO = datetime.now(UTC) - timedelta(days=31)
LATELY = datetime.now(UTC) - timedelta(days=29)

Execute = Callable[..., None]


@pytest.fixture
def execute(clean_database: ScratchDatabase) -> Execute:
    """Return a function that changes the ledger as nobody else may."""

    def run(statement: str, *parameters: object) -> None:
        connection = psycopg2.connect(clean_database.superuser_dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters)
        finally:
            connection.close()

    return run


def _upload(bench: Bench, moment: datetime, name: str = "items.csv") -> Path:
    """Put a file where an upload of that moment would have."""
    folder = bench.worker.settings.upload_dir / upload_folder(_id_of(moment))
    folder.mkdir(parents=True)
    (folder / name).write_text("sku\n1\n")
    return folder


def _id_of(moment: datetime) -> UUID:
    """Return an id as it is made at a moment."""
    return UUID(int=earliest_uuid7(moment).int | uuid7().int & ((1 << 62) - 1))


def _job_of(bench: Bench, folder: Path, execute: Execute, ended: datetime | None) -> Job:
    """Make the job of an upload, which ended then or is not over."""
    job = bench.make_job(trigger=Trigger.UPLOAD, source=str(folder / "items.csv"))
    if ended is not None:
        execute(
            "UPDATE adsp.jobs SET state = 'succeeded', finished_at = %s WHERE id = %s",
            ended,
            str(job.id),
        )
    return job


def test_an_upload_goes_a_while_after_its_job_is_over(bench: Bench, execute: Execute) -> None:
    bench.put_dataset()
    done, late, live = (_upload(bench, LONG_AGO) for _ in range(3))
    _job_of(bench, done, execute, LONG_AGO)
    _job_of(bench, late, execute, LATELY)
    _job_of(bench, live, execute, None)

    removed = delete_expired(bench.worker)

    assert removed == Removed(uploads=1, events=0, idempotency_keys=0, failed_rows=0, chunks=0)
    assert [folder.exists() for folder in (done, late, live)] == [False, True, True]


def test_the_folder_of_a_day_goes_with_its_last_upload(bench: Bench, execute: Execute) -> None:
    """Also those go that were made before there were days."""
    bench.put_dataset()
    area = bench.worker.settings.upload_dir
    gone, needed = _upload(bench, LONG_AGO), _upload(bench, LONG_AGO - timedelta(days=1))
    _job_of(bench, needed, execute, None)
    flat = area / str(_id_of(LONG_AGO))
    flat.mkdir()
    (flat / "items.csv").write_text("sku\n")

    assert delete_expired(bench.worker).uploads == 2
    assert [*area.iterdir()] == [needed.parent]
    assert not gone.exists()


def test_an_upload_is_kept_for_whatever_job_is_made_of_it(bench: Bench, execute: Execute) -> None:
    """A second job may name the file by another path; a planned one knows where it lies."""
    bench.put_dataset()
    relative, planned = (_upload(bench, LONG_AGO) for _ in range(2))
    for folder in (relative, planned):
        _job_of(bench, folder, execute, LONG_AGO)
    bench.make_job(source=f"{relative.name}/items.csv")
    by_pattern = bench.make_job(source=f"{planned.name}/*.csv")
    execute(
        "UPDATE adsp.jobs SET source = '*/x.csv', source_path = %s WHERE id = %s",
        str(planned / "items.csv"),
        str(by_pattern.id),
    )

    assert delete_expired(bench.worker).uploads == 0

    assert relative.exists()
    assert planned.exists()


def test_a_file_that_no_job_was_made_of_goes_too(bench: Bench) -> None:
    """Its api died between the file and the job, or did not know whether there was one."""
    old, new = _upload(bench, LONG_AGO), _upload(bench, LATELY)

    assert delete_expired(bench.worker).uploads == 1

    assert (old.exists(), new.exists()) == (False, True)


def test_what_is_not_an_uploads_stays(bench: Bench, tmp_path: Path) -> None:
    """A file that is still being sent, what people put there, and what a link leads to."""
    area = bench.worker.settings.upload_dir
    sending = _upload(bench, LONG_AGO, ".items.csv.part")
    (area / "mine").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (area / str(_id_of(LONG_AGO))).symlink_to(elsewhere)

    assert delete_expired(bench.worker).uploads == 0

    assert sending.exists()
    assert (area / "mine").exists()
    assert elsewhere.exists()


def test_a_file_that_cannot_be_removed_keeps_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double: the tests run as root, whom no folder refuses."""
    stubborn, other = _upload(bench, LONG_AGO), _upload(bench, LONG_AGO)
    remove = shutil.rmtree

    def refuse(folder: Path) -> None:
        if folder.name == stubborn.name:
            raise PermissionError(13, "Permission denied", str(folder))
        remove(folder)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with capture_logs() as logs:
        removed = delete_expired(bench.worker)

    assert removed.uploads == 1
    assert not other.exists()
    assert [line["folder"] for line in logs if line["event"] == "upload_not_removed"] == [
        stubborn.name
    ]


def test_a_folder_that_cannot_be_listed_keeps_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double, for the same reason; all but one are refused, since folders come in no order."""
    folders = [_upload(bench, LONG_AGO) for _ in range(5)]
    readable = folders[2]
    list_folder = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        if folder in folders and folder != readable:
            raise PermissionError(13, "Permission denied", str(folder))
        return list_folder(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with capture_logs() as logs:
        removed = delete_expired(bench.worker)

    assert removed.uploads == 1
    assert [folder.exists() for folder in folders] == [True, True, False, True, True]
    assert len([line for line in logs if line["event"] == "upload_not_removed"]) == 4


def test_events_go_a_while_after_they_were_published(bench: Bench, execute: Execute) -> None:
    """One that could not be published stays, however old."""
    bench.put_dataset()
    job = bench.make_job()
    kept = [_id_of(LATELY), _id_of(LONG_AGO)]
    with bench.worker.sessions.begin() as session:
        for event_id, published in [
            (_id_of(LONG_AGO), LONG_AGO),
            (kept[0], LATELY),
            (kept[1], None),
        ]:
            session.add(
                Event(
                    id=event_id,
                    job_id=job.id,
                    type="job.succeeded",
                    payload={},
                    published_at=published,
                )
            )

    assert delete_expired(bench.worker).events == 1

    with bench.worker.sessions() as session:
        assert {event.id for event in session.query(Event)} == set(kept)


def test_idempotency_keys_are_forgotten_in_bounded_batches(bench: Bench, execute: Execute) -> None:
    bench.put_dataset()
    job = bench.make_job()
    execute(
        "INSERT INTO adsp.idempotency_keys (key, route, request_hash, job_id, created_at)"
        " SELECT n::text, 'POST /v1/jobs', 'x', %s, now() - make_interval(days => n)"
        " FROM generate_series(1, 12) AS n",
        str(job.id),
    )
    bench.set(retention_batch=3)

    removed = [delete_expired(bench.worker).idempotency_keys for _ in range(3)]

    assert removed == [3, 3, 0]
    with bench.worker.sessions() as session:
        assert {int(key.key) for key in session.query(IdempotencyKey)} == {1, 2, 3, 4, 5, 6}


def test_nothing_is_removed_when_all_is_kept_for_ever(bench: Bench) -> None:
    old = _upload(bench, LONG_AGO)
    bench.set(upload_retention_days=0, event_retention_days=0, idempotency_retention_days=0)

    assert delete_expired(bench.worker) == Removed(0, 0, 0, 0, 0)
    assert old.exists()


def test_a_ledger_that_is_away_removes_nothing(bench: Bench, execute: Execute) -> None:
    """Nobody can tell which files are needed."""
    old = _upload(bench, LONG_AGO)
    execute("REVOKE SELECT ON adsp.jobs FROM adsp_worker")
    try:
        with capture_logs() as logs:
            assert delete_expired(bench.worker).uploads == 0
    finally:
        execute("GRANT SELECT ON adsp.jobs TO adsp_worker")

    assert old.exists()
    assert {line["step"] for line in logs if line["event"] == "retention_step_failed"} == {
        "_remove_uploads",
        "remove_old_failed_rows",
    }


def test_a_file_counts_for_its_owner_until_it_is_removed(bench: Bench, execute: Execute) -> None:
    """Also one that somebody else has removed; one that is needed, or young, counts on."""
    bench.put_dataset()
    gone, needed, young = (_upload(bench, moment) for moment in (LONG_AGO, LONG_AGO, LATELY))
    taken = bench.worker.settings.upload_dir / str(_id_of(LONG_AGO))
    _job_of(bench, needed, execute, None)
    for folder in (gone, needed, young, taken):
        execute(
            "INSERT INTO adsp.uploads (folder, owner, bytes, created_at) VALUES (%s, 'a', 1, %s)",
            folder.name,
            LATELY if folder == young else LONG_AGO,
        )

    delete_expired(bench.worker)

    with bench.worker.sessions() as session:
        left = set(session.scalars(select(Upload.folder)))
    assert {str(folder) for folder in left} == {needed.name, young.name}


def test_uploads_in_a_store_go_as_those_in_a_folder(bench: Bench, execute: Execute) -> None:
    """Also the quota of their owners; what people have put beside them stays, and an old folder is emptied too."""
    bench.put_dataset()
    here = _upload(bench, LONG_AGO)
    with s3_server() as served:
        bench.set(
            connections=Connections.model_validate({"c": served.connection}),
            upload_store="s3://landing/sent/",
        )
        gone, needed, young = (_id_of(moment) for moment in (LONG_AGO, LONG_AGO, LATELY))
        keys = [f"sent/{folder}/items.csv" for folder in (gone, needed, young)]
        for key in (*keys, "sent/of people/a.csv", f"elsewhere/{gone}/a.csv"):
            served.put(key, b"sku\n")
        with bench.worker.sessions.begin() as session:
            url = f"s3://landing/sent/{needed}/items.csv"
            create_job(session, JobRequest(dataset="items", trigger=Trigger.UPLOAD, source=url))
        for folder in (gone, needed, young):
            execute(
                "INSERT INTO adsp.uploads (folder, owner, bytes, created_at) VALUES (%s, 'a', 1, %s)",
                str(folder),
                LATELY if folder == young else LONG_AGO,
            )

        removed = delete_expired(bench.worker)
        names = served.names()

    with bench.worker.sessions() as session:
        left = set(session.scalars(select(Upload.folder)))
    assert removed.uploads == 2
    assert not here.exists()
    assert names == {*keys[1:], "sent/of people/a.csv", f"elsewhere/{gone}/a.csv"}
    assert left == {needed, young}


def _announce(execute: Execute, moment: datetime, bucket: str = "landing") -> str:
    """Put a file on record that a client sends to the bucket itself; return its key."""
    upload_id = str(_id_of(moment))
    key = f"sent/{upload_folder(UUID(upload_id))}/items.csv"
    execute(
        "INSERT INTO adsp.direct_uploads (id, dataset, url, bytes) VALUES (%s, 'items', %s, 4)",
        upload_id,
        f"s3://{bucket}/{key}",
    )
    return key


def test_what_clients_sent_to_the_store_goes_after_a_day(bench: Bench, execute: Execute) -> None:
    """Also what was sent after its job was made; what never came, or lies in no store any more, is forgotten."""
    bench.put_dataset()
    job = bench.make_job()
    old, lately = datetime.now(UTC) - timedelta(hours=25), datetime.now(UTC) - timedelta(hours=23)
    with s3_server() as served:
        bench.set(
            connections=Connections.model_validate({"c": served.connection}),
            upload_store="s3://landing/sent/",
            upload_retention_days=0,
        )
        gone, claimed, young = (_announce(execute, moment) for moment in (old, old, lately))
        _announce(execute, old)
        _announce(execute, old, "elsewhere")
        for key in (gone, claimed, young):
            served.put(key, b"sku\n")
        execute(
            "UPDATE adsp.direct_uploads SET job_id = %s WHERE position(id::text IN %s) > 0",
            str(job.id),
            claimed,
        )
        with capture_logs() as logs:
            removed = delete_expired(bench.worker)
        names = served.names()

    with bench.worker.sessions() as session:
        left = [*session.scalars(select(DirectUpload.url))]
    assert removed.uploads == 2
    assert names == {young}
    assert left == [f"s3://landing/{young}"]
    assert len([line for line in logs if line["event"] == "upload_not_removed"]) == 1


def test_what_clients_sent_stays_on_record_while_its_store_is_away(
    bench: Bench, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps nothing of other stores, however much of it there is, and each store is asked a few times."""
    monkeypatch.setattr(retries, "_WAITS", ())
    away = {"kind": "s3", "endpoint": "http://127.0.0.1:9", "region": "x"}
    keys = {"access_key_id": "a", "secret_access_key": "b"}
    with s3_server() as served:
        connections = {
            "here": served.connection,
            **{name: away | keys | {"bucket": name} for name in ("old", "older")},
        }
        bench.set(
            connections=Connections.model_validate(connections),
            upload_retention_days=0,
            retention_batch=8,
        )
        times = [LONG_AGO + timedelta(minutes=minute) for minute in range(12)]
        buckets = [*["older"] * 5, *["old"] * 5, "landing", "landing"]
        keys_of = [_announce(execute, *placed) for placed in zip(times, buckets, strict=True)]
        for key in keys_of[-2:]:
            served.put(key, b"sku\n")
        with capture_logs() as logs:
            removed = delete_expired(bench.worker)

        assert (removed.uploads, served.names()) == (2, set())
    with bench.worker.sessions() as session:
        assert len(session.scalars(select(DirectUpload.id)).all()) == 10
    assert len([line for line in logs if line["event"] == "upload_not_removed"]) == 6


def test_an_upload_that_its_store_fails_on_keeps_no_other(bench: Bench, execute: Execute) -> None:
    """The oldest one, at each look."""
    with s3_server() as served:
        bench.set(
            connections=Connections.model_validate({"c": served.connection}),
            upload_retention_days=0,
        )
        first, second = (
            _announce(execute, LONG_AGO + timedelta(minutes=minute)) for minute in (0, 1)
        )
        for key in (first, second):
            served.put(key, b"sku\n")
        served.faults.next[:] = [Fault.EXPIRED]

        assert delete_expired(bench.worker).uploads == 1
        assert served.names() == {first}


def test_an_upload_that_its_store_keeps_keeps_no_other(bench: Bench) -> None:
    """Also where the area is a whole bucket."""
    with s3_server() as served:
        bench.set(
            connections=Connections.model_validate({"c": served.connection}),
            upload_store="s3://landing/",
        )
        locked, gone = sorted(str(_id_of(LONG_AGO)) for _ in range(2))
        for folder in (locked, gone):
            served.put(f"{folder}/items.csv", b"sku\n")
        served.faults.next[:] = [None, None, Fault.DENIED]  # list, look, delete

        removed = delete_expired(bench.worker)
        names = served.names()

    assert removed.uploads == 1
    assert names == {f"{locked}/items.csv"}


def test_a_store_that_is_away_keeps_nothing_else_from_being_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_WAITS", ())
    away = {"kind": "s3", "bucket": "sent", "endpoint": "http://127.0.0.1:9", "region": "x"}
    keys = {"access_key_id": "a", "secret_access_key": "b"}
    bench.set(
        connections=Connections.model_validate({"c": away | keys}), upload_store="s3://sent/up/"
    )

    assert delete_expired(bench.worker).uploads == 0
