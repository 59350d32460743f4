"""Wire the worker's parts together, once per process and after the fork."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from celery import Celery
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from libs.common.ledger.session import make_engine, make_sessions
from libs.common.messaging.dispatcher import Dispatcher
from libs.common.postgres.patience import SECONDS
from services.worker.settings import WorkerSettings


@dataclass(frozen=True)
class WorkerContext:
    """What every task of the worker is given."""

    settings: WorkerSettings
    engine: Engine
    sessions: sessionmaker[Session]
    dispatcher: Dispatcher

    @contextmanager
    def on_one_connection(self) -> Iterator[Self]:
        """Yield this worker with one connection for all that a task does: checked once, not each time."""
        with self.engine.connect() as connection:
            yield replace(self, sessions=make_sessions(connection))

    def close(self) -> None:
        """Close every connection."""
        self.dispatcher.close()
        self.engine.dispose()


def wire(settings: WorkerSettings, celery: Celery) -> WorkerContext:
    """Make the worker's parts; nothing is connected yet."""
    engine = make_engine(settings, "adsp-worker", patience=SECONDS)
    dispatcher = Dispatcher(celery, settings.publish_timeout)
    return WorkerContext(settings, engine, make_sessions(engine), dispatcher)
