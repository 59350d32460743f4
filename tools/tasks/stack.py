"""Commands that start, watch and stop the stack: up, down, status, logs, env, verify."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from libs.common.errors import AdspError
from libs.devstack.binaries import has_rabbitmq, missing_monitoring
from tools.local_env import control, health, logs
from tools.local_env.compose import compose_command
from tools.local_env.images import build_images, images_exist
from tools.local_env.layout import REPOSITORY, Layout
from tools.local_env.state import LocalState

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")

console = Console()


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn our own errors into a message and exit status 1, without a traceback."""
    try:
        yield
    except AdspError as exc:
        raise Exit(str(exc), code=1) from exc


@task(
    help={
        "local": "Use the local stack even when Docker answers.",
        "build": "Rebuild the images first (Docker only).",
    }
)
def up(context: Context, local: bool = False, build: bool = False) -> None:  # noqa: FBT001, FBT002
    """Start the stack in the background and wait until it is ready."""
    compose = None if local else compose_command()
    if compose is not None:
        if build or not images_exist():
            build_images()
        _compose(context, compose, "up", "--detach")
        return
    with plain_errors():
        state = start_local_stack(Layout.of_checkout())
    _print_addresses(state)
    console.print(
        "\nNext: [bold]./dev trigger[/] loads the daily file, [bold]./dev status[/] tells"
    )
    console.print("what runs, [bold]./dev logs --follow[/] shows it, [bold]./dev down[/] stops it.")


@task(help={"purge": "Remove the local stack's data, logs and uploads as well."})
def down(context: Context, purge: bool = False) -> None:  # noqa: FBT001, FBT002
    """Stop everything that the stack started."""
    layout = Layout.of_checkout()
    with plain_errors(), console.status("stopping"):
        was_running = control.is_running(layout)
        leftovers = control.bring_down(layout)
        if purge:
            control.purge(layout)
    if leftovers:
        console.print(f"Ended {leftovers} processes that a killed supervisor had left.")
    console.print("The local stack is down." if was_running else "The local stack was not running.")
    if (compose := compose_command()) is not None:
        _compose(context, compose, "down", *(["--volumes"] if purge else []))


@task
def status(context: Context) -> None:
    """Tell what runs: a table of processes with their state, pid and address."""
    layout = Layout.of_checkout()
    if (compose := compose_command()) is not None:
        _compose(context, compose, "ps")
    state = LocalState.read(layout) if layout.folder.exists() else None
    if state is None or not control.is_running(layout):
        console.print(_describe_absence(layout, state))
        return
    console.print(f"The local stack: [bold]{state.phase}[/] (supervisor {state.supervisor.pid})")
    console.print(_process_table(state))


@task(
    name="logs",
    help={
        "service": "Only this one: api, worker, loader, scheduler, postgres, rabbitmq, valkey, …",
        "follow": "Go on with what is written from now on, until interrupted.",
        "lines": "How many of the last lines of each log to show.",
    },
)
def show_logs(
    context: Context,
    service: str | None = None,
    follow: bool = False,  # noqa: FBT001, FBT002
    lines: int = 20,
) -> None:
    """Show the logs of one service or of all."""
    compose = None if control.is_running(Layout.of_checkout()) else compose_command()
    if compose is not None:
        options = ["logs", f"--tail={lines}", *(["--follow"] if follow else [])]
        _compose(context, compose, *options, *([service] if service else []))
        return
    with plain_errors():
        found = logs.find_logs(Layout.of_checkout(), service)
    tell = _line_printer(list(found))
    for name, log in found.items():
        for line in logs.last_lines(log, lines):
            tell(name, line)
    if follow:
        for name, line in logs.follow(found):
            tell(name, line)


@task
def env(_context: Context) -> None:
    """Print the running stack's addresses as export lines: eval "$(./dev env)"."""
    with plain_errors():
        state = control.running_state(Layout.of_checkout())
    for name, value in environment(state).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


@task
def verify(_context: Context) -> None:
    """Check every endpoint and server; exits 1 when one is in trouble."""
    with plain_errors():
        checks = health.check_all(control.running_state(Layout.of_checkout()))
    table = Table("check", Column("address", overflow="fold"), "finding")
    for check in checks:
        colour = "green" if check.healthy else "red"
        table.add_row(check.name, check.address, Text(check.finding, style=colour))
    console.print(table)
    failed = [check.name for check in checks if not check.healthy]
    if failed:
        raise Exit(f"in trouble: {', '.join(failed)}", code=1)
    console.print(f"All {len(checks)} checks passed.")


def start_local_stack(layout: Layout) -> LocalState:
    """Start the local stack unless it is up, showing what is going on; `demo` calls this too."""
    if control.is_running(layout):
        console.print("The local stack runs already.")
    elif not has_rabbitmq():
        console.print(
            "[yellow]RabbitMQ is not installed; Valkey is the broker of this stack. "
            "To have RabbitMQ: sudo apt-get install --no-install-recommends rabbitmq-server[/]"
        )
    if not control.is_running(layout) and (missing := missing_monitoring()):
        console.print(
            "Prometheus does not watch this stack. To have it: "
            f"sudo apt-get install --no-install-recommends {' '.join(missing)}"
        )
    with console.status("starting") as spinner:
        return control.bring_up(layout, lambda what: spinner.update(f"{what} …"))


def environment(state: LocalState) -> dict[str, str]:
    """Return the variables that lead to a running stack; the database is entered as its owner."""
    addresses = state.addresses
    if addresses is None:
        return {"ADSP_API_URL": state.api_url}
    watching = state.monitoring
    return {
        **({} if watching is None else {"ADSP_PROMETHEUS_URL": watching.prometheus_url}),
        "ADSP_API_URL": state.api_url,
        "ADSP_DATABASE_URL": addresses.database_url("owner"),
        "ADSP_BROKER_URL": addresses.broker_url(),
        "ADSP_REDIS_URL": addresses.redis_url(),
    }


def _compose(context: Context, command: list[str], *arguments: str) -> None:
    with context.cd(str(REPOSITORY)):
        context.run(shlex.join([*command, *arguments]), pty=sys.stdout.isatty())


def _describe_absence(layout: Layout, state: LocalState | None) -> str:
    if control.is_running(layout):
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


def _print_addresses(state: LocalState) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("API", state.api_url)
    table.add_row("API documentation", f"{state.api_url}/docs")
    if state.addresses is not None and state.addresses.broker_port is not None:
        table.add_row("RabbitMQ", state.addresses.management_url)
    if state.monitoring is not None:
        table.add_row("Prometheus", state.monitoring.prometheus_url)
        table.add_row("Alertmanager", state.monitoring.alertmanager_url)
    table.add_row("files to load", str(Layout.of_checkout().incoming))
    console.print("[bold green]The stack is up.[/]")
    console.print(table)


def _line_printer(names: list[str]) -> Callable[[str, str], None]:
    """Return a function that prints a line with its log's name in that log's colour."""
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    width = max((len(name) for name in names), default=0)

    def tell(name: str, line: str) -> None:
        prefix = Text(f"{name:<{width}} ", style=colours[name])
        console.print(prefix + Text(line), soft_wrap=True)

    return tell
