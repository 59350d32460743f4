"""Declare the queues: durable quorum queues with a delivery limit, and where what exceeds it goes."""

from kombu import Exchange, Queue

from libs.common.messaging.names import (
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_QUEUE,
    WORK_QUEUES,
)


def work_queues(delivery_limit: int) -> list[Queue]:
    """Return the queues that workers consume.

    A message that was delivered more than `delivery_limit` times without an acknowledgement, as when it
    kills its consumer each time, moves to the dead-letter queue instead of going round for ever.
    """
    return [_work_queue(name, delivery_limit) for name in WORK_QUEUES]


def dead_letter_queue() -> Queue:
    """Return the queue of messages that could not be handled; the sweep reads it."""
    return Queue(
        DEAD_LETTER_QUEUE,
        exchange=Exchange(DEAD_LETTER_EXCHANGE, type="fanout", durable=True),
        durable=True,
        queue_arguments={"x-queue-type": "quorum"},
    )


def _work_queue(name: str, delivery_limit: int) -> Queue:
    return Queue(
        name,
        exchange=Exchange(name, type="direct", durable=True),
        routing_key=name,
        durable=True,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": delivery_limit,
            "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
        },
    )
