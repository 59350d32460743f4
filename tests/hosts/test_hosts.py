"""Several hosts share nothing but a network: every loader takes part, and what befalls a host loses no row.

The short form of `./dev hosts`, which has every fault, longer ones, and measures how throughput grows with loaders.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from libs.devstack.testing.waiting import wait_for
from tests.hosts.faults import ROWS, SLOW_MBIT, host_faults, run_fault
from tests.hosts.network import cut
from tests.hosts.site import LOADERS, Site

SECONDS = 6.0
"""Twice a lease."""
SHORT = (
    "every loader is cut off from PostgreSQL in its load",
    "the worker is cut off from all in its load",
    "a loader's host is lost",
)


def test_every_loader_takes_part_and_each_row_is_there_once(site: Site) -> None:
    for name in LOADERS:
        site.host(name).limit(SLOW_MBIT)
    job = site.deliver(2 * ROWS)

    verdict = site.wait_over(job, 120)

    assert verdict.is_clean, str(verdict)
    assert min(site.chunks_by_loader(job).values()) > 0


def test_an_upload_reaches_the_loaders_through_the_bucket(site: Site, tmp_path: Path) -> None:
    first = site.deliver(100)
    site.wait_over(first, 60)
    sent = tmp_path / "sent.csv"
    sent.write_bytes(first.content.path.read_bytes().replace(b"name ", b"another "))
    with site.system.client as client:
        job = client.wait(client.load(first.feed.name, sent), seconds=60)

    assert job.source.startswith("s3://landing/sent/")
    assert job.rows_loaded == first.content.rows.total()


def test_a_load_without_postgres_ends_with_its_lease_and_its_child_is_free(site: Site) -> None:
    """The kernel would let it wait for a quarter of an hour, and a while after Postgres is back."""
    loader, port = site.host("loader-1"), site.addresses.postgres_port
    loader.limit(SLOW_MBIT)
    for name in LOADERS[1:]:
        site.system.kill(name)
    job = site.deliver(ROWS)
    site.wait_chunks(job)
    before = len(site.system.log_lines("loader-1"))
    cut(loader, site.host("servers"), port)

    # A load ends with its lease; one that had not begun has asked for a connection that it kept.
    ends = {"chunk_lease_lost", "database_unreachable"}
    wait_for(
        lambda: any(line["event"] in ends for line in site.system.log_lines("loader-1")[before:]),
        20,
        "the load is given up",
    )

    site.network.heal()
    assert site.wait_over(job, 120).is_clean


@pytest.mark.parametrize("name", SHORT)
def test_every_row_is_there_once_whatever_befalls_a_host(site: Site, name: str) -> None:
    [fault] = [each for each in host_faults() if each.name == name]

    outcome = run_fault(site, replace(fault, seconds=min(fault.seconds, SECONDS)))

    assert outcome.verdict.is_clean, str(outcome)
