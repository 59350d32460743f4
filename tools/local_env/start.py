"""Start the local stack, and say on the terminal what goes on and where to reach it."""

from rich.table import Table

from libs.devstack.binaries import missing_monitoring, rabbitmq_server
from tools.local_env import control
from tools.local_env.display import console
from tools.local_env.layout import Layout
from tools.local_env.state import LocalState


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
