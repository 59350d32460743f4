"""Wire the api's dependencies in one place; endpoints receive them, nothing is global."""

from dataclasses import dataclass
from typing import Annotated, Self

from celery import Celery
from fastapi import Depends, Request
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from libs.common.ledger.session import make_engine, make_sessions
from libs.common.messaging.app import make_celery
from libs.common.messaging.dispatcher import Dispatcher
from libs.common.messaging.job_log import JobLogReader
from services.api.limits.rate_limits import RateLimits
from services.api.limits.upload_slots import UploadSlots
from services.api.live.feed import Feed
from services.api.metrics import ApiMetrics
from services.api.readiness import Readiness
from services.api.settings import ApiSettings

SERVICE = "api"


@dataclass(frozen=True)
class Dependencies:
    """Everything that endpoints use; made once per app, connected only when used."""

    settings: ApiSettings
    engine: Engine
    sessions: sessionmaker[Session]
    celery: Celery
    dispatcher: Dispatcher
    metrics: ApiMetrics
    readiness: Readiness
    rate_limits: RateLimits
    upload_slots: UploadSlots
    feed: Feed
    job_log: JobLogReader

    @classmethod
    def from_settings(cls, settings: ApiSettings) -> Self:
        """Make the dependencies of an api process."""
        engine = make_engine(
            settings,
            f"adsp-{SERVICE}",
            lock_timeout=settings.database_lock_timeout,
            # Whoever asks is answered 503 a little later, so nobody would wait for the statement any more.
            statement_timeout=0.9 * settings.database_read_timeout,
        )
        celery = make_celery(settings, SERVICE)
        sessions = make_sessions(engine)
        return cls(
            settings=settings,
            engine=engine,
            sessions=sessions,
            celery=celery,
            dispatcher=Dispatcher(celery, settings.publish_timeout),
            metrics=ApiMetrics(settings),
            readiness=Readiness(settings),
            rate_limits=RateLimits(settings.redis_url, settings.requests_per_minute),
            upload_slots=UploadSlots(settings.max_uploads_at_once),
            feed=Feed(sessions, settings.max_event_streams),
            job_log=JobLogReader(settings.redis_url),
        )

    def close(self) -> None:
        """Close every connection."""
        self.readiness.close()
        self.job_log.close()
        self.rate_limits.close()
        self.dispatcher.close()
        self.celery.close()
        self.engine.dispose()


def _dependencies_of(request: Request) -> Dependencies:
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


Wired = Annotated[Dependencies, Depends(_dependencies_of)]
