"""The scheduler is a clock that ticks, whatever the broker does, and stops when asked."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pika
import pytest
from kombu import Connection

from libs.common.messaging.names import DISPATCH_DUE, SWEEP, TICKS_QUEUE
from libs.common.messaging.queues import work_queues
from libs.devstack.addresses import StackAddresses
from libs.devstack.child_process import ChildProcess
from libs.devstack.ports import free_ports
from libs.devstack.service_process import service_command
from libs.devstack.testing.vhosts import ScratchVhost, scratch_vhost
from libs.devstack.testing.waiting import wait_for

START_SECONDS = 30
NOWHERE = "amqp://guest:guest@127.0.0.1:1//"

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def own_vhost(stack: StackAddresses) -> Iterator[ScratchVhost]:
    """Give a virtual host whose only messages are ticks."""
    with scratch_vhost(stack) as made, Connection(made.url) as connection:
        for queue in work_queues(delivery_limit=10):
            queue(connection).declare()
        yield made


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give the file of the scheduler's log."""
    return tmp_path / "scheduler.log"


@pytest.fixture
def metrics_port() -> int:
    """Give the port of the scheduler's metrics."""
    return free_ports(1)[0]


@pytest.fixture
def start(own_vhost: ScratchVhost, redis_url: str, log: Path, metrics_port: int) -> Iterator[Start]:
    """Give a function that starts a scheduler; it ticks fast and has no database."""
    started: list[subprocess.Popen[bytes]] = []

    def run(broker_url: str = own_vhost.url) -> subprocess.Popen[bytes]:
        environment = {
            "ADSP_BROKER_URL": broker_url,
            "ADSP_REDIS_URL": redis_url,
            "ADSP_PUBLISH_TIMEOUT": "1",
            "ADSP_DISPATCH_SECONDS": "0.5",
            "ADSP_SWEEP_SECONDS": "0.3",
            "ADSP_METRICS_PORT": str(metrics_port),
        }
        command = service_command("scheduler", environment, log.parent)
        started.append(ChildProcess.start(command).process)
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait(10)


def take_ticks(vhost: ScratchVhost) -> list[pika.BasicProperties]:
    """Take the messages that wait for a worker."""
    ticks: list[pika.BasicProperties] = []
    with closing(pika.BlockingConnection(pika.URLParameters(vhost.url))) as connection:
        channel = connection.channel()
        while (message := channel.basic_get(TICKS_QUEUE, auto_ack=True))[1] is not None:
            ticks.append(message[1])
    return ticks


def test_both_ticks_come_and_expire_before_the_next(start: Start, own_vhost: ScratchVhost) -> None:
    seen: dict[str, pika.BasicProperties] = {}

    def both() -> bool:
        for tick in take_ticks(own_vhost):
            assert tick.headers is not None
            seen[tick.headers["task"]] = tick
        return len(seen) == 2

    start()
    wait_for(both, START_SECONDS, "both ticks")

    assert seen[DISPATCH_DUE].expiration == "500"
    assert seen[SWEEP].expiration == "300"
    assert all(tick.headers and tick.headers["ignore_result"] for tick in seen.values())


def test_unheard_ticks_do_not_pile_up(start: Start, own_vhost: ScratchVhost) -> None:
    """No worker for a weekend must not mean thousands of sweeps on Monday."""
    start()
    end = time.monotonic() + START_SECONDS
    sent = 0
    while sent < 12 and time.monotonic() < end:
        sent += len(take_ticks(own_vhost))

    assert sent >= 12
    assert len(take_ticks(own_vhost)) <= 3


def test_last_tick_stands_in_the_metrics(start: Start, metrics_port: int) -> None:
    start()

    def last_tick() -> float:
        try:
            answer = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", trust_env=False)
        except httpx.HTTPError:
            return 0
        lines = answer.text.splitlines()
        wanted = "adsp_scheduler_tick_timestamp_seconds "
        return next((float(x.removeprefix(wanted)) for x in lines if x.startswith(wanted)), 0)

    assert abs(wait_for(last_tick, START_SECONDS, "a tick in the metrics") - time.time()) < 10


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_scheduler_stops_when_asked(
    start: Start, own_vhost: ScratchVhost, signal_number: int
) -> None:
    process = start()
    wait_for(lambda: take_ticks(own_vhost), START_SECONDS, "a tick")

    process.send_signal(signal_number)

    assert process.wait(5) == 0


def test_scheduler_without_a_broker_says_so_and_stops_when_asked(start: Start, log: Path) -> None:
    process = start(NOWHERE)
    wait_for(lambda: log.read_text().count("tick_lost") > 2, START_SECONDS, "lost ticks in the log")

    process.terminate()

    assert process.wait(5) == 0


def test_every_line_of_the_log_is_json(start: Start, own_vhost: ScratchVhost, log: Path) -> None:
    process = start()
    wait_for(lambda: take_ticks(own_vhost), START_SECONDS, "a tick")
    process.terminate()
    process.wait(5)

    lines = [json.loads(line) for line in log.read_text().splitlines()]

    assert {line["service"] for line in lines} == {"scheduler"}


def test_scheduler_leaves_no_file(start: Start, own_vhost: ScratchVhost, log: Path) -> None:
    """What is due is known by the database; a schedule file would be a second truth."""
    process = start()
    wait_for(lambda: take_ticks(own_vhost), START_SECONDS, "a tick")
    process.terminate()
    process.wait(5)

    assert [path.name for path in log.parent.iterdir()] == [log.name]
