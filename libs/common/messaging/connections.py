"""Reach RabbitMQ with pika, every wait bounded: for events and dead letters, which Celery does not carry."""

import pika

WAIT_SECONDS = 5.0


def broker_parameters(broker_url: str) -> pika.URLParameters:
    """Return the connection parameters; connecting, a blocked broker and a confirm wait 5 s at most."""
    parameters = pika.URLParameters(broker_url)
    parameters.socket_timeout = WAIT_SECONDS
    parameters.stack_timeout = WAIT_SECONDS
    parameters.blocked_connection_timeout = WAIT_SECONDS
    return parameters
