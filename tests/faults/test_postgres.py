"""Postgres dies, freezes or is full of connections: requests are refused in time, loads come once."""

import signal
from contextlib import ExitStack, closing

import psycopg2
import pytest

from libs.client.client import Client
from libs.client.errors import ApiUnreachable, RefusedRequest
from libs.devstack.testing.waiting import wait_for
from tests.faults.harness.cells import assert_loaded_once, at_most, make_cell
from tests.faults.harness.machine import Machine, descendants, send_signal

MOST_CONNECTIONS = 1_000


def wait_unready(client: Client) -> None:
    """Wait until the api says so: its answer may be half a second old."""
    wait_for(lambda: client.get("/readyz").status_code == 503, 4, "the api is not ready")


def test_killed_requests_are_refused_with_a_time_to_return_and_it_recovers(
    machine: Machine,
) -> None:
    cell = make_cell(machine)
    machine.kill_server("PostgreSQL")
    with machine.system.client as client, at_most(15):
        answer = client.get("/v1/jobs")
        wait_unready(client)
    with pytest.raises(RefusedRequest) as refused:
        cell.submit()
    machine.revive()
    machine.system.wait_ready()

    accepted = cell.submit()

    assert (answer.status_code, refused.value.status) == (503, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert_loaded_once(machine, accepted)


def test_killed_in_the_middle_of_a_load_the_rows_are_rolled_back_and_loaded_again(
    machine: Machine,
) -> None:
    cell = make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        machine.kill_server("PostgreSQL")
    machine.revive()

    assert_loaded_once(machine, accepted)


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "chunked"])
def test_killed_right_after_a_commit_there_is_exactly_one_load(
    machine: Machine, *, atomic: bool
) -> None:
    cell = make_cell(machine, atomic=atomic)
    accepted = cell.submit()
    wait_for(
        lambda: machine.system.count(
            f"adsp.chunks WHERE job_id = '{accepted.job_id}' AND state = 'done'"
        ),
        30,
        "a chunk is committed",
    )
    machine.kill_server("PostgreSQL")
    machine.revive()

    assert_loaded_once(machine, accepted)


def test_frozen_the_api_says_so_in_time_and_what_was_under_way_goes_on(machine: Machine) -> None:
    cell = make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        server = machine.server("PostgreSQL").pid
        for pid in [server, *descendants(server)]:
            send_signal(pid, signal.SIGSTOP)
        with machine.system.client as client, at_most(5):
            alive = client.get("/livez")
            wait_unready(client)
        machine.wake()

    assert alive.status_code == 200
    assert_loaded_once(machine, accepted)


def test_frozen_for_longer_than_a_request_waits_it_is_refused_and_nothing_is_lost(
    machine: Machine,
) -> None:
    """Its kernel still acknowledges what is sent, so that no connection breaks by itself."""
    cell = make_cell(machine)
    machine.system.kill("api")
    machine.system.start("api", ADSP_DATABASE_READ_TIMEOUT="2")
    machine.system.wait_ready()
    server = machine.server("PostgreSQL").pid
    for pid in [server, *descendants(server)]:
        send_signal(pid, signal.SIGSTOP)
    with at_most(2 + 5 + 5), pytest.raises(RefusedRequest) as refused:
        cell.submit()
    machine.wake()
    machine.system.wait_ready()
    accepted = cell.submit()

    assert refused.value.status == 503
    assert_loaded_once(machine, accepted)


def test_when_no_connection_is_left_jobs_are_loaded_afterwards(machine: Machine) -> None:
    """Requests that need a new connection are refused meanwhile; what is taken is loaded in the end."""
    cell = make_cell(machine)
    machine.system.processes["loader-1"].process.kill()
    machine.system.processes["loader-2"].process.kill()
    with ExitStack() as taken:
        accepted = cell.submit()
        _take_all_connections(machine, taken)
        for loader in ("loader-1", "loader-2"):
            machine.system.processes[loader].process.wait(10)
            machine.system.start(loader)
        wait_for(
            lambda: [
                line
                for loader in ("loader-1", "loader-2")
                for line in machine.system.log_lines(loader)
                if "connection slots" in str(line) or "too many clients" in str(line)
            ],
            40,
            "a loader was refused",
        )

    assert_loaded_once(machine, accepted)


def test_a_request_while_every_connection_is_taken_is_a_503_in_time(machine: Machine) -> None:
    with ExitStack() as taken:
        machine.system.kill("api")  # with its connections
        _take_all_connections(machine, taken)
        machine.system.start("api")
        wait_for(lambda: _status(machine, "/livez") == 200, 30, "the api lives")
        with at_most(10):
            status = _status(machine, "/v1/jobs")

    machine.system.wait_ready()
    assert status == 503
    assert _status(machine, "/v1/jobs") == 200


def _take_all_connections(machine: Machine, taken: ExitStack) -> None:
    """Connect until Postgres refuses; it has a bound of its own."""
    for _ in range(MOST_CONNECTIONS):
        try:
            connection = psycopg2.connect(machine.system.database.dsn_for("api"))
        except psycopg2.OperationalError:
            return
        taken.enter_context(closing(connection))
    pytest.fail(f"Postgres took {MOST_CONNECTIONS} connections")


def _status(machine: Machine, path: str) -> int:
    try:
        with machine.system.client as client:
            return client.get(path).status_code
    except ApiUnreachable:
        return 0
