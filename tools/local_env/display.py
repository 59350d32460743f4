"""Show the local stack on the terminal: its processes, what was checked, its logs."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tools.local_env.layout import Layout
from tools.local_env.state import LocalState

if TYPE_CHECKING:
    from tools.local_env.health import Check

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")

console = Console()


def print_status(layout: Layout) -> None:
    """Print a table of the stack's processes, or why there is none."""
    state = LocalState.read(layout) if layout.path.exists() else None
    if state is None or not layout.is_running:
        console.print(_describe_absence(layout, state))
        return
    console.print(f"The local stack: [bold]{state.phase}[/] (supervisor {state.supervisor.pid})")
    console.print(_process_table(state))


def _describe_absence(layout: Layout, state: LocalState | None) -> str:
    if layout.is_running:
        return "The local stack is about to start."
    if state is not None:
        return "The local stack is not running, and was not stopped: ./dev down cleans up after it."
    return "The local stack is not running; ./dev up starts it."


def _process_table(state: LocalState) -> Table:
    table = Table("process", "state", "pid", Column("address", overflow="fold"), "restarts")
    for record in state.processes:
        condition = record.condition()
        pid = "" if record.identity is None else str(record.identity.pid)
        style = "green" if condition == "running" else "red"
        table.add_row(
            record.name, Text(condition, style=style), pid, record.address, str(record.restarts)
        )
    return table


def findings_table(checks: "Iterable[Check]") -> Table:
    """Return a table of what was checked and found."""
    table = Table("check", Column("address", overflow="fold"), "finding")
    for check in checks:
        colour = "green" if check.healthy else "red"
        table.add_row(check.name, check.address, Text(check.finding, style=colour))
    return table


def line_printer(names: list[str]) -> Callable[[str, str], None]:
    """Return a function that prints a line with its log's name in that log's colour."""
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    width = max((len(name) for name in names), default=0)

    def tell(name: str, line: str) -> None:
        prefix = Text(f"{name:<{width}} ", style=colours[name])
        console.print(prefix + Text(line), soft_wrap=True)

    return tell
