"""The command that says what is missing between its user and a load: doctor."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from rich.text import Text

from libs.client.client import Client
from libs.client.errors import ClientError
from services.cli.connection import Login, NotLoggedIn, current_login
from services.cli.exit_codes import ExitCode
from services.cli.options import AnyDataset, Json
from services.cli.output import Column, show_json, show_table
from services.cli.version import VERSION

_SKEW_SECONDS = 60.0
_PATIENCE = 10.0
_MOST_TAKEN = 0.85
"""As the alert DatabaseConnectionsShort."""

_FINDINGS = (
    Column("", 6, rank=0),
    Column("what", 16, rank=1),
    Column("found", 50, rank=2, is_whole=True),
)


@dataclass(frozen=True)
class Finding:
    """Whether one thing is in order, and what was found, with how to fix it where it is not."""

    what: str
    is_well: bool
    found: str


def doctor(dataset: AnyDataset = None, *, json: Json = False) -> ExitCode:
    """Check the way to a load: address, api, servers, key, clock; with --dataset, its definition and rights too."""
    findings = list(_findings(dataset))
    if json:
        show_json([asdict(finding) for finding in findings])
    else:
        show_table(_FINDINGS, (_cells(finding) for finding in findings))
    return ExitCode.OK if all(finding.is_well for finding in findings) else ExitCode.FAILED


def _findings(dataset: str | None) -> Iterator[Finding]:
    """Yield what is found, until something is missing that the rest needs."""
    try:
        login = current_login()
    except NotLoggedIn as exc:
        yield Finding("address", is_well=False, found=str(exc))
        return
    yield Finding("address", is_well=True, found=login.url)
    with Client(login.url, login.key, retry_seconds=0, timeout=_PATIENCE) as client:
        reached = _checked("api", lambda: _api(client))
        yield reached
        if reached.is_well:
            yield from _of_api(client, login, dataset)


def _of_api(client: Client, login: Login, dataset: str | None) -> Iterator[Finding]:
    health = client.read("/health")
    yield from _servers(health["servers"])
    yield from _connections(health.get("connections"))
    yield _clock(client)
    key = _checked("key", lambda: _key(client, login))
    yield key
    if key.is_well and dataset:
        yield _checked("dataset", lambda: _dataset(client, dataset))


def _checked(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, is_well=True, found=look())
    except ClientError as exc:
        return Finding(what, is_well=False, found=str(exc))


def _api(client: Client) -> str:
    health = client.read("/health")
    return f"version {health['version']}; adsp has {VERSION}"


def _servers(servers: Mapping[str, str]) -> Iterator[Finding]:
    """Yield each server that the api stands on; without Redis it works, but for results of tasks."""
    for name, state in servers.items():
        yield Finding(name, is_well=state == "ok", found=state)


def _connections(count: Mapping[str, int] | None) -> Iterator[Finding]:
    """Compare the connections to Postgres that are taken with those that there may be, where the api tells them."""
    if count is None:
        return
    is_well = count["taken"] <= _MOST_TAKEN * count["most"]
    cure = "; raise max_connections, or run fewer loaders (docs/howto/scale.md)"
    found = f"{count['taken']} of {count['most']} to Postgres taken{'' if is_well else cure}"
    yield Finding("connections", is_well=is_well, found=found)


def _clock(client: Client) -> Finding:
    """Compare the clocks: what is due, and what `today` is, goes by the server's."""
    sent = client.get("/livez").headers.get("date")
    if sent is None:
        return Finding("clock", is_well=True, found="the api does not tell its own")
    skew = (datetime.now(UTC) - parsedate_to_datetime(sent)).total_seconds()
    found = f"{abs(skew):.0f} s apart" + ("; set the clock" if abs(skew) > _SKEW_SECONDS else "")
    return Finding("clock", is_well=abs(skew) <= _SKEW_SECONDS, found=found)


def _key(client: Client, login: Login) -> str:
    next(iter(client.jobs(page_size=1)), None)
    return "works for reading" if login.key else "none, and none is needed"


def _dataset(client: Client, name: str) -> str:
    """Have the api judge a definition again, with the table and its rights as they are now."""
    stored = client.dataset(name)
    client.put_dataset(name, stored.definition, dry_run=True)
    return f"{name} can be loaded into {stored.definition['table']}"


def _cells(finding: Finding) -> tuple[Text | str, ...]:
    mark = Text("ok", style="green") if finding.is_well else Text("FAILED", style="red")
    return mark, finding.what, finding.found
