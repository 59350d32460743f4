"""Record what the local stack is doing, so that the other commands need not ask it."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Self

from libs.devstack.addresses import StackAddresses
from libs.devstack.atomic_files import publish
from libs.devstack.errors import StackError
from libs.devstack.monitoring_addresses import MonitoringAddresses
from libs.devstack.process_identity import ProcessIdentity
from tools.local_env.layout import Layout


class Phase(StrEnum):
    """How far the stack is; in this order, `failed` excepted."""

    SERVERS = "starting servers"
    MIGRATING = "migrating"
    SERVICES = "starting services"
    UP = "up"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True)
class ProcessRecord:
    """One server or service: `identity` is None while it does not run."""

    name: str
    address: str
    log: str
    identity: ProcessIdentity | None
    restarts: int
    note: str = ""

    def condition(self) -> str:
        """Say in a word or two how it is now."""
        if self.identity is not None and self.identity.is_alive():
            return "running"
        return self.note or "not running"


@dataclass(frozen=True)
class LocalState:
    """The local stack as its supervisor last saw it."""

    phase: Phase
    supervisor: ProcessIdentity
    api_url: str
    addresses: StackAddresses | None = None
    monitoring: MonitoringAddresses | None = None
    metrics: dict[str, str] = field(default_factory=dict)
    processes: list[ProcessRecord] = field(default_factory=list)
    error: str = ""

    def environment(self) -> dict[str, str]:
        """Return the variables that lead to this stack; the database is entered as its owner."""
        variables = {"ADSP_API_URL": self.api_url}
        if self.addresses is None:
            return variables
        if self.monitoring is not None:
            variables["ADSP_PROMETHEUS_URL"] = self.monitoring.prometheus_url
        return variables | self.addresses.environment("owner")

    def write(self, layout: Layout) -> None:
        """Put this state in place of the one before."""
        publish(layout.state, json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, layout: Layout) -> Self | None:
        """Return the last state written, or None when there was none."""
        try:
            values = json.loads(layout.state.read_text())
        except FileNotFoundError:
            return None
        return cls(
            **{
                **values,
                "phase": Phase(values["phase"]),
                "supervisor": ProcessIdentity(**values["supervisor"]),
                "addresses": _addresses(values["addresses"]),
                "monitoring": _monitoring(values["monitoring"]),
                "processes": [_process(record) for record in values["processes"]],
            }
        )


def running_state(layout: Layout) -> LocalState:
    """Return the state of the running stack; raise `StackError` when there is none."""
    state = LocalState.read(layout) if layout.is_running else None
    if state is None or state.addresses is None:
        raise StackError("the local stack is not running; start it with ./dev up")
    return state


def _addresses(values: dict[str, object] | None) -> StackAddresses | None:
    return None if values is None else StackAddresses.of(values)


def _monitoring(values: dict[str, int] | None) -> MonitoringAddresses | None:
    return None if values is None else MonitoringAddresses(**values)


def _process(values: dict[str, object]) -> ProcessRecord:
    identity = values.pop("identity")
    return ProcessRecord(
        **values,  # type: ignore[arg-type]  # written by `write` above
        identity=None if identity is None else ProcessIdentity(**identity),  # type: ignore[arg-type]
    )
