"""What was refused is corrected and loaded: once, whatever is sent twice or killed."""

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from libs.client.client import Client
from libs.client.models import Job
from tests.endtoend.system import System

HEADER = "sku,name,category,price,quantity,updated_at"
GOOD = "{},lamp,tools,9.99,3,2026-01-01 00:00:00+00"
BAD = "{},lamp,tools,cheap,3,2026-01-01 00:00:00+00"


def _write(path: Path, good: int, bad: int, line: str = BAD) -> None:
    """Write a source of which the first `bad` records are refused."""
    lines = [line.format(f"BAD-{number}") for number in range(bad)]
    lines += [GOOD.format(f"GOOD-{number}") for number in range(good)]
    path.write_text("\n".join([HEADER, *lines]) + "\n")


def _load(system: System, client: Client, name: str, **definition: object) -> Job:
    """Load the source called `name` into a dataset and a table of the same name."""
    table = f"public.{name}"
    client.put_dataset(name, {"table": table, "source": f"{name}.csv"} | definition)
    return system.wait_over(client.submit(dataset=name))


def _correct(client: Client, job: Job, path: Path) -> Path:
    """Export a job's failed rows as they stood in the source and fix them as a person would."""
    exported = client.get(f"/v1/jobs/{job.id}/failed-rows", format="source").text
    path.write_text(exported.replace("cheap", "1.99"))
    return path


def test_rows_that_were_refused_are_corrected_and_loaded_once(system: System) -> None:
    """Reject, export, fix, replay: all rows are in; the same replay again loads nothing."""
    table = system.make_table("fixed")
    _write(system.incoming / "fixed.csv", good=7, bad=3)
    with system.client as client:
        first = _load(system, client, "fixed", max_rejected_ratio=0.5)
        corrected = _correct(client, first, system.folder / "corrected.csv")
        replay, again = (system.wait_over(client.replay(first.id, corrected)) for _ in range(2))

    assert (first.state, first.rows_rejected) == ("completed_with_rejects", 3)
    assert (replay.state, replay.trigger) == ("succeeded", "replay")
    assert (replay.replay_of, replay.rows_loaded) == (first.id, 3)
    assert (again.state, again.duplicate_of) == ("duplicate", replay.id)
    assert system.count(table) == 10


def test_rows_are_replayed_as_they_are_when_the_table_takes_them_now(system: System) -> None:
    """Also when all rows of the source had failed, so that the replay has the very bytes of the source."""
    table = system.make_table("taken")
    system.execute(f"ALTER TABLE {table} ADD CONSTRAINT closed CHECK (sku LIKE 'GOOD%')")
    _write(system.incoming / "taken.csv", good=0, bad=4, line=GOOD)
    with system.client as client:
        first = _load(system, client, "taken")
        (system.incoming / "taken.csv").unlink()
        refused = system.wait_over(client.replay(first.id))
        system.execute(f"ALTER TABLE {table} DROP CONSTRAINT closed")
        same = system.wait_over(client.replay(first.id))
        of_replay = system.wait_over(client.replay(refused.id))

    assert (first.rows_rejected, refused.rows_rejected) == (4, 4)
    assert (same.state, same.duplicate_of) == ("duplicate", refused.id)
    assert (of_replay.state, of_replay.rows_loaded) == ("succeeded", 4)
    assert of_replay.replay_of == refused.id
    assert system.count(table) == 4


def test_rows_of_a_utf_16_file_are_replayed_in_its_byte_order(system: System) -> None:
    """Neither the failed rows nor the replay have the mark that showed the order; the job remembers it."""
    table = system.make_table("wide")
    path = system.incoming / "wide.csv"
    _write(path, good=3, bad=2, line=BAD.replace("lamp", "ламπ漢😀"))
    path.write_bytes(("\ufeff" + path.read_text(encoding="utf-8")).encode("utf-16-be"))
    with system.client as client:
        first = _load(system, client, "wide", format={"encoding": "utf-16"})
        as_they_are = system.wait_over(client.replay(first.id))
        exported = client.get(f"/v1/jobs/{first.id}/failed-rows", format="source").content
        corrected = system.folder / "wide.csv"
        corrected.write_bytes(
            exported.decode("utf-16-be").replace("cheap", "1.99").encode("utf-16-be")
        )
        fixed = system.wait_over(client.replay(first.id, corrected))
        [shown, _] = client.failed_rows(first.id)

    assert (first.rows_loaded, first.rows_rejected) == (3, 2)
    assert as_they_are.rows_rejected == 2
    assert (fixed.state, fixed.rows_loaded) == ("succeeded", 2)
    assert shown.raw == BAD.format("BAD-0").replace("lamp", "ламπ漢😀")
    assert shown.byte_offset == 2 * len("\ufeff" + HEADER + "\n")
    assert system.count(table) == 5


@pytest.mark.parametrize("mode", ["replace", "upsert"])
def test_a_replay_leaves_the_other_rows_where_they_are(system: System, mode: str) -> None:
    """Into a table that is replaced each day, the corrected rows are added."""
    name = f"replayed_{mode}"
    table = system.make_table(name)
    _write(system.incoming / f"{name}.csv", good=5, bad=2)
    with system.client as client:
        key = {"key": ["sku"]} if mode == "upsert" else {}
        first = _load(system, client, name, mode=mode, **key)
        corrected = _correct(client, first, system.folder / f"{name}.csv")
        replay = system.wait_over(client.replay(first.id, corrected))

    assert (replay.state, replay.rows_loaded) == ("succeeded", 2)
    assert system.count(table) == 7


@pytest.mark.parametrize("service", ["worker", "loader", "api"])
def test_a_service_that_is_killed_in_mid_replay_loses_and_repeats_nothing(
    system: System, service: str
) -> None:
    """The load waits for a lock meanwhile, so that it is killed in the middle."""
    name = f"replay_killed_{service}"
    table = system.make_table(name)
    _write(system.incoming / f"{name}.csv", good=10, bad=500)
    with system.client as client, closing(psycopg2.connect(system.database.dsn_for("owner"))) as by:
        first = _load(system, client, name)
        corrected = _correct(client, first, system.folder / f"{name}.csv")
        with by, by.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN SHARE MODE")
            replay = client.replay(first.id, corrected)
            system.wait_held(30)
            system.kill(service)
        system.start(service)
        system.wait_ready()
        ended = system.wait_over(replay, 120)

    assert (ended.state, ended.rows_loaded) == ("succeeded", 500)
    assert system.count(table) == 510
