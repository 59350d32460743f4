"""An ended job's event leaves the outbox at least once, and is kept until the broker has it."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from uuid import UUID

import pika
import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session, sessionmaker

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import JobState, Trigger
from libs.common.ledger.job_end import record_end
from libs.common.ledger.jobs import JobRequest, create_job, lock_job
from libs.common.ledger.models import Dataset, Event, Job
from libs.common.ledger.session import make_sessions
from libs.common.messaging.events import publish_pending
from libs.common.messaging.tests.integration.conftest import TIMEOUT, MakeDispatcher
from libs.common.messaging.tests.relay import Relay
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.vhosts import ScratchVhost

Sessions = sessionmaker[Session]
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def sessions(clean_database: ScratchDatabase) -> Iterator[Sessions]:
    """Give the worker's sessions on a ledger with one dataset."""
    owner = create_engine(clean_database.url_for("owner"))
    definition = DatasetDefinition(table="public.items", source="items.csv")
    with Session(owner) as session, session.begin():
        session.add(Dataset(name="items", definition=definition.model_dump(mode="json")))
    engine = create_engine(clean_database.url_for("worker"))
    yield make_sessions(engine)
    engine.dispose()
    owner.dispose()


@pytest.fixture
def end_job(sessions: Sessions) -> Callable[[], UUID]:
    """Give a function that makes a job, cancels it and returns its id."""

    def end() -> UUID:
        request = JobRequest(dataset="items", trigger=Trigger.API, data_date=date(2026, 1, 2))
        with sessions.begin() as session:
            job = lock_job(session, create_job(session, request).id)
            assert job is not None
            record_end(session, job, JobState.CANCELLED)
            return job.id

    return end


@pytest.fixture
def listen(own_vhost: ScratchVhost) -> Iterator[Callable[[], list[pika.BasicProperties]]]:
    """Give a function that returns what came to a queue bound to every cancelled job."""
    with closing(pika.BlockingConnection(pika.URLParameters(own_vhost.url))) as connection:
        channel = connection.channel()
        channel.exchange_declare("adsp.events", exchange_type="topic", durable=True)
        channel.queue_declare("listener", exclusive=True)
        channel.queue_bind("listener", "adsp.events", routing_key="job.cancelled")

        def messages() -> list[pika.BasicProperties]:
            found: list[pika.BasicProperties] = []
            while True:
                method, properties, body = channel.basic_get("listener", auto_ack=True)
                if method is None or properties is None or body is None:
                    return found
                properties.headers = json.loads(body)
                found.append(properties)

        yield messages


def make_due(sessions: Sessions) -> None:
    """Let the wait after a failed attempt be over."""
    with sessions.begin() as session:
        session.execute(update(Event).values(next_attempt_at=PAST))


def events(sessions: Sessions) -> list[Event]:
    """Return the outbox, oldest first."""
    with sessions() as session:
        return list(session.scalars(select(Event).order_by(Event.id)))


def test_event_is_delivered_to_a_bound_queue(
    sessions: Sessions,
    end_job: Callable[[], UUID],
    listen: Callable[[], list[pika.BasicProperties]],
    make_dispatcher: MakeDispatcher,
) -> None:
    job_id = end_job()

    assert publish_pending(sessions, make_dispatcher(), 10) == 1
    [message] = listen()
    [event] = events(sessions)

    assert message.message_id == str(event.id)
    assert (message.type, message.delivery_mode) == ("job.cancelled", 2)
    assert message.headers is not None
    assert (message.headers["job_id"], message.headers["state"]) == (str(job_id), "cancelled")
    assert event.published_at is not None


def test_event_is_published_once_by_publishers_at_once(
    sessions: Sessions,
    end_job: Callable[[], UUID],
    listen: Callable[[], list[pika.BasicProperties]],
    make_dispatcher: MakeDispatcher,
) -> None:
    jobs = [end_job() for _ in range(20)]

    with ThreadPoolExecutor(4) as threads:
        counts = threads.map(lambda _: publish_pending(sessions, make_dispatcher(), 10), range(4))
        published = sum(counts)

    assert published == len(jobs)
    assert sorted(str(m.headers["job_id"]) for m in listen() if m.headers) == sorted(map(str, jobs))


