"""Submit jobs as clients do who want an answer: again and again with the same key, within a bound."""

import random
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from libs.client.client import Client
from libs.client.errors import ApiUnreachable, RefusedRequest
from tests.endtoend.system import System
from tests.faults.harness.contents import Content, write_content

PATIENCE = 60.0
"""Seconds that a client keeps trying."""
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Feed:
    """A dataset of one episode: how it loads, and the files that are sent to it."""

    name: str
    table: str
    definition: dict[str, Any]
    contents: list[Content]

    @property
    def sets_state(self) -> bool:
        """Return whether a delivery's place in time decides what becomes of it."""
        return self.definition["mode"] in {"upsert", "replace"}


@dataclass(frozen=True)
class Delivery:
    """A file as it is sent for a day."""

    content: Content
    data_date: date
    force: bool = False


@dataclass(frozen=True)
class Accepted:
    """A job that the api answered 202 to."""

    job_id: str
    feed: Feed
    content: Content


@dataclass
class Submissions:
    """What the clients have sent so far; `accepted` grows while they are at it."""

    accepted: list[Accepted] = field(default_factory=list)
    repeated: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def make_feeds(system: System, seed: int, rng: random.Random, scale: int) -> list[Feed]:
    """Make the tables, datasets and files of an episode; `scale` is the size of a usual file in rows."""
    feeds = []
    for kind, options in _KINDS.items():
        name = f"s{seed}-{kind}-{uuid.uuid4().hex[:6]}"
        table = make_table(system, name.replace("-", "_"), keyed=kind in {"upsert", "replace"})
        contents = [
            write_content(
                system.incoming / f"{name}-{number}.csv",
                rng,
                rng.choice([1, scale // 10, scale, 3 * scale]),
                upsert=kind == "upsert",
                keys=name if kind == "upsert" else None,
            )
            for number in range(rng.randrange(1, 4))
        ]
        definition = {"table": table, **options}
        with system.client as client:
            client.put_dataset(name, definition)
        feeds.append(Feed(name, table, definition, contents))
    return feeds


_KINDS: dict[str, dict[str, Any]] = {
    "atomic": {"mode": "append"},
    "chunked": {"mode": "append", "atomic": False},
    "upsert": {"mode": "upsert", "key": ["sku"]},
    "replace": {"mode": "replace"},
}


def make_table(system: System, name: str, *, keyed: bool) -> str:
    """Make a target like the sample's; without its key, a row that is loaded twice stays visible."""
    table = f"public.{name}"
    indexes = "INCLUDING INDEXES" if keyed else "EXCLUDING INDEXES"
    system.execute(
        f"CREATE TABLE {table} (LIKE public.items INCLUDING ALL {indexes});"
        f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {table} TO adsp_loader"
    )
    return table


def submit_all(
    system: System,
    feeds: list[Feed],
    submissions: Submissions,
    pool: ThreadPoolExecutor,
    rng: random.Random,
) -> list[Future[None]]:
    """Have one client for each feed submit its files."""
    return [
        pool.submit(_submit_feed, system, feed, choose_deliveries(feed, rng), submissions)
        for feed in feeds
    ]


def choose_deliveries(feed: Feed, rng: random.Random) -> list[Delivery]:
    """Return each file once and the first one twice; days in any order, some files again, where those matter."""
    today = datetime.now(UTC).date()
    if not feed.sets_state:
        return [Delivery(each, today) for each in [*feed.contents, feed.contents[0]]]
    sends = [*feed.contents, *rng.choices(feed.contents, k=2)]
    return [
        Delivery(each, today - timedelta(days=rng.randrange(3)), force=rng.random() < 0.1)
        for each in sends
    ]


def _submit_feed(
    system: System, feed: Feed, deliveries: list[Delivery], submissions: Submissions
) -> None:
    """Send the files one after the other, without waiting for what becomes of them."""
    for delivery in deliveries:
        with Client(system.url, timeout=_ANSWER_SECONDS, retry_seconds=0) as client:
            job_id = _submit(client, feed, delivery, submissions)
            with submissions.lock:
                submissions.accepted.append(Accepted(job_id, feed, delivery.content))


def _submit(client: Client, feed: Feed, delivery: Delivery, submissions: Submissions) -> str:
    """Ask until there is an answer; the key makes one job of all the asking."""
    key = uuid.uuid4().hex
    for attempt in _attempts():
        submissions.repeated += attempt > 0
        try:
            job = client.submit(
                dataset=feed.name,
                source=delivery.content.path.name,
                data_date=delivery.data_date.isoformat(),
                force=delivery.force,
                idempotency_key=key,
            )
        except ApiUnreachable:
            continue
        except RefusedRequest as exc:
            if exc.status != httpx.codes.SERVICE_UNAVAILABLE:
                raise
            continue
        return str(job.id)
    raise AssertionError(f"no answer for {feed.name} within {PATIENCE} s")


def _attempts() -> Iterator[int]:
    """Count attempts with a pause between them until the client's patience ends."""
    end, attempt = time.monotonic() + PATIENCE, 0
    while time.monotonic() < end:
        yield attempt
        attempt += 1
        time.sleep(0.2)
