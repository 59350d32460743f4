"""Show who hears of jobs: the targets there are, and the notifications of a job."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from libs.common.ledger.models import Event, Notification, NotificationTarget
from services.api.dependencies import Wired
from services.api.pagination import Order, Page, PageQuery, paginate
from services.api.responses import problems
from services.api.security.caller import Reader

router = APIRouter(tags=["notifications"])

_BY_NAME = Order[NotificationTarget](NotificationTarget.name, str)
_OLDEST_FIRST = Order[Notification](Notification.id, UUID)


class TargetDocument(BaseModel):
    """A target that `notify` of a dataset may name."""

    name: str
    kind: str = Field(description="`webhook`, or the scheme of its Apprise URL, e.g. `mailtos`.")


class NotificationDocument(BaseModel):
    """What a target has heard of a job, or will hear."""

    id: UUID = Field(description="`webhook-id` of a webhook: the same at each attempt.")
    target: str
    event: str = Field(description="Type of the job's event.")
    occasions: list[str]
    attempt: int = Field(description="How often it was tried.")
    created_at: datetime
    next_attempt_at: datetime | None = Field(description="null: it was sent, or given up.")
    sent_at: datetime | None
    error: str | None = Field(description="Why the last attempt failed.")

    @classmethod
    def of(cls, notification: Notification, event: str) -> Self:
        """Show a notification of an event."""
        shown = {name: getattr(notification, name) for name in cls.model_fields if name != "event"}
        return cls(event=event, **shown)


@router.get(
    "/v1/notification-targets",
    operation_id="listNotificationTargets",
    summary="List the targets that datasets may notify",
    responses=problems(422, 503),
)
def list_targets(
    dependencies: Wired, _caller: Reader, asked: Annotated[PageQuery, Query()]
) -> Page[TargetDocument]:
    """List them by name, as the workers' `ADSP_NOTIFY_TARGETS` has them; where they are stays with the workers."""
    with dependencies.sessions() as session:
        return paginate(
            session,
            select(NotificationTarget),
            _BY_NAME,
            asked,
            ["notification-targets"],
            lambda target: TargetDocument(name=target.name, kind=target.kind),
        )


@router.get(
    "/v1/jobs/{job_id}/notifications",
    operation_id="listJobNotifications",
    summary="List the notifications of a job",
    responses=problems(404, 422, 503),
)
def list_notifications(
    dependencies: Wired, caller: Reader, job_id: UUID, asked: Annotated[PageQuery, Query()]
) -> Page[NotificationDocument]:
    """List the notifications of a job, the oldest first."""
    with dependencies.sessions() as session:
        job = caller.find_job(session, job_id)
        events = session.execute(select(Event.id, Event.type).where(Event.job_id == job.id))
        of_events = {event.id: event.type for event in events}
        return paginate(
            session,
            select(Notification).where(Notification.event_id.in_(list(of_events))),
            _OLDEST_FIRST,
            asked,
            ["notifications", job_id],
            lambda each: NotificationDocument.of(each, of_events[each.event_id]),
        )
