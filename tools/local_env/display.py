"""Show the local stack on the terminal: its start, its addresses, its processes, its logs."""

from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from libs.devstack.binaries import missing_monitoring, rabbitmq_server
from tools.local_env import control
from tools.local_env.health import Check
from tools.local_env.layout import Layout
from tools.local_env.state import LocalState

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")

console = Console()


def start_local_stack(layout: Layout) -> LocalState:
    """Start the local stack unless it is up, showing what is going on; `demo` calls this too."""
    if layout.is_running:
        console.print("The local stack runs already.")
    else:
        rabbitmq_server()  # or say how to have it
        if missing := missing_monitoring():
            console.print(
                "Prometheus does not watch this stack. To have it: "
                f"sudo apt-get install --no-install-recommends {' '.join(missing)}"
            )
    with console.status("starting") as spinner:
        return control.bring_up(layout, lambda what: spinner.update(f"{what} …"))


def print_addresses(state: LocalState) -> None:
    """Print where to reach the stack that has just started, and what to type next."""
    table = Table.grid(padding=(0, 2))
    table.add_row("API", state.api_url)
    table.add_row("API documentation", f"{state.api_url}/docs")
    if state.addresses is not None:
        table.add_row("RabbitMQ", state.addresses.management_url)
    if state.monitoring is not None:
        table.add_row("Prometheus", state.monitoring.prometheus_url)
        table.add_row("Alertmanager", state.monitoring.alertmanager_url)
    table.add_row("files to load", str(Layout.of_checkout().incoming))
    console.print("[bold green]The stack is up.[/]")
    console.print(table)
    console.print(
        "\nNext: [bold]./dev trigger[/] loads the daily file, [bold]./dev status[/] tells"
    )
    console.print("what runs, [bold]./dev logs --follow[/] shows it, [bold]./dev down[/] stops it.")


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


def findings_table(checks: Iterable[Check]) -> Table:
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