def test_limit_is_kept_and_the_rest_comes_later(
    sessions: Sessions, end_job: Callable[[], UUID], make_dispatcher: MakeDispatcher
) -> None:
    for _ in range(5):
        end_job()

    assert [publish_pending(sessions, make_dispatcher(), 2) for _ in range(4)] == [2, 2, 1, 0]


def test_event_waits_ever_longer_for_a_broker_that_is_away_and_is_then_delivered(
    sessions: Sessions,
    end_job: Callable[[], UUID],
    listen: Callable[[], list[pika.BasicProperties]],
    make_dispatcher: MakeDispatcher,
) -> None:
    end_job()
    away = make_dispatcher("amqp://guest:guest@127.0.0.1:1/")
    waits = []

    for _ in range(3):
        make_due(sessions)
        began = datetime.now(UTC)
        assert publish_pending(sessions, away, 10) == 0
        waits.append((events(sessions)[0].next_attempt_at - began).total_seconds())
    assert publish_pending(sessions, make_dispatcher(), 10) == 0
    make_due(sessions)

    assert publish_pending(sessions, make_dispatcher(), 10) == 1
    assert waits == sorted(waits)
    assert waits[0] > 1
    assert len(listen()) == 1


@pytest.mark.parametrize("is_connected", [False, True])
def test_broker_that_falls_silent_is_given_up_in_time(
    sessions: Sessions,
    end_job: Callable[[], UUID],
    make_dispatcher: MakeDispatcher,
    relay: Relay,
    relayed_url: str,
    *,
    is_connected: bool,
) -> None:
    """The outbox rows are locked meanwhile, and a worker's child is busy."""
    dispatcher = make_dispatcher(relayed_url)
    if is_connected:
        end_job()
        assert publish_pending(sessions, dispatcher, 10) == 1
    for _ in range(10):
        end_job()
    relay.freeze()
    began = time.monotonic()

    assert publish_pending(sessions, dispatcher, 10) == 0

    assert time.monotonic() - began < 3 * TIMEOUT
    assert [event.attempt for event in events(sessions) if event.published_at is None] == [1] * 10


def test_event_is_part_of_the_transaction_that_ends_the_job(
    sessions: Sessions, make_dispatcher: MakeDispatcher
) -> None:
    """An end that is rolled back is published to nobody."""
    request = JobRequest(dataset="items", trigger=Trigger.API)
    with sessions() as session:
        job = create_job(session, request)
        session.commit()
        record_end(session, session.get_one(Job, job.id), JobState.CANCELLED)
        session.rollback()

    assert publish_pending(sessions, make_dispatcher(), 10) == 0


def test_events_share_a_connection_that_is_replaced_when_it_was_cut(
    sessions: Sessions,
    end_job: Callable[[], UUID],
    make_dispatcher: MakeDispatcher,
    relay: Relay,
    relayed_url: str,
) -> None:
    dispatcher = make_dispatcher(relayed_url)
    for _ in range(3):
        end_job()
        assert publish_pending(sessions, dispatcher, 10) == 1
    shared = relay.accepted
    relay.cut()
    end_job()

    assert publish_pending(sessions, dispatcher, 10) == 1
    assert (shared, relay.accepted) == (1, 2)


def test_an_event_that_a_full_queue_refuses_reaches_each_other_queue_once_per_attempt(
    sessions: Sessions,
    end_job: Callable[[], UUID],
    listen: Callable[[], list[pika.BasicProperties]],
    own_vhost: ScratchVhost,
    make_dispatcher: MakeDispatcher,
    relay: Relay,
    relayed_url: str,
) -> None:
    """The refusal is an answer: the connection is sound, and tasks go over it too."""
    dispatcher = make_dispatcher(relayed_url)
    with closing(pika.BlockingConnection(pika.URLParameters(own_vhost.url))) as connection:
        channel = connection.channel()
        limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare("full", exclusive=True, arguments=limits)
        channel.queue_bind("full", "adsp.events", routing_key="#")
        end_job()
        assert publish_pending(sessions, dispatcher, 10) == 1
        end_job()

        assert publish_pending(sessions, dispatcher, 10) == 0

    assert len(listen()) == 2
    assert relay.accepted == 1
    assert [event.attempt for event in events(sessions) if event.published_at is None] == [1]
