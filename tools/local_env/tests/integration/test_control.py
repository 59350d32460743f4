"""The local stack comes up once, heals, keeps its data, and goes down without a trace."""

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.devstack.binaries import missing_monitoring
from libs.devstack.cluster import administration
from libs.devstack.errors import StackError
from libs.devstack.local_http import ask
from libs.devstack.os_user import Account
from libs.devstack.process_identity import ProcessIdentity, marked_processes
from libs.devstack.testing.waiting import wait_for
from tools.local_env.control import bring_down, bring_up, purge
from tools.local_env.health import check_all
from tools.local_env.layout import Layout
from tools.local_env.prometheus import faulty_rules
from tools.local_env.services import SERVICES
from tools.local_env.state import LocalState, Phase, running_state

WATCHERS = [] if missing_monitoring() else ["Prometheus"]

# What stands in for our services here: something that answers 200 on the port that it is given.
_STAND_IN = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

port = os.environ.get("ADSP_API_PORT") or os.environ["ADSP_METRICS_PORT"]
ThreadingHTTPServer(("127.0.0.1", int(port)), Answer).serve_forever()
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """Give a place for a stack whose services are stand-ins, found before the real ones."""
    sources = tmp_path_factory.mktemp("sources")
    for service in SERVICES:
        module = sources / "services" / service.name / "main.py"
        module.parent.mkdir(parents=True)
        module.write_text(_STAND_IN)
    place = Layout(Path("/var/tmp") / f"adsp-local-{uuid.uuid4().hex[:8]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(sources), *sys.path])
        patch.delenv("ADSP_API_PORT", raising=False)
        yield place
        bring_down(place)
    purge(place)


@pytest.fixture
def state(layout: Layout) -> LocalState:
    """Give the state of the stack, which is up and healthy, whatever the test before did to it."""
    state = bring_up(layout, lambda _what: None)
    wait_for(lambda: all(check.healthy for check in check_all(state)), 60, "all is healthy")
    return running_state(layout)


def process_of(layout: Layout, name: str) -> ProcessIdentity | None:
    """Return the running process of a service or server."""
    record = next(one for one in running_state(layout).processes if one.name == name)
    return record.identity


def test_everything_is_healthy_when_the_stack_is_up(state: LocalState) -> None:
    assert state.phase is Phase.UP
    assert [check for check in check_all(state) if not check.healthy] == []


def test_an_up_of_a_running_stack_changes_nothing(layout: Layout, state: LocalState) -> None:
    assert bring_up(layout, lambda _what: None).supervisor == state.supervisor


def test_passwords_are_for_our_eyes_only(layout: Layout, state: LocalState) -> None:
    assert state.addresses is not None
    secrets = [layout.state, layout.data(Account.current()) / "credentials.json"]

    assert [path.stat().st_mode & 0o777 for path in secrets] == [0o600, 0o600]
    for record in state.processes:
        assert record.identity is not None
        arguments = Path(f"/proc/{record.identity.pid}/cmdline").read_text()
        assert state.addresses.credentials.superuser not in arguments
        assert state.addresses.credentials.redis not in arguments


@pytest.mark.skipif(
    bool(missing_monitoring()), reason=f"not installed: {', '.join(missing_monitoring())}"
)
def test_prometheus_watches_the_stack_by_the_rules_of_the_repository(state: LocalState) -> None:
    assert state.monitoring is not None
    url = f"{state.monitoring.prometheus_url}/api/v1"

    def watched() -> set[str]:
        targets = ask(f"{url}/targets", 5).json()["data"]["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] == "up"}

    wait_for(lambda: {service.name for service in SERVICES} < watched(), 60, "all are scraped")
    wait_for(lambda: {"postgres", "redis", "alertmanager"} < watched(), 60, "servers are, too")
    assert faulty_rules(state.monitoring.prometheus_url) == []
    names = {check.name for check in check_all(state)}
    assert {"process Prometheus", "Alertmanager /-/ready", "Prometheus' rules"} <= names


@pytest.mark.parametrize("name", ["loader", "PostgreSQL", *WATCHERS])
def test_a_killed_process_is_started_again(layout: Layout, state: LocalState, name: str) -> None:
    assert state.phase is Phase.UP
    before = process_of(layout, name)
    assert before is not None
    before.send(signal.SIGKILL)

    after = wait_for(
        lambda: (now := process_of(layout, name)) != before and now, 30, f"{name} is back"
    )
    assert isinstance(after, ProcessIdentity)
    assert after.is_alive()


def test_a_killed_supervisor_leaves_nothing_and_the_data_stay(
    layout: Layout, state: LocalState
) -> None:
    assert state.addresses is not None
    with administration(state.addresses, "adsp") as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS public.kept ()")
    mark = layout.mark.read_text()
    state.supervisor.send(signal.SIGKILL)
    wait_for(lambda: not marked_processes(mark), 30, "everything died with the supervisor")
    assert not layout.is_running
    with pytest.raises(StackError, match=r"\./dev up"):
        running_state(layout)

    again = bring_up(layout, lambda _what: None)
    assert again.addresses is not None
    assert again.addresses.credentials == state.addresses.credentials
    with administration(again.addresses, "adsp") as cursor:
        cursor.execute("TABLE public.kept")


def test_a_stopped_stack_leaves_no_process(layout: Layout, state: LocalState) -> None:
    mark = layout.mark.read_text()
    identities = [record.identity for record in state.processes]

    assert bring_down(layout) == 0
    assert not layout.is_running
    assert marked_processes(mark) == []
    assert not any(identity is not None and identity.is_alive() for identity in identities)
    assert bring_down(layout) == 0


def test_purging_removes_everything(layout: Layout, state: LocalState) -> None:
    assert state.phase is Phase.UP
    bring_down(layout)
    data = layout.data(Account.current())
    assert data.exists()

    purge(layout)
    assert not layout.path.exists()
    assert not data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as somebody else")
def test_a_start_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADSP_SERVER_USER", "no-such-user")
    place = Layout(tmp_path / "local")

    with pytest.raises(StackError, match="no-such-user"):
        bring_up(place, lambda _what: None)
    assert not place.is_running
