"""Wire the worker's parts together, once per process and after the fork."""

from dataclasses import dataclass

from celery import Celery
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from libs.common.db.session import make_engine, make_sessions
from libs.common.messaging.dispatcher import Dispatcher
from services.worker.settings import WorkerSettings


@dataclass(frozen=True)
class Worker:
    """What every task of the worker is given."""

    settings: WorkerSettings
    engine: Engine
    sessions: sessionmaker[Session]
    dispatcher: Dispatcher


def wire(settings: WorkerSettings, celery: Celery) -> Worker:
    """Make the worker's parts; nothing is connected yet."""
    engine = make_engine(settings, "adsp-worker")
    dispatcher = Dispatcher(celery, settings.publish_timeout)
    return Worker(settings, engine, make_sessions(engine), dispatcher)
