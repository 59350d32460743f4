"""A task's result is kept in Redis for a while, and never at the price of the task."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from structlog.testing import capture_logs

from libs.common.messaging.app import REDIS_TIMEOUT, make_celery
from libs.common.messaging.tests.relay import Relay, relay_to
from libs.common.settings import MessagingSettings
from libs.devstack.testing.vhosts import ScratchVhost

MakeApp = Callable[[str], Celery]


@pytest.fixture
def make_app(own_vhost: ScratchVhost) -> Iterator[MakeApp]:
    """Give a function that makes an app with results at a URL; its connections to Redis are closed afterwards."""
    made = ExitStack()

    def make(redis_url: str) -> Celery:
        settings = MessagingSettings(
            broker_url=own_vhost.url, redis_url=redis_url, result_expires=600
        )
        app = make_celery(settings, "results")
        backend: Any = app.backend
        made.callback(backend.client.connection_pool.disconnect)
        return app

    with made:
        yield make


def relayed(redis_url: str, relay: Relay) -> str:
    """Return the URL of Redis through the relay."""
    address = urlsplit(redis_url)
    credentials, at, _ = address.netloc.rpartition("@")
    return address._replace(netloc=f"{credentials}{at}127.0.0.1:{relay.port}").geturl()


def test_result_is_readable_by_its_id_until_it_expires(make_app: MakeApp, redis_url: str) -> None:
    app, task_id = make_app(redis_url), str(uuid.uuid4())

    app.backend.store_result(task_id, "running", "SUCCESS")
    result = app.AsyncResult(task_id)
    backend: Any = app.backend
    ttl = backend.client.ttl(backend.get_key_for_task(task_id))

    assert (result.state, result.result) == ("SUCCESS", "running")
    assert 0 < ttl <= 600


def test_result_is_lost_in_time_when_redis_falls_silent(make_app: MakeApp, redis_url: str) -> None:
    """Two attempts, each with a timeout; the loss is logged and nothing is raised."""
    address = urlsplit(redis_url)
    with relay_to(str(address.hostname), int(address.port or 0)) as relay:
        app = make_app(relayed(redis_url, relay))
        app.backend.store_result(str(uuid.uuid4()), "first", "SUCCESS")
        relay.freeze()
        began = time.monotonic()

        with capture_logs() as lines:
            app.backend.store_result(str(uuid.uuid4()), "second", "SUCCESS")

    assert time.monotonic() - began < 2 * REDIS_TIMEOUT + 1
    assert [line["event"] for line in lines] == ["result_not_stored"]


def test_results_come_back_with_redis(make_app: MakeApp, redis_url: str) -> None:
    """A connection that was cut is opened again by itself."""
    address = urlsplit(redis_url)
    with relay_to(str(address.hostname), int(address.port or 0)) as relay:
        app, task_id = make_app(relayed(redis_url, relay)), str(uuid.uuid4())
        app.backend.store_result(str(uuid.uuid4()), "first", "SUCCESS")
        relay.cut()

        app.backend.store_result(task_id, "second", "SUCCESS")

        assert app.AsyncResult(task_id).result == "second"
