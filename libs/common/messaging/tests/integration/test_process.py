"""A worker process loses no message and leaves nothing behind, whatever is killed or away."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pika
import pytest

from libs.common.messaging.names import (
    DEAD_LETTER_QUEUE,
    JOBS_QUEUE,
    LOAD_QUEUE,
    SMALL_LOADS_QUEUE,
)
from libs.common.messaging.tests.integration import probe as probe_module
from libs.common.messaging.tests.integration.conftest import Mail
from libs.common.messaging.tests.integration.probe import BURNT_SECONDS
from libs.common.messaging.tests.relay import Relay
from libs.devstack.ports import free_ports
from libs.devstack.testing.vhosts import ScratchVhost
from libs.devstack.testing.waiting import wait_for

START_SECONDS = 30
DELIVERY_LIMIT = 2

Take = Callable[[str], Mail | None]


class Probe:
    """A worker process and what its tasks left in its folder."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.log, self.output = folder / "log", folder / "output"
        with self.log.open("a") as log, self.output.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", probe_module.__name__, folder],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    "ADSP_LOG_FORMAT": "json",
                }
                | environment,
                stdout=output,
                stderr=log,
            )

    def wait_until_ready(self) -> "Probe":
        """Wait until the worker consumes."""
        wait_for(
            lambda: " ready." in self.log.read_text(), START_SECONDS, "readiness of the worker"
        )
        return self

    def runs(self, job_id: UUID) -> list[int]:
        """Return the process of each run of a job's task."""
        path = self.folder / str(job_id)
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def wait_for_run(self, job_id: UUID) -> int:
        """Wait until the task has run and return the first process that ran it."""
        return wait_for(lambda: self.runs(job_id), START_SECONDS, f"run of {job_id}")[0]

    def events(self) -> list[dict[str, object]]:
        """Return the log's lines; each of them must be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def start_probe(
    own_vhost: ScratchVhost, redis_url: str, tmp_path: Path
) -> Iterator[Callable[..., Probe]]:
    """Give a function that starts a worker; each is gone after the test."""
    started: list[Probe] = []

    def start(**environment: str) -> Probe:
        servers = {
            "ADSP_BROKER_URL": own_vhost.url,
            "ADSP_REDIS_URL": redis_url,
            "ADSP_QUEUE_DELIVERY_LIMIT": str(DELIVERY_LIMIT),
        }
        started.append(Probe(tmp_path, servers | environment))
        return started[-1]

    yield start
    for probe in started:
        (probe.folder / "release").touch()
        probe.process.kill()
        probe.process.wait(10)


@pytest.fixture
def send(own_vhost: ScratchVhost) -> Iterator[Callable[..., UUID]]:
    """Give a function that sends a plan without declaring a queue: the probe's has its own limit."""
    connection = pika.BlockingConnection(pika.URLParameters(own_vhost.url))
    channel = connection.channel()
    channel.confirm_delivery()

    def send_one(what: str = "run", queue: str = JOBS_QUEUE, **changes: object) -> UUID:
        job_id = uuid4()
        content = [[], {"job_id": str(job_id), "request_id": what}, {}]
        headers: dict[str, object] = {"task": "jobs.plan", "id": str(job_id), "lang": "py"}
        channel.basic_publish(
            "",
            queue,
            json.dumps(content).encode(),
            pika.BasicProperties(
                headers=headers | changes,
                content_type="application/json",
                content_encoding="utf-8",
                correlation_id=str(job_id),
                delivery_mode=2,
            ),
        )
        return job_id

    yield send_one
    connection.close()


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def is_idle(pid: int) -> bool:
    """Return whether a process sleeps."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def dead_letter(take: Take) -> Mail:
    """Wait for a dead letter and take it."""
    mail = wait_for(lambda: take(DEAD_LETTER_QUEUE), 20, "dead letter")
    assert mail is not None
    return mail


def test_ids_of_a_message_stand_in_every_log_line_of_its_task(
    start_probe: Callable[..., Probe], send: Callable[..., UUID], own_vhost: ScratchVhost
) -> None:
    probe = start_probe().wait_until_ready()

    job_id = send("request-9")
    probe.wait_for_run(job_id)
    [line] = wait_for(
        lambda: [event for event in probe.events() if event["event"] == "probe_ran"], 5, "log line"
    )

    assert (line["job_id"], line["request_id"], line["task"], line["service"]) == (
        str(job_id),
        "request-9",
        "jobs.plan",
        "probe",
    )


def test_task_runs_and_is_acknowledged_while_redis_is_away(
    start_probe: Callable[..., Probe],
    send: Callable[..., UUID],
    own_vhost: ScratchVhost,
    take: Take,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    probe = start_probe(ADSP_REDIS_URL=f"redis://127.0.0.1:{port}/0").wait_until_ready()

    jobs = [send(), send("fail"), send()]
    for job_id in jobs:
        probe.wait_for_run(job_id)
    wait_for(lambda: "result_not_stored" in probe.log.read_text(), 10, "lost result in the log")
    probe.process.terminate()
    probe.process.wait(20)

    assert [len(probe.runs(job_id)) for job_id in jobs] == [1, 1, 1]
    assert take(JOBS_QUEUE) is None


def test_failed_task_is_not_repeated_by_the_broker(
    start_probe: Callable[..., Probe],
    send: Callable[..., UUID],
    own_vhost: ScratchVhost,
    take: Take,
) -> None:
    """What is tried again is decided in the ledger."""
    probe = start_probe().wait_until_ready()

    failed, after = send("fail"), send()
    probe.wait_for_run(after)

    assert len(probe.runs(failed)) == 1
    assert take(DEAD_LETTER_QUEUE) is None


def test_message_of_a_killed_parent_comes_again_and_no_child_survives(
    start_probe: Callable[..., Probe], send: Callable[..., UUID], own_vhost: ScratchVhost
) -> None:
    probe = start_probe().wait_until_ready()
    job_id = send("hold")
    child = probe.wait_for_run(job_id)

    probe.process.kill()
    probe.process.wait(10)
    wait_for(lambda: not is_alive(child), 5, "end of the child")
    start_probe()
    (probe.folder / "release").touch()

    wait_for(lambda: len(probe.runs(job_id)) == 2, START_SECONDS, "second delivery")


def test_sigterm_lets_the_running_task_end(
    start_probe: Callable[..., Probe],
    send: Callable[..., UUID],
    own_vhost: ScratchVhost,
    take: Take,
) -> None:
    probe = start_probe().wait_until_ready()
    job_id = send("hold")
    probe.wait_for_run(job_id)

    probe.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "Warm shutdown" in probe.output.read_text(), 10, "begin of the shutdown")
    (probe.folder / "release").touch()
    probe.process.wait(20)

    assert (probe.folder / f"{job_id}.ended").exists()
    assert take(JOBS_QUEUE) is None


def test_sigterm_waits_for_a_task_whose_child_has_not_reported_its_begin(
    start_probe: Callable[..., Probe],
    send: Callable[..., UUID],
    own_vhost: ScratchVhost,
    take: Take,
) -> None:
    """A stopped child stands for one that is slow to tell; what it runs is acknowledged and ends the worker."""
    probe = start_probe().wait_until_ready()
    child = probe.wait_for_run(send())
    wait_for(
        lambda: " succeeded in " in probe.log.read_text() and is_idle(child), 10, "end of the task"
    )

    os.kill(child, signal.SIGSTOP)
    job_id = send()
    wait_for(lambda: f"[{job_id}] received" in probe.log.read_text(), 10, "delivery")
    probe.process.terminate()
    wait_for(lambda: "pool_draining" in probe.log.read_text(), 20, "begin of the shutdown")
    os.kill(child, signal.SIGCONT)
    probe.process.wait(20)

    # SIGTERM may come before the child is given the task: then the message must still be there.
    assert len(probe.runs(job_id)) == (take(JOBS_QUEUE) is None)


def test_message_that_kills_its_worker_each_time_becomes_a_dead_letter(
    start_probe: Callable[..., Probe],
    send: Callable[..., UUID],
    own_vhost: ScratchVhost,
    take: Take,
) -> None:
    probe = start_probe().wait_until_ready()

    deadly = send("die")
    mail = dead_letter(take)
    harmless = send()
    probe.wait_for_run(harmless)

    assert mail.kwargs["job_id"] == str(deadly)
    assert mail.properties.headers is not None
    assert mail.properties.headers["x-death"][0]["reason"] == "delivery_limit"
    assert len(probe.runs(deadly)) == DELIVERY_LIMIT + 1


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        (b"\x80\x04garbage", {"content_type": "application/x-python-serialize"}),
        (b"{not json", {"content_type": "application/json", "content_encoding": "utf-8"}),
        (b"not a task at all", {}),
        (b"[]", {"content_type": "application/json", "headers": {"task": "jobs.plan", "id": "1"}}),
        (
            b"[[], {}, {}]",
            {"content_type": "application/json", "headers": {"task": "no.such.task", "id": "1"}},
        ),
    ],
    ids=["pickle", "broken-json", "plain-text", "empty-list", "unknown-task"],
)
def test_garbage_becomes_a_dead_letter_and_the_worker_goes_on(
    start_probe: Callable[..., Probe],
    send: Callable[..., UUID],
    own_vhost: ScratchVhost,
    take: Take,
    body: bytes,
    properties: dict[str, object],
) -> None:
    probe = start_probe().wait_until_ready()

    connection = pika.BlockingConnection(pika.URLParameters(own_vhost.url))
    connection.channel().basic_publish("", JOBS_QUEUE, body, pika.BasicProperties(**properties))
    connection.close()
    probe.wait_for_run(send())

    assert dead_letter(take).body == body


@pytest.mark.parametrize("cuts", [0, 1])
def test_a_queue_takes_no_more_processes_than_it_may(
    start_probe: Callable[..., Probe],
    send: Callable[..., UUID],
    relay: Relay,
    relayed_url: str,
    cuts: int,
) -> None:
    """Two of three work on what holds them; all that comes by the other queue goes through the third at once."""
    probe = start_probe(
        ADSP_BROKER_URL=relayed_url,
        ADSP_QUEUES=json.dumps({LOAD_QUEUE: 2, SMALL_LOADS_QUEUE: 3}),
        ADSP_CONCURRENCY="3",
    ).wait_until_ready()
    for _ in range(cuts):
        relay.cut()
    held = [send("hold", LOAD_QUEUE) for _ in range(4)]
    wait_for(lambda: sum(map(len, map(probe.runs, held))) == 2, 20, "two are held")
    short = [send("run", SMALL_LOADS_QUEUE) for _ in range(10)]
    third = {probe.wait_for_run(job_id) for job_id in short}

    assert len(third) == 1
    assert sum(map(len, map(probe.runs, held))) == 2
    (probe.folder / "release").touch()
    wait_for(lambda: all(map(probe.runs, held)), 20, "the others follow")


def test_only_the_queues_that_are_needed_are_declared(
    start_probe: Callable[..., Probe], own_vhost: ScratchVhost
) -> None:
    """Celery's delayed delivery would add 28."""
    start_probe().wait_until_ready()

    assert {queue["name"] for queue in own_vhost.queues()} <= {
        "jobs",
        "load",
        "ticks",
        "dead-letters",
    }


