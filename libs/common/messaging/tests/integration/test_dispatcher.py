"""A send is confirmed, or known to have failed, within a bound; Redis has no say in it."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest

from libs.common.errors import PublishFault
from libs.common.messaging.names import (
    FINISHES_QUEUE,
    JOBS_QUEUE,
    LOAD_QUEUE,
    SMALL_LOADS_QUEUE,
    SWEEP,
    TICKS_QUEUE,
)
from libs.common.messaging.tests.integration.conftest import TIMEOUT, Mail, MakeDispatcher
from libs.common.messaging.tests.relay import Relay
from libs.devstack.testing.vhosts import ScratchVhost

Take = Callable[[str], Mail | None]

BOUND = 2 * TIMEOUT + 0.5


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail when the block takes longer."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began

    assert took < seconds, f"took {took:.1f} s"


def take_all(take: Take) -> list[str]:
    """Empty the jobs queue and return the messages' job ids."""
    arrived = []
    while (mail := take(JOBS_QUEUE)) is not None:
        arrived.append(mail.kwargs["job_id"])
    return arrived


@pytest.fixture
def closed_port() -> int:
    """Give a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_plan_message_is_persistent_and_bears_the_jobs_id(
    make_dispatcher: MakeDispatcher, take: Take
) -> None:
    job_id = uuid4()

    make_dispatcher().send_plan(job_id, "request-1")
    mail = take(JOBS_QUEUE)

    assert mail is not None
    assert mail.properties.delivery_mode == 2
    assert mail.properties.headers is not None
    assert (mail.properties.headers["task"], mail.properties.headers["id"]) == (
        "jobs.plan",
        str(job_id),
    )
    assert mail.kwargs == {"job_id": str(job_id), "request_id": "request-1"}


def test_a_message_says_when_it_was_sent(make_dispatcher: MakeDispatcher, take: Take) -> None:
    make_dispatcher().send_plan(uuid4(), None)
    mail = take(JOBS_QUEUE)

    assert mail is not None
    assert mail.properties.headers is not None
    assert abs(mail.properties.headers["adsp_sent_at_ms"] / 1000 - time.time()) < 60


def test_chunks_go_to_the_loaders_and_finishes_to_the_workers(
    make_dispatcher: MakeDispatcher, take: Take
) -> None:
    job_id, dispatcher = uuid4(), make_dispatcher()

    dispatcher.send_chunk(job_id, 7, None)
    dispatcher.send_chunk(job_id, 8, None, is_small=True)
    dispatcher.send_finish(job_id, None)
    chunk, small, finish = take(LOAD_QUEUE), take(SMALL_LOADS_QUEUE), take(FINISHES_QUEUE)

    assert small is not None
    assert small.kwargs["number"] == 8
    assert chunk is not None
    assert chunk.kwargs == {"job_id": str(job_id), "number": 7, "request_id": None}
    assert finish is not None
    assert finish.properties.correlation_id == f"{job_id}.finish"


def test_tick_expires_by_the_brokers_clock_when_no_worker_takes_it(
    make_dispatcher: MakeDispatcher, take: Take
) -> None:
    """A worker whose clock is ahead of the sender's would drop what expires at a time of the sender's."""
    make_dispatcher().send_tick(SWEEP, expires=30)
    mail = take(TICKS_QUEUE)

    assert mail is not None
    assert mail.properties.expiration == "30000"
    assert mail.properties.headers["expires"] is None


def test_queues_are_quorum_queues_with_a_delivery_limit_and_a_way_out(
    make_dispatcher: MakeDispatcher, own_vhost: ScratchVhost
) -> None:
    dispatcher = make_dispatcher()

    dispatcher.send_plan(uuid4(), None)
    dispatcher.send_chunk(uuid4(), 0, None)
    arguments = {queue["name"]: queue["arguments"] for queue in own_vhost.queues()}

    expected = {
        "x-queue-type": "quorum",
        "x-delivery-limit": 10,
        "x-dead-letter-exchange": "adsp.dead-letters",
    }
    assert arguments == {"jobs": expected, "load": expected}


def test_refusing_broker_is_a_fault_at_once(
    make_dispatcher: MakeDispatcher, closed_port: int
) -> None:
    dispatcher = make_dispatcher(f"amqp://guest:guest@127.0.0.1:{closed_port}//")

    with at_most(TIMEOUT), pytest.raises(PublishFault, match=r"jobs\.plan"):
        dispatcher.send_plan(uuid4(), None)


def test_wrong_password_is_a_fault(
    make_dispatcher: MakeDispatcher, own_vhost: ScratchVhost
) -> None:
    host = own_vhost.url.rpartition("@")[2]

    with at_most(BOUND), pytest.raises(PublishFault):
        make_dispatcher(f"amqp://adsp:wrong@{host}").send_plan(uuid4(), None)


def test_broker_that_is_silent_from_the_start_is_a_fault_in_time(
    make_dispatcher: MakeDispatcher, relay: Relay, relayed_url: str
) -> None:
    dispatcher = make_dispatcher(relayed_url)
    relay.freeze()

    with at_most(BOUND), pytest.raises(PublishFault):
        dispatcher.send_plan(uuid4(), None)


def test_broker_that_falls_silent_is_a_fault_in_time_and_the_next_send_arrives(
    make_dispatcher: MakeDispatcher, relay: Relay, relayed_url: str, take: Take
) -> None:
    dispatcher, lost, last = make_dispatcher(relayed_url), uuid4(), uuid4()
    dispatcher.send_plan(uuid4(), None)
    assert take(JOBS_QUEUE) is not None

    relay.freeze()
    with at_most(BOUND), pytest.raises(PublishFault):
        dispatcher.send_plan(lost, None)
    relay.thaw()
    dispatcher.send_plan(last, None)
    arrived = take_all(take)

    assert str(last) in arrived


@pytest.mark.parametrize("method", ["send_plan", "send_finish"])
def test_broker_silent_while_a_queue_is_declared_is_a_fault_in_time(
    make_dispatcher: MakeDispatcher, relay: Relay, relayed_url: str, method: str
) -> None:
    dispatcher = make_dispatcher(relayed_url)
    dispatcher.send_plan(uuid4(), None)

    relay.freeze()
    with at_most(BOUND), pytest.raises(PublishFault):
        dispatcher.send_chunk(uuid4(), 0, None)
    with at_most(BOUND), pytest.raises(PublishFault):
        getattr(dispatcher, method)(uuid4(), None)


def test_connection_that_the_broker_closed_while_idle_costs_no_send(
    make_dispatcher: MakeDispatcher, relay: Relay, relayed_url: str, take: Take
) -> None:
    dispatcher, second = make_dispatcher(relayed_url), uuid4()
    dispatcher.send_plan(uuid4(), None)
    assert take(JOBS_QUEUE) is not None

    relay.cut()
    dispatcher.send_plan(second, None)
    mail = take(JOBS_QUEUE)

    assert mail is not None
    assert mail.kwargs["job_id"] == str(second)
    assert relay.accepted == 2


def test_redis_away_does_not_delay_a_send(
    make_dispatcher: MakeDispatcher, closed_port: int, take: Take
) -> None:
    dispatcher = make_dispatcher(redis=f"redis://127.0.0.1:{closed_port}/0")

    with at_most(TIMEOUT):
        dispatcher.send_plan(uuid4(), None)

    assert take(JOBS_QUEUE) is not None


def test_silent_redis_does_not_delay_a_send(
    make_dispatcher: MakeDispatcher, relay: Relay, take: Take
) -> None:
    dispatcher = make_dispatcher(redis=f"redis://127.0.0.1:{relay.port}/0")
    relay.freeze()

    with at_most(TIMEOUT):
        dispatcher.send_plan(uuid4(), None)

    assert take(JOBS_QUEUE) is not None


def test_threads_share_a_dispatcher(make_dispatcher: MakeDispatcher, take: Take) -> None:
    dispatcher, jobs = make_dispatcher(), [uuid4() for _ in range(40)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda job_id: dispatcher.send_plan(job_id, None), jobs))
    arrived = take_all(take)

    assert sorted(arrived) == sorted(map(str, jobs))
