"""Read the URL of the ledger's database, which may name several hosts: a primary and those that may take its place.

libpq's form (``postgresql://role@h1:5432,h2:5432/adsp``) is unknown to SQLAlchemy, SQLAlchemy's own
(``?host=h1:5432&host=h2:5432``) to libpq. Both read ``?host=h1,h2&port=5432,5432``, which is what comes out here.
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
"""

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_URL = re.compile(
    r"postgres(?:ql)?(?:\+psycopg2)?://"
    r"(?:(?P<account>[^?]*)@)?(?P<hosts>[^/?@]*)(?P<database>/[^?]*)?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>\d*))?")
_SCHEME = "postgresql+psycopg2"
_PRIMARY_ONLY = "read-write"

Host = tuple[str, str]
"""Name or address, and port; the port is empty where none is given."""


def read_database_url(text: str) -> str:
    """Return the URL in the form that SQLAlchemy and libpq both read; of one host it stays as it is.

    Of several hosts the one is meant that takes changes, unless the URL has another `target_session_attrs`.
    Raises ValueError for what is no URL of Postgres.
    """
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError(
            "it must be postgresql+psycopg2://role:password@host:port/database, where characters such as @ and / of a "
            "password are percent-encoded; for several servers host:port,host:port"
        )
    if _names_one_host(text):
        return text
    parameters = parse_qsl(found["query"] or "", keep_blank_values=True)
    hosts = _hosts_of(found["hosts"], parameters)
    if len(hosts) < 2:
        return text
    kept = {name: value for name, value in parameters if name not in {"host", "port"}}
    named = {"host": ",".join(host for host, _ in hosts)}
    if any(port for _, port in hosts):
        named["port"] = ",".join(port for _, port in hosts)
    query = urlencode(
        {**named, "target_session_attrs": _PRIMARY_ONLY, **kept}, quote_via=quote, safe=",:/"
    )
    account = "" if found["account"] is None else f"{found['account']}@"
    return f"{_SCHEME}://{account}{found['database'] or '/'}?{query}"


def _names_one_host(text: str) -> bool:
    """Return whether SQLAlchemy finds one host: its eyes are better where a password is not encoded."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return False
    return "," not in (url.host or "") and "host" not in url.query


def split_hosts(host: str, port: str) -> list[Host]:
    """Return the hosts of libpq's parameters `host` and `port`, of which one port may stand for all."""
    names, ports = host.split(","), port.split(",")
    if len(ports) == 1:
        ports *= len(names)
    if len(ports) != len(names):
        raise ValueError(f"{len(names)} hosts have {len(ports)} ports; name one for each, or one")
    return list(zip(names, ports, strict=True))


def _hosts_of(authority: str, parameters: list[tuple[str, str]]) -> list[Host]:
    """Return the hosts that stand before the database, else those among the parameters."""
    if "," in authority:
        return [_read_host(text) for text in authority.split(",")]
    named = [value for name, value in parameters if name == "host"]
    if len(named) > 1:
        return [_read_host(text) for text in named]
    if not named or authority:
        return []
    [host] = named
    return split_hosts(host, next((value for name, value in parameters if name == "port"), ""))


def _read_host(text: str) -> Host:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValueError("of several hosts each must be host:port, or [address]:port")
    return unquote(found["address"] or found["name"]), found["port"] or ""
