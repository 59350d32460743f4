"""Ask each server of a stack whether it serves: for its start and for `./dev verify`."""

import socket
import urllib.request
from http import HTTPStatus

import psycopg2

from libs.devstack.addresses import StackAddresses
from libs.devstack.management import call_management
from libs.devstack.ports import LOOPBACK, is_listening

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
    request = f"AUTH {addresses.credentials.redis}\r\nPING\r\n".encode()
    try:
        with socket.create_connection((LOOPBACK, addresses.redis_port), _PROBE_TIMEOUT) as probe:
            probe.sendall(request)
            with probe.makefile("rb") as answer:
                return (answer.readline(), answer.readline()) == (b"+OK\r\n", b"+PONG\r\n")
    except OSError:
        return False


def rabbitmq_answers(addresses: StackAddresses) -> bool:
    """Return whether RabbitMQ takes clients and has no alarm."""
    if addresses.broker_port is None or not is_listening(addresses.broker_port):
        return False
    try:
        call_management(addresses, "GET", "/api/health/checks/local-alarms")
    except OSError:
        return False
    return True


def web_answers(url: str) -> bool:
    """Return whether a URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_TIMEOUT) as answer:  # noqa: S310  # ours
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
