"""Ask each server of a stack whether it serves: for its start and for `./dev verify`."""

from http import HTTPStatus

import httpx
import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from libs.devstack.addresses import StackAddresses
from libs.devstack.local_http import ask
from libs.devstack.management import call_management
from libs.devstack.ports import is_listening

_PROBE_TIMEOUT = 2


def postgres_answers(addresses: StackAddresses) -> bool:
    """Return whether PostgreSQL lets the administrator in."""
    try:
        psycopg2.connect(addresses.superuser_dsn(), connect_timeout=_PROBE_TIMEOUT).close()
    except psycopg2.OperationalError:
        return False
    return True


def redis_answers(addresses: StackAddresses) -> bool:
    """Return whether Valkey answers a PING."""
    client = redis.Redis.from_url(
        addresses.redis_url(),
        socket_connect_timeout=_PROBE_TIMEOUT,
        socket_timeout=_PROBE_TIMEOUT,
        retry=Retry(NoBackoff(), 0),  # whoever asks asks again
    )
    try:
        with client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def rabbitmq_answers(addresses: StackAddresses) -> bool:
    """Return whether RabbitMQ takes clients and has no alarm."""
    if not is_listening(addresses.broker_port, addresses.host):
        return False
    try:
        call_management(addresses, "GET", "/api/health/checks/local-alarms")
    except httpx.HTTPError:
        return False
    return True


def web_answers(url: str) -> bool:
    """Return whether a URL answers 200."""
    try:
        return ask(url, _PROBE_TIMEOUT).status_code == HTTPStatus.OK
    except httpx.HTTPError:
        return False
