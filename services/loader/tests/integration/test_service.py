"""The loader as a process: it takes a chunk from RabbitMQ, loads it and asks a worker to finish the job."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery

from libs.common.datasets.definition import DatasetDefinition
from libs.common.messaging.app import make_celery
from libs.common.messaging.dispatcher import Dispatcher
from libs.common.messaging.names import FINISHES_QUEUE
from libs.common.settings import MessagingSettings
from libs.devstack.child_process import ChildProcess
from libs.devstack.service_process import service_command
from libs.devstack.testing.waiting import wait_for
from services.loader.tests.integration.conftest import LoadBench

PATIENCE = 60


@contextmanager
def loader_process(environment: dict[str, str], logs: Path) -> Iterator[None]:
    """Run the loader as the image does; it must end by itself on SIGTERM."""
    process = ChildProcess.start(service_command("loader", environment, logs)).process
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait(PATIENCE)


def take_message(celery: Celery, queue: str) -> dict[str, object] | None:
    """Take one task message from a queue, which is declared if need be; return its arguments by name."""
    with celery.connection_for_read() as connection:
        bound = celery.amqp.queues[queue](connection)
        bound.declare()
        message = bound.get(no_ack=True)
        if message is None:
            return None
        _arguments, named, _embed = message.decode()
        return dict(named)


def test_a_chunk_message_ends_in_rows_and_a_finish_message(
    bench: LoadBench,
    environment_for: Callable[[str], dict[str, str]],
    tmp_path: Path,
) -> None:
    bench.execute("CREATE TABLE feed.t (id int PRIMARY KEY, v text)")
    job_id = bench.add_job(b"id,v\n1,a\nx,b\n", DatasetDefinition(table="feed.t"))
    environment = environment_for("loader")
    settings = MessagingSettings(
        broker_url=environment["ADSP_BROKER_URL"], redis_url=environment["ADSP_REDIS_URL"]
    )
    celery = make_celery(settings, "test")
    dispatcher = Dispatcher(celery, settings.publish_timeout)

    assert take_message(celery, FINISHES_QUEUE) is None

    with loader_process(environment, tmp_path):
        dispatcher.send_chunk(job_id, 0, "request-1")
        wait_for(lambda: bench.chunk(job_id)["state"] == "done", PATIENCE, "the chunk is loaded")
        finish = wait_for(lambda: take_message(celery, FINISHES_QUEUE), PATIENCE, "finish is sent")
    dispatcher.close()

    assert bench.execute("SELECT * FROM feed.t") == [(1, "a")]
    assert finish == {"job_id": str(job_id), "request_id": "request-1"}