def test_metrics_are_served(start_probe: Callable[..., Probe], own_vhost: ScratchVhost) -> None:
    [port] = free_ports(1)
    start_probe(ADSP_METRICS_PORT=str(port)).wait_until_ready()

    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text

    assert "process_cpu_seconds_total" in text


def test_measurements_of_children_add_up_though_children_come_and_go(
    start_probe: Callable[..., Probe], send: Callable[..., UUID], take: Take
) -> None:
    """Every child is replaced after two tasks, one dies at its own hand; no number goes with them."""
    [port] = free_ports(1)
    probe = start_probe(ADSP_METRICS_PORT=str(port), ADSP_TASKS_PER_CHILD="2").wait_until_ready()
    sent_at = int((time.time() - 100) * 1000)

    def shown(name: str) -> float:
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text.splitlines()
        return next(float(x.rpartition(" ")[2]) for x in lines if x.startswith(f"{name} "))

    count, total = (f'adsp_queue_wait_seconds_{part}{{queue="jobs"}}' for part in ("count", "sum"))
    before = shown(count)
    children = {probe.wait_for_run(send(adsp_sent_at_ms=sent_at)) for _ in range(9)}
    send("die", adsp_sent_at_ms=sent_at)
    wait_for(lambda: take(DEAD_LETTER_QUEUE), START_SECONDS, "dead letter")
    expected = 9 + DELIVERY_LIMIT + 1
    wait_for(lambda: shown(count) >= expected, START_SECONDS, "all measurements")

    assert before == 0
    assert len(children) == 5
    assert shown(count) == expected
    assert 100 * expected <= shown(total) < 100 * expected + START_SECONDS * expected


