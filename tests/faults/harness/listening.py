"""Listen to the events of ended jobs with a durable queue, and settle which have come."""

import json
from collections import Counter

import pika

from libs.common.messaging.amqp import broker_parameters
from libs.common.messaging.names import EVENTS_EXCHANGE

_QUEUE = "faults-events"


class EventListener:
    """A consumer of `adsp.events` that keeps what it has heard: how often each job's end was published."""

    def __init__(self, broker_url: str) -> None:
        """Bind the queue, which outlives the broker."""
        self._url = broker_url
        self.heard: Counter[tuple[str, str]] = Counter()
        connection = pika.BlockingConnection(broker_parameters(broker_url))
        channel = connection.channel()
        channel.exchange_declare(EVENTS_EXCHANGE, exchange_type="topic", durable=True)
        channel.queue_declare(_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(_QUEUE, EVENTS_EXCHANGE, routing_key="#")
        connection.close()

    def drain(self) -> None:
        """Take what has come since the last time."""
        connection = pika.BlockingConnection(broker_parameters(self._url))
        channel = connection.channel()
        while True:
            method, _, body = channel.basic_get(_QUEUE)
            if method is None or body is None:
                break
            event = json.loads(body)
            self.heard[event["job_id"], event["state"]] += 1
            channel.basic_ack(method.delivery_tag)
        connection.close()
