"""Consume without Celery's delayed delivery, let no message stop a worker, and no queue take all of its processes."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import kombu
from celery import Celery
from celery.worker.consumer import Consumer

from libs.common.logs import get_logger

log = get_logger(__name__)

_DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError)


class DirectConsumer(Consumer):
    """Celery's consumer less the step that declares 28 queues for ETA tasks, which ADSP never sends.

    Durable waits live in the ledger. A message that is not a task goes to the dead letters; Celery would
    acknowledge and drop it, or end the worker.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc,valid-type]  # untyped in celery-types
        """The consumer's steps."""

        default_steps: ClassVar[list[str]] = [
            step for step in Consumer.Blueprint.default_steps if step != _DELAYED_DELIVERY
        ]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return Celery's handler of messages, less its trust in their form."""
        handle = super().create_task_handler(*args, **kwargs)

        def handle_or_reject(message: Any) -> None:
            try:
                handle(message)
            except _MALFORMED as exc:
                self._reject(message, exc)

        return handle_or_reject

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Reject a message whose body cannot be decoded."""
        self._reject(message, exc)

    def _reject(self, message: Any, exc: Exception) -> None:
        log.error("message_not_a_task", bytes=len(message.body or b""), error=repr(exc))
        if not message.acknowledged:
            message.reject()


def limit_queues(celery: Celery, most: Mapping[str, int]) -> None:
    """Have a worker of this app hold at most so many messages of a queue at a time, by the queue's name."""
    # Celery does no more with it than call it.
    celery.amqp.Consumer = partial(_LimitedConsumer, most=most)  # type: ignore[assignment]


class _LimitedConsumer(kombu.Consumer):
    """Sets the prefetch limit before it consumes a queue: the broker applies it to each consumer made after it."""

    def __init__(self, *args: Any, most: Mapping[str, int], **kwargs: Any) -> None:
        self._most = most
        super().__init__(*args, **kwargs)

    def _basic_consume(self, queue: kombu.Queue, *args: Any, **kwargs: Any) -> Any:
        self.qos(prefetch_count=self._most[queue.name])
        return super()._basic_consume(queue, *args, **kwargs)
