"""Fixtures of the messaging tests: an empty virtual host, and a relay in front of the broker."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest

from libs.common.messaging.app import make_celery
from libs.common.messaging.dispatcher import Dispatcher
from libs.common.messaging.tests.relay import Relay, relay_to
from libs.common.settings import MessagingSettings
from libs.devstack.addresses import StackAddresses
from libs.devstack.testing.vhosts import ScratchVhost, scratch_vhost

TIMEOUT = 1.0
"""Seconds that a publish in these tests waits for the broker."""

MakeDispatcher = Callable[..., Dispatcher]


@dataclass(frozen=True)
class Mail:
    """A message as it lies in a queue."""

    properties: pika.BasicProperties
    body: bytes

    @property
    def kwargs(self) -> dict[str, Any]:
        """Return the task's keyword arguments."""
        kwargs: dict[str, Any] = json.loads(self.body)[1]
        return kwargs


@pytest.fixture
def own_vhost(stack: StackAddresses) -> Iterator[ScratchVhost]:
    """Give a test a virtual host without a queue."""
    with scratch_vhost(stack) as made:
        yield made


@pytest.fixture
def take(own_vhost: ScratchVhost) -> Callable[[str], Mail | None]:
    """Give a function that takes the next message off a queue."""

    def take_one(queue: str) -> Mail | None:
        with closing(pika.BlockingConnection(pika.URLParameters(own_vhost.url))) as connection:
            method, properties, body = connection.channel().basic_get(queue, auto_ack=True)
            if method is None:
                return None
            assert properties is not None
            assert body is not None
            return Mail(properties, body)

    return take_one


@pytest.fixture
def relay(own_vhost: ScratchVhost) -> Iterator[Relay]:
    """Give a relay in front of the broker."""
    address = urlsplit(own_vhost.url)
    with relay_to(str(address.hostname), int(address.port or 0)) as relay:
        yield relay


@pytest.fixture
def relayed_url(own_vhost: ScratchVhost, relay: Relay) -> str:
    """Give the broker's URL through the relay."""
    address = urlsplit(own_vhost.url)
    credentials = address.netloc.rpartition("@")[0]
    return address._replace(netloc=f"{credentials}@127.0.0.1:{relay.port}").geturl()


@pytest.fixture
def make_dispatcher(own_vhost: ScratchVhost, redis_url: str) -> Iterator[Callable[..., Dispatcher]]:
    """Give a function that makes dispatchers, to the real broker unless asked otherwise."""
    made: list[Dispatcher] = []

    def make(broker_url: str = own_vhost.url, redis: str = redis_url) -> Dispatcher:
        settings = MessagingSettings(
            broker_url=broker_url, redis_url=redis, publish_timeout=TIMEOUT
        )
        celery = make_celery(settings, f"test-{uuid.uuid4().hex[:8]}")
        made.append(Dispatcher(celery, settings.publish_timeout))
        return made[-1]

    yield make
    for dispatcher in made:
        dispatcher.close()
