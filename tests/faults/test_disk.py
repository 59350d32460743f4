"""A disk is full: a load fails with the reason or is done later, an upload is refused, nothing is half there."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from libs.devstack.cluster import administration
from tests.faults.harness.cells import Cell, assert_loaded_once, make_cell
from tests.faults.harness.checker import settle, unfinished
from tests.faults.harness.machine import Machine


@pytest.fixture
def small_disk(machine: Machine) -> Iterator[Path]:
    """Give a mount of 4 MB that belongs to the servers' account."""
    if os.geteuid() != 0:
        pytest.skip("a small disk is a mount, which needs root")
    place = machine.system.folder.parent / f"disk-{uuid.uuid4().hex[:6]}"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", place],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _put_on_disk(machine: Machine, cell: Cell, disk: Path) -> None:
    """Let the cell's table lie on a small disk."""
    folder = machine.server("PostgreSQL").command.account.make_folder(disk / "space")
    space = f"small_{uuid.uuid4().hex[:6]}"
    with administration(machine.addresses, "adsp") as cursor:
        cursor.execute(f"CREATE TABLESPACE {space} LOCATION '{folder}'")
        cursor.execute(f"ALTER TABLE {cell.feed.table} SET TABLESPACE {space}")


def test_when_postgres_is_full_the_job_is_loaded_once_there_is_room(
    machine: Machine, small_disk: Path
) -> None:
    """A full disk (SQLSTATE 53100) is a fault of the system: the chunk is put off, no row stays."""
    cell = make_cell(machine)
    _put_on_disk(machine, cell, small_disk)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(b"x" * (8 << 20))
    accepted = cell.submit()
    loaders = ("loader-1", "loader-2")
    assert settle(
        machine,
        lambda: any(
            line["event"] == "chunk_postponed" and line["job_id"] == accepted.job_id
            for loader in loaders
            for line in machine.system.log_lines(loader)
        ),
    )
    assert machine.system.count(cell.feed.table) == 0
    ballast.unlink()

    assert_loaded_once(machine, accepted)
    cell.drop()


def test_when_postgres_stays_full_the_job_fails_with_the_reason_and_no_row(
    machine: Machine, small_disk: Path
) -> None:
    for loader in ("loader-1", "loader-2"):
        machine.system.kill(loader)
        machine.system.start(loader, ADSP_CHUNK_MAX_ATTEMPTS="2")
    cell = make_cell(machine, rows=60_000)
    _put_on_disk(machine, cell, small_disk)

    accepted = cell.submit()

    assert settle(machine, lambda: not unfinished(machine, [accepted]))
    [(state, code, message)] = machine.system.query(
        "SELECT state, error_code, error_message FROM adsp.jobs WHERE id = %s", accepted.job_id
    )
    assert (state, code) == ("failed", "load-fault")
    assert "No space left on device" in message
    assert machine.system.count(cell.feed.table) == 0
    cell.drop()


def test_when_the_upload_area_is_full_the_upload_is_refused_and_leaves_nothing(
    machine: Machine, small_disk: Path
) -> None:
    cell = make_cell(machine)
    machine.system.kill("api")
    machine.system.start("api", ADSP_UPLOAD_DIR=str(small_disk))
    machine.system.wait_ready()
    with httpx.Client(base_url=machine.system.url, timeout=30) as client:
        answer = client.post(
            f"/v1/datasets/{cell.feed.name}/uploads",
            params={"filename": "large.csv"},
            content=b"x" * (8 << 20),
        )
    machine.system.kill("api")
    machine.system.start("api")
    machine.system.wait_ready()

    assert answer.status_code == 507
    assert answer.headers["content-type"] == "application/problem+json"
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []
    assert cell.count_jobs() == 0
