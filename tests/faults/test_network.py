"""The way to a server is cut, silent or slow in the middle of a load: the rows are there once.

Each server stands behind a relay. Ten seconds are five here, longer than a lease (3 s) and a publish (2 s).
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit, urlunsplit

import pytest

from libs.common.messaging.tests.relay import Relay, relay_to
from libs.devstack.ports import LOOPBACK
from tests.faults.harness.cells import assert_loaded_once, at_most, make_cell
from tests.faults.harness.machine import SERVICES, Machine

SECONDS = 5.0
DELAY = 0.03
"""Seconds that each piece of data takes, and its answer again: as to the other end of a continent."""
PATIENCE = 20.0
_VARIABLES = {
    "PostgreSQL": "ADSP_DATABASE_URL",
    "RabbitMQ": "ADSP_BROKER_URL",
    "Valkey": "ADSP_REDIS_URL",
}


@pytest.fixture(scope="module")
def relays(machine: Machine) -> Iterator[dict[str, Relay]]:
    """Put a relay before each server and start the services again behind them."""
    ports = {
        "PostgreSQL": machine.addresses.postgres_port,
        "RabbitMQ": machine.addresses.broker_port,
        "Valkey": machine.addresses.redis_port,
    }
    direct = machine.system.environment_of
    with ExitStack() as stack:
        made = {name: stack.enter_context(relay_to(LOOPBACK, port)) for name, port in ports.items()}

        def through_relays(role: str) -> dict[str, str]:
            variables = direct(role)
            for name, variable in _VARIABLES.items():
                variables[variable] = _with_port(variables[variable], made[name].port)
            return variables

        machine.system.environment_of = through_relays
        _restart(machine)
        yield made
        machine.system.environment_of = direct
        _restart(machine)


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{host}:{port}"))


def _restart(machine: Machine) -> None:
    for service in SERVICES:
        machine.system.kill(service)
        machine.system.start(service)
    machine.system.wait_ready()


@pytest.mark.parametrize("how", ["cut", "silent"])
@pytest.mark.parametrize("server", list(_VARIABLES))
def test_the_way_to_a_server_is_gone_for_a_while(
    machine: Machine, relays: dict[str, Relay], server: str, how: str
) -> None:
    """Cut: connections end and new ones are refused. Silent: they stay, and no byte passes."""
    relay, cell, later = relays[server], make_cell(machine), make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        if how == "cut":
            relay.refuse()
            relay.cut()
            back = threading.Timer(SECONDS, relay.accept)
        else:
            relay.freeze()
            back = threading.Timer(SECONDS, relay.thaw)
        back.start()
    back.join()

    assert_loaded_once(machine, accepted)
    assert_loaded_once(machine, later.submit())


@pytest.mark.parametrize("server", list(_VARIABLES))
def test_the_way_to_a_server_is_slow(
    machine: Machine, relays: dict[str, Relay], server: str
) -> None:
    """All goes as ever, but later: nobody gives up, nothing is begun twice."""
    cell = make_cell(machine)
    relays[server].delay = DELAY
    try:
        with at_most(PATIENCE):
            accepted = cell.submit()
        cell.wait_over(60)
    finally:
        relays[server].delay = 0.0

    assert_loaded_once(machine, accepted)
    attempts = machine.system.query(
        "SELECT attempt FROM adsp.chunks WHERE job_id = %s", accepted.job_id
    )
    assert attempts == [(1,)]
