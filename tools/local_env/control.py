"""Start, find and stop the local stack's supervisor from a command."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import httpx

from libs.devstack.child_process import log_tail
from libs.devstack.daemon import spawn_daemon
from libs.devstack.errors import StackError
from libs.devstack.file_locks import EXCLUSIVE, held
from libs.devstack.local_http import ask
from libs.devstack.os_user import Account
from libs.devstack.waiting import wait_until
from tools.local_env import supervisor
from tools.local_env.layout import Layout
from tools.local_env.services import SERVICES
from tools.local_env.state import LocalState, Phase

UP_SECONDS = 180.0
DOWN_SECONDS = 120.0
_STATE_SECONDS = 10.0
_POLL_SECONDS = 0.2
_PROBE_SECONDS = 3.0

Progress = Callable[[str], None]


def bring_up(layout: Layout, tell: Progress) -> LocalState:
    """Start the stack unless it runs, wait until all services answer, and return the state.

    `tell` is called with what is going on, when that changes. Raises `StackError` when the stack
    fails or is not ready in time; what did start is left running then, to be inspected.
    """
    layout.make_folders()
    with held(layout.start_lock, EXCLUSIVE):
        if not layout.is_running:
            layout.state.unlink(missing_ok=True)
            spawn_daemon(supervisor.__name__, layout)
    return _wait_ready(layout, tell)


def bring_down(layout: Layout) -> int:
    """Stop everything that was started; return how much of it a killed supervisor had left."""
    if not layout.path.exists():
        return 0
    with held(layout.start_lock, EXCLUSIVE):
        _end_supervisor(layout)
        leftovers = layout.kill_orphans()
        layout.state.unlink(missing_ok=True)
        layout.mark.unlink(missing_ok=True)
        return leftovers


def _end_supervisor(layout: Layout) -> None:
    # One that has only just started says who it is in a moment.
    wait_until(lambda: layout.state.exists() or not layout.is_running, _STATE_SECONDS)
    state = LocalState.read(layout)
    if not layout.is_running or state is None:
        return
    state.supervisor.send(signal.SIGTERM)
    if not wait_until(lambda: not layout.is_running, DOWN_SECONDS):
        state.supervisor.send(signal.SIGKILL)


def purge(layout: Layout) -> None:
    """Remove the data, logs and uploads of a stack that is down."""
    if layout.path.exists():
        shutil.rmtree(layout.data(Account.current()), ignore_errors=True)
        shutil.rmtree(layout.path)


def _wait_ready(layout: Layout, tell: Progress) -> LocalState:
    last_shown = ""
    for state in _states(layout):
        telling = _describe(state)
        if telling != last_shown:
            tell(last_shown := telling)
        if state is None:
            continue
        if state.phase is Phase.FAILED:
            wait_until(lambda: not layout.is_running, DOWN_SECONDS)
            raise StackError(f"the local stack did not start: {state.error}")
        _raise_if_given_up(state)
        if state.phase is Phase.UP and _all_answer(state):
            return state
    raise StackError(f"the local stack is not ready after {UP_SECONDS:.0f} s; see ./dev logs")


def _states(layout: Layout) -> Iterator[LocalState | None]:
    """Read the state again and again until the deadline or the supervisor's end."""
    end = time.monotonic() + UP_SECONDS
    while time.monotonic() < end:
        alive = layout.is_running
        state = LocalState.read(layout)
        yield state
        if not alive:
            log = log_tail(layout.log)
            raise StackError(f"the local stack's supervisor ended; the end of its log:\n{log}")
        time.sleep(_POLL_SECONDS)


def _all_answer(state: LocalState) -> bool:
    urls = [f"{state.api_url}/readyz", *state.metrics.values()]
    if state.monitoring is not None:
        urls += state.monitoring.ready_urls().values()
    return all(answers(url) for url in urls)


def _describe(state: LocalState | None) -> str:
    if state is None:
        return Phase.SERVERS
    return "waiting for the services" if state.phase is Phase.UP else state.phase


def _raise_if_given_up(state: LocalState) -> None:
    watching = state.monitoring.urls() if state.monitoring is not None else {}
    awaited = {*(service.name for service in SERVICES), *watching}
    for record in state.processes:
        if record.name in awaited and record.note.startswith("given up"):
            raise StackError(
                f"{record.name} does not stay up; see ./dev logs --service {record.name}"
            )


def answers(url: str) -> bool:
    """Return whether a URL answers 200."""
    return status_of(url) == HTTPStatus.OK


def status_of(url: str) -> int | None:
    """Return the HTTP status of a GET, or None when nothing answers in time."""
    try:
        return ask(url, _PROBE_SECONDS).status_code
    except httpx.HTTPError:
        return None
