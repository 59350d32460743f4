"""Commands that start, watch and stop the stack: up, down, status, logs, env, verify."""

import shlex
import sys

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.locations import ROOT
from tools.tasks.errors import plain_errors


@task(
    help={
        "local": "Use the local stack even when Docker answers.",
        "build": "Rebuild the images first (Docker only).",
    }
)
def up(context: Context, local: bool = False, build: bool = False) -> None:  # noqa: FBT001, FBT002
    """Start the stack in the background and wait until it is ready."""
    from tools.local_env.compose import compose_command
    from tools.local_env.images import build_images, images_exist
    from tools.local_env.layout import Layout
    from tools.local_env.start import print_addresses, start_local_stack

    compose = None if local else compose_command()
    if compose is not None:
        if build or not images_exist():
            build_images()
        _compose(context, compose, "up", "--detach")
        return
    with plain_errors():
        print_addresses(start_local_stack(Layout.of_checkout()))


@task(help={"purge": "Remove the local stack's data, logs and uploads as well."})
def down(context: Context, purge: bool = False) -> None:  # noqa: FBT001, FBT002
    """Stop everything that the stack started."""
    from tools.local_env import control
    from tools.local_env.compose import compose_command
    from tools.local_env.display import console
    from tools.local_env.layout import Layout

    layout = Layout.of_checkout()
    with plain_errors(), console.status("stopping"):
        was_running = layout.is_running
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
    from tools.local_env.compose import compose_command
    from tools.local_env.display import print_status
    from tools.local_env.layout import Layout

    if (compose := compose_command()) is not None:
        _compose(context, compose, "ps")
    print_status(Layout.of_checkout())


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
    from tools.local_env import logs
    from tools.local_env.compose import compose_command
    from tools.local_env.display import line_printer
    from tools.local_env.layout import Layout

    layout = Layout.of_checkout()
    compose = None if layout.is_running else compose_command()
    if compose is not None:
        options = ["logs", f"--tail={lines}", *(["--follow"] if follow else [])]
        _compose(context, compose, *options, *([service] if service else []))
        return
    with plain_errors():
        found = logs.find_logs(layout, service)
    tell = line_printer(list(found))
    for name, log in found.items():
        for line in logs.last_lines(log, lines):
            tell(name, line)
    if follow:
        for name, line in logs.follow(found):
            tell(name, line)


@task
def env(_context: Context) -> None:
    """Print the running stack's addresses as export lines: eval "$(./dev env)"."""
    from tools.local_env.layout import Layout
    from tools.local_env.state import running_state

    with plain_errors():
        state = running_state(Layout.of_checkout())
    for name, value in state.environment().items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


@task
def verify(_context: Context) -> None:
    """Check every endpoint and server; exits 1 when one is in trouble."""
    from tools.local_env import health
    from tools.local_env.display import console, findings_table
    from tools.local_env.layout import Layout
    from tools.local_env.state import running_state

    with plain_errors():
        checks = health.check_all(running_state(Layout.of_checkout()))
    console.print(findings_table(checks))
    failed = [check.name for check in checks if not check.healthy]
    if failed:
        raise Exit(f"in trouble: {', '.join(failed)}", code=1)
    console.print(f"All {len(checks)} checks passed.")


def _compose(context: Context, command: list[str], *arguments: str) -> None:
    with context.cd(str(ROOT)):
        context.run(shlex.join([*command, *arguments]), pty=sys.stdout.isatty())
