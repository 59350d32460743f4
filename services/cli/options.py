"""Define the arguments and options that several commands have, with their help and completion."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated

import typer

from libs.client.client import Client
from libs.client.errors import ClientError
from services.cli.connection import NotLoggedIn, connect

_ENOUGH = 50
"""Ids that a completion offers."""


def _complete(ask: Callable[[Client], Iterator[str]]) -> Callable[[str], list[str]]:
    """Return a completion by what the api has; where it does not answer at once there is none."""

    def complete(incomplete: str) -> list[str]:
        with suppress(ClientError, NotLoggedIn), connect(retry_seconds=0, timeout=2) as client:
            return [word for word in ask(client) if word.startswith(incomplete)]
        return []

    return complete


def _dataset_names(client: Client) -> Iterator[str]:
    return (dataset.name for dataset in client.datasets())


def _job_ids(client: Client) -> Iterator[str]:
    return (job.id for job, _ in zip(client.jobs(), range(_ENOUGH), strict=False))


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Load what was loaded before, and behind a newer delivery, too."),
]
Watch = Annotated[
    bool, typer.Option("--watch", "-w", help="Wait for the end, and exit by what became of it.")
]
Seconds = Annotated[
    float, typer.Option("--wait", min=0, metavar="SECONDS", help="Seconds to wait at most.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Date = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The day that the data is of."),
]
DatasetOption = Annotated[
    str,
    typer.Option(
        "--dataset", "-d", help="Which dataset.", autocompletion=_complete(_dataset_names)
    ),
]
AnyDataset = Annotated[
    str | None,
    typer.Option(
        "--dataset", "-d", help="Of this dataset alone.", autocompletion=_complete(_dataset_names)
    ),
]
DatasetName = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=_complete(_dataset_names))
]
JobId = Annotated[str, typer.Argument(metavar="ID", autocompletion=_complete(_job_ids))]

DAY_SECONDS = 86_400.0
"""How long a command waits for a job that nobody bounds."""