def test_cpu_of_children_only_grows_though_children_come_and_go(
    start_probe: Callable[..., Probe], send: Callable[..., UUID]
) -> None:
    """A child burns CPU and is replaced after each task; what it has used stays counted."""
    [port] = free_ports(1)
    probe = start_probe(ADSP_METRICS_PORT=str(port), ADSP_TASKS_PER_CHILD="1").wait_until_ready()

    def shown(name: str) -> float:
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text.splitlines()
        return next(
            float(x.rpartition(" ")[2]) for x in lines if x.startswith(f"adsp_pool_{name} ")
        )

    seen = [shown("cpu_seconds_total")]
    children = set()
    for _ in range(3):
        children.add(probe.wait_for_run(send("burn")))
        wait_for(lambda: shown("processes") == 1, START_SECONDS, "the next child")
        seen.append(shown("cpu_seconds_total"))
    wait_for(lambda: shown("resident_memory_bytes") > 10 << 20, START_SECONDS, "a child's memory")

    assert len(children) == 3
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] >= 3 * BURNT_SECONDS


def test_worker_waits_for_a_broker_that_is_away(
    start_probe: Callable[..., Probe],
    send: Callable[..., UUID],
    relay: Relay,
    relayed_url: str,
) -> None:
    """The order in which servers and services start does not matter."""
    relay.refuse()
    probe = start_probe(ADSP_BROKER_URL=relayed_url)
    wait_for(lambda: relay.refused > 1, START_SECONDS, "second attempt of the worker")

    relay.accept()
    probe.wait_until_ready()

    assert probe.wait_for_run(send())


def test_worker_whose_connection_is_cut_connects_again(
    start_probe: Callable[..., Probe], send: Callable[..., UUID], relay: Relay, relayed_url: str
) -> None:
    probe = start_probe(ADSP_BROKER_URL=relayed_url).wait_until_ready()
    connections = relay.accepted

    relay.cut()
    wait_for(lambda: relay.accepted > connections, START_SECONDS, "new connection")

    assert probe.wait_for_run(send())
