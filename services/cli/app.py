"""Assemble the command `adsp` from its parts."""

from typing import Annotated

import typer

from services.cli import datasets, doctor, jobs, keys, loads, login, rejects
from services.cli.version import VERSION

app = typer.Typer(
    name="adsp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Land files in PostgreSQL: load them, see what became of them, correct what was rejected.",
)


def _print_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"adsp {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[  # its callback has done the work
        bool, typer.Option("--version", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Land files in PostgreSQL: load them, see what became of them, correct what was rejected."""


app.command()(loads.load)
app.command()(loads.check)
app.command("jobs")(jobs.list_jobs)
app.command("job")(jobs.show_one)
app.command()(rejects.rejects)
app.command()(loads.replay)
app.command()(loads.cancel)
app.command()(loads.backfill)
app.add_typer(datasets.app, name="datasets")
app.add_typer(keys.app, name="keys")
app.command()(doctor.doctor)
app.command()(login.login)
