"""Reach RabbitMQ with pika, every wait bounded: for dead letters, which Celery cannot read."""

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

BROKER_ERRORS = (AMQPError, AMQPConnectorException, OSError)
"""What pika raises when the broker is away, silent or unwilling; it has no common base."""

WAIT_SECONDS = 5.0
HEARTBEAT_SECONDS = 10  # ends a wait when the broker has fallen silent


def broker_parameters(broker_url: str) -> pika.URLParameters:
    """Return the connection parameters.

    Connecting and a blocked broker are waited for at most `WAIT_SECONDS`, a silent one twice the heartbeat.
    """
    parameters = pika.URLParameters(broker_url)
    parameters.socket_timeout = WAIT_SECONDS
    parameters.stack_timeout = WAIT_SECONDS
    parameters.blocked_connection_timeout = WAIT_SECONDS
    parameters.heartbeat = HEARTBEAT_SECONDS
    return parameters
