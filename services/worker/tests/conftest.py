"""Fixtures of the worker's tests: a wired worker on a real ledger and broker, and files to load."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pika
import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import Trigger
from libs.common.ledger.jobs import JobRequest, create_job
from libs.common.ledger.models import Chunk, Dataset, Job
from libs.common.messaging.app import make_celery
from libs.common.messaging.dispatcher import Dispatcher
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.vhosts import ScratchVhost
from services.worker.dependencies import WorkerContext, wire
from services.worker.settings import WorkerSettings

HEADER = "sku,name,category,price,quantity,updated_at\n"
ROW = "SKU-{0},lamp,tools,9.99,3,2026-01-01 00:00:00+00\n"


class Bench:
    """A worker with a folder of sources, and short ways to make datasets and jobs and to look at them."""

    def __init__(self, worker: WorkerContext, owner: Engine, loader_dsn: str, folder: Path) -> None:
        self.worker = worker
        self.owner = owner
        self.loader_dsn = loader_dsn
        self.folder = folder

    def set(self, **settings: object) -> None:
        """Change settings of the worker."""
        changed = self.worker.settings.model_copy(update=settings)
        self.worker = dataclasses.replace(self.worker, settings=changed)

    def cut_broker(self) -> None:
        """Let the broker be where nobody listens."""
        self.worker.dispatcher.close()
        self.set(broker_url="amqp://guest:guest@127.0.0.1:1/")
        settings = self.worker.settings
        dispatcher = Dispatcher(make_celery(settings, "worker"), settings.publish_timeout)
        self.worker = dataclasses.replace(self.worker, dispatcher=dispatcher)

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Take what waits in a queue, and return the arguments of each task."""
        parameters = pika.URLParameters(self.worker.settings.broker_url)
        with closing(pika.BlockingConnection(parameters)) as connection:
            channel = connection.channel()
            bodies = iter(lambda: channel.basic_get(queue, auto_ack=True)[2], None)
            return [json.loads(body)[1] for body in bodies]

    def put_dataset(
        self, name: str = "items", last_due_at: datetime | None = None, **changes: object
    ) -> None:
        """Make a dataset of the sample table, as the api would: the worker may not."""
        definition = DatasetDefinition.model_validate(
            {"table": "public.items", "source": "items.csv"} | changes
        )
        due_from = None if definition.schedule is None else last_due_at
        with Session(self.owner) as session, session.begin():
            session.add(
                Dataset(
                    name=name,
                    definition=definition.model_dump(mode="json"),
                    last_due_at=due_from,
                )
            )

    def write(self, content: str | bytes, name: str = "items.csv") -> Path:
        """Write a source."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def write_rows(self, rows: int, name: str = "items.csv") -> Path:
        """Write a source of good items."""
        return self.write(HEADER + "".join(ROW.format(number) for number in range(rows)), name)

    def make_job(self, dataset: str = "items", **changes: object) -> Job:
        """Make a job as the api does."""
        request = {"dataset": dataset, "trigger": Trigger.API} | changes
        with self.worker.sessions.begin() as session:
            return create_job(session, JobRequest(**request))  # type: ignore[arg-type]

    def job(self, job: Job) -> Job:
        """Return a job as it is now."""
        with self.worker.sessions() as session:
            return session.get_one(Job, job.id)

    def chunks(self, job: Job) -> list[Chunk]:
        """Return a job's chunks in order."""
        with self.worker.sessions() as session:
            return list(
                session.scalars(select(Chunk).where(Chunk.job_id == job.id).order_by(Chunk.number))
            )


@pytest.fixture
def bench(
    clean_database: ScratchDatabase, vhost: ScratchVhost, redis_url: str, tmp_path: Path
) -> Iterator[Bench]:
    """Return a wired worker whose sources lie in a folder of this test."""
    settings = WorkerSettings(
        database_url=clean_database.url_for("worker"),
        broker_url=vhost.url,
        redis_url=redis_url,
        source_roots=[tmp_path],
        upload_dir=tmp_path / "uploads",
        source_settle_seconds=0,
        plan_retry_seconds=0,
        turn_wait_seconds=0,
        lease_seconds=2,  # the server of the tests has been up for longer
    )
    worker = wire(settings, make_celery(settings, "worker"))
    owner = create_engine(clean_database.url_for("owner"))
    bench = Bench(worker, owner, clean_database.dsn_for("loader"), tmp_path)
    yield bench
    bench.worker.close()
    owner.dispose()
