"""Register the worker's tasks with Celery: each reads its ids and calls the module that does the work."""

from typing import Any
from uuid import UUID

from celery import Celery, signals

from libs.common.messaging.names import CLEANUP, DISPATCH_DUE, FINISH, NOTIFY, PLAN, SWEEP
from services.worker.cleanup import delete_expired, settle_failed_rows
from services.worker.dependencies import WorkerContext, wire
from services.worker.dispatching import dispatch_due
from services.worker.finishing import finish
from services.worker.notifying.outbox import notify
from services.worker.planning.job_plan import plan
from services.worker.settings import WorkerSettings
from services.worker.sweeping import sweep


def register_tasks(celery: Celery, settings: WorkerSettings) -> None:
    """Add the tasks; the parts they need are wired in each child process, after the fork."""
    wired: list[WorkerContext] = []

    def wire_child(**_: Any) -> None:
        wired[:] = [wire(settings, celery)]

    signals.worker_process_init.connect(wire_child, weak=False)

    def plan_task(
        job_id: str,
        request_id: str | None = None,  # noqa: ARG001 - bound to the log
        *,
        is_long: bool = False,
    ) -> str:
        return plan(wired[0], UUID(job_id), may_be_long=is_long)

    def finish_task(job_id: str, request_id: str | None = None) -> str:  # noqa: ARG001 - bound to the log
        return finish(wired[0], UUID(job_id))

    def dispatch_due_task() -> int:
        return dispatch_due(wired[0])

    def sweep_task() -> dict[str, int]:
        return sweep(wired[0])._asdict()

    def cleanup_task() -> dict[str, int]:
        settled = settle_failed_rows(wired[0])
        return {**delete_expired(wired[0])._asdict(), "settled": settled}

    def notify_task() -> int:
        return notify(wired[0])

    celery.task(name=PLAN)(plan_task)
    celery.task(name=FINISH)(finish_task)
    celery.task(name=DISPATCH_DUE, ignore_result=True)(dispatch_due_task)
    celery.task(name=SWEEP, ignore_result=True)(sweep_task)
    celery.task(name=CLEANUP, ignore_result=True)(cleanup_task)
    celery.task(name=NOTIFY, ignore_result=True)(notify_task)
