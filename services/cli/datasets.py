"""Commands for datasets: list, show, pause, resume, delete. Those for folders are in `dataset_folders`."""

import typer
import yaml

from libs.client.models import Dataset
from services.cli.connection import connect
from services.cli.dataset_folders import apply, diff
from services.cli.dataset_init import init
from services.cli.exit_codes import ExitCode
from services.cli.options import DatasetName, Json, Yes
from services.cli.output import Column, moment, say, show_json, show_table

app = typer.Typer(help="Show and change datasets.", no_args_is_help=True)

_DATASETS = (
    Column("dataset", 16, rank=0),
    Column("table", 20, rank=1),
    Column("mode", 8, rank=2),
    Column("schedule", 14, rank=3),
    Column("paused", 10, rank=4),
    Column("version", 7, rank=6, is_number=True),
    Column("source", 20, rank=5),
    Column("changed", 19, rank=7),
)


@app.command("list")
def list_datasets(*, json: Json = False) -> ExitCode:
    """List the datasets."""
    with connect() as client:
        datasets = list(client.datasets())
    if json:
        show_json(datasets)
    else:
        show_table(_DATASETS, (_cells(dataset) for dataset in datasets))
    return ExitCode.OK


@app.command()
def show(name: DatasetName, *, json: Json = False) -> ExitCode:
    """Print a dataset's definition as YAML: a file for `adsp datasets apply`."""
    with connect() as client:
        dataset = client.dataset(name)
    if json:
        show_json(dataset)
        return ExitCode.OK
    if dataset.refused:
        say(f"nothing is loaded by this definition: {dataset.refused}")
    typer.echo(yaml.safe_dump(dataset.definition, sort_keys=False, allow_unicode=True), nl=False)
    return ExitCode.OK


@app.command()
def pause(name: DatasetName, *, json: Json = False) -> ExitCode:
    """Have the schedule make no jobs until the dataset is resumed; other triggers work."""
    with connect() as client:
        dataset = client.pause_dataset(name)
    return _changed(dataset, f"{name} is paused", as_json=json)


@app.command()
def resume(name: DatasetName, *, json: Json = False) -> ExitCode:
    """Have the schedule make jobs again."""
    with connect() as client:
        dataset = client.resume_dataset(name)
    return _changed(dataset, f"{name} is resumed", as_json=json)


@app.command()
def delete(name: DatasetName, *, yes: Yes = False) -> ExitCode:
    """Delete a dataset; its table, jobs and failed rows stay."""
    if not yes and not typer.confirm(f"Delete the dataset {name}? Its table and jobs stay."):
        return ExitCode.REFUSED
    with connect() as client:
        client.delete_dataset(name)
    say(f"{name} is deleted")
    return ExitCode.OK


app.command()(init)
app.command()(diff)
app.command()(apply)


def _cells(dataset: Dataset) -> tuple[str, ...]:
    said = dataset.definition
    schedule = said.get("schedule") or {}
    source = said.get("source")
    return (
        dataset.name,
        str(said.get("table", "")),
        str(said.get("mode", "")),
        str(schedule.get("cron", "")),
        moment(dataset.paused_at)[:10],
        str(dataset.version or ""),
        source if isinstance(source, str) else ", ".join(source or []),
        moment(dataset.updated_at),
    )


def _changed(dataset: Dataset, message: str, *, as_json: bool) -> ExitCode:
    if as_json:
        show_json(dataset)
    else:
        say(message)
    return ExitCode.OK
