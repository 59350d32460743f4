"""Consume without Celery's delayed delivery: durable waits live in the ledger, not in the broker."""

from typing import Any, ClassVar

from celery.worker.consumer import Consumer

from libs.common.log import get_logger

log = get_logger(__name__)

_DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class DirectConsumer(Consumer):
    """Celery's consumer less the step that declares 28 queues for ETA tasks, which ADSP never sends.

    A message that is not a task goes to the dead letters; Celery would acknowledge it and drop it.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]  # untyped in celery-types
        """The consumer's steps."""

        default_steps: ClassVar[list[str]] = [
            step for step in Consumer.Blueprint.default_steps if step != _DELAYED_DELIVERY
        ]

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Reject a message whose body cannot be decoded."""
        log.error("message_not_decoded", bytes=len(message.body or b""), error=str(exc))
        message.reject()
