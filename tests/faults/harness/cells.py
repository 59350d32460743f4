"""What the cells of the fault matrix share: a feed of one file, a load held in its middle, the expected end."""

import json
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pika
import psycopg2

from libs.client.client import Client
from libs.common.messaging.amqp import broker_parameters
from libs.common.messaging.names import JOBS_QUEUE, PLAN
from libs.devstack.addresses import VHOST
from libs.devstack.management import call_management
from libs.devstack.testing.waiting import wait_for
from tests.faults.harness.checker import settle, unfinished
from tests.faults.harness.clients import Accepted, Feed, make_table
from tests.faults.harness.contents import TAIL, Row, write_content
from tests.faults.harness.injection import purge
from tests.faults.harness.machine import Machine, descendants, send_signal
from tests.faults.harness.verdicts import judge

_BACKLOG = 5_000
LEASE_SECONDS = 3.0
"""How long a lease lasts in these tests; 30 s outside. What is stopped for 60 s there is for 6 s here."""


@dataclass(frozen=True)
class Cell:
    """A machine and a feed of one file that is to end up in its table once."""

    machine: Machine
    feed: Feed

    def submit(self, key: str | None = None, timeout: float = 30.0) -> Accepted:
        """Ask for the file to be loaded."""
        content = self.feed.contents[0]
        with Client(self.machine.system.url, timeout=timeout, retry_seconds=0) as client:
            job = client.submit(
                dataset=self.feed.name, source=content.path.name, idempotency_key=key
            )
        return Accepted(job.id, self.feed, content)

    def fill(self, rows: Sequence[Row]) -> None:
        """Put rows into the table that are there before; what the checker does not compare is as in files."""
        self.machine.system.query(
            f"INSERT INTO {self.feed.table} SELECT sku, name, 'test', price::numeric, quantity, %s::timestamptz"
            " FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[]) AS given (sku, name, price, quantity)",
            TAIL,
            *map(list, zip(*rows, strict=True)),
        )

    def count_jobs(self) -> int:
        """Return how many jobs the feed has."""
        return self.machine.system.count(f"adsp.jobs WHERE dataset = '{self.feed.name}'")

    def all(self) -> list[Accepted]:
        """Return all jobs of the feed, whoever made them."""
        rows = self.machine.system.query(
            "SELECT id::text FROM adsp.jobs WHERE dataset = %s", self.feed.name
        )
        return [Accepted(job_id, self.feed, self.feed.contents[0]) for (job_id,) in rows]

    def drop(self) -> None:
        """Drop the table, which may lie where there is soon nothing."""
        self.machine.system.execute(f"DROP TABLE {self.feed.table}")

    def state_of(self, job: Accepted) -> str:
        """Return the state of a job."""
        [(state,)] = self.machine.system.query(
            "SELECT state FROM adsp.jobs WHERE id = %s", job.job_id
        )
        return str(state)

    def wait_over(self, seconds: float) -> None:
        """Wait until all jobs of the feed are over, while nobody fixes anything."""
        open_jobs = f"adsp.jobs WHERE dataset = '{self.feed.name}' AND finished_at IS NULL"
        wait_for(lambda: not self.machine.system.count(open_jobs), seconds, "the jobs are over")

    @contextmanager
    def held_in_copy(self) -> Iterator[None]:
        """Let the load wait in the middle of its COPY: somebody else has inserted the last key."""
        *_, last = self.feed.contents[0].rows
        statement = f"INSERT INTO {self.feed.table} VALUES (%s, 'held', 'held', 1, 1, now())"
        with _transaction(self.machine, statement, last[0]):
            yield

    @contextmanager
    def held_in_plan(self) -> Iterator[None]:
        """Let plans wait before they write their chunks."""
        with _transaction(self.machine, "LOCK TABLE adsp.chunks IN SHARE MODE"):
            yield

    def wait_held(self, role: str = "loader") -> None:
        """Wait until a backend of a role waits for a lock."""
        wait_for(lambda: self.is_held(role), 60, f"the {role} is held up")

    def is_held(self, role: str) -> bool:
        """Return whether a backend of a role waits for a lock."""
        waiting = self.machine.system.count(
            "pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
            f" WHERE NOT l.granted AND a.usename = 'adsp_{role}'"
        )
        return waiting > 0


def make_cell(
    machine: Machine, *, rows: int = 2_000, named_source: bool = False, **definition: Any
) -> Cell:
    """Make a table with a key, a dataset and a file, which the dataset may name as its source."""
    name = f"cell-{uuid.uuid4().hex[:10]}"
    table = make_table(machine.system, name.replace("-", "_"), keyed=True)
    whole = {"table": table, "mode": "append", **definition}
    rng = random.Random(rows)
    content = write_content(machine.system.incoming / f"{name}.csv", rng, rows)
    if named_source:
        whole["source"] = content.path.name
    with machine.system.client as client:
        client.put_dataset(name, whole)
    return Cell(machine, Feed(name, table, whole, [content]))


def assert_loaded_once(machine: Machine, *accepted: Accepted) -> None:
    """Wait for the end of jobs; every row must be there once, every failed row on record."""
    over = settle(machine, lambda: not unfinished(machine, accepted))
    assert over, unfinished(machine, accepted)

    verdict = judge(machine.system, accepted)
    assert verdict.is_clean, str(verdict)


def family(machine: Machine, service: str) -> list[int]:
    """Return a service's process and its children."""
    parent = machine.system.processes[service].pid
    return [parent, *descendants(parent)]


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to several processes."""
    for pid in pids:
        send_signal(pid, number)


def loaders_at_work(machine: Machine) -> list[str]:
    """Return the names of the loaders that hold a lease."""
    pids = children_at_work(machine)
    return [name for name in ("loader-1", "loader-2") if pids & set(family(machine, name))]


def children_at_work(machine: Machine) -> set[int]:
    """Return the processes that hold a lease, each a child of a loader."""
    holders = machine.system.query("SELECT holder FROM adsp.chunk_leases")
    return {int(holder.split(":")[1]) for (holder,) in holders}


def unacknowledged(machine: Machine, queue: str) -> int:
    """Return how many messages of a queue are with a consumer, as far as the broker's figures tell."""
    figures = call_management(machine.addresses, "GET", f"/api/queues/{VHOST}/{queue}")
    return int(figures.get("messages_unacknowledged", 0))


@contextmanager
def backlog_of_plans(machine: Machine) -> Iterator[Callable[[], int]]:
    """Put thousands of plans, of no job, before the worker; yield what counts those that still wait."""
    url = machine.addresses.broker_url()
    with closing(pika.BlockingConnection(broker_parameters(url))) as connection:
        channel = connection.channel()
        for _ in range(_BACKLOG):
            job_id = str(uuid.uuid4())
            properties = pika.BasicProperties(
                content_type="application/json",
                content_encoding="utf-8",
                headers={"task": PLAN, "id": job_id},
            )
            body = json.dumps([[], {"job_id": job_id}, {}])
            channel.basic_publish("", JOBS_QUEUE, body.encode(), properties)
        yield lambda: channel.queue_declare(JOBS_QUEUE, passive=True).method.message_count
    purge(machine)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail when the block takes longer."""
    start = time.monotonic()
    yield
    took = time.monotonic() - start

    assert took < seconds, f"took {took:.1f} s"


@contextmanager
def _transaction(machine: Machine, statement: str, *parameters: object) -> Iterator[None]:
    """Keep a transaction of the owner's open, and roll it back."""
    connection = psycopg2.connect(machine.system.database.dsn_for("owner"))
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
        yield
    finally:
        connection.close()
