"""Run the exporters that tell Prometheus about PostgreSQL and Valkey, which have no metrics themselves.

Passwords go by the environment, since arguments are public.
"""

from pathlib import Path

from libs.devstack.addresses import StackAddresses
from libs.devstack.binaries import monitoring_program
from libs.devstack.child_process import ChildProcess
from libs.devstack.ports import LOOPBACK
from libs.devstack.server_home import ENVIRONMENT, ServerHome


def start_postgres_exporter(
    home: ServerHome, addresses: StackAddresses, database: str, port: int
) -> ChildProcess:
    """Start the one that reads PostgreSQL's statistics, from within a database."""
    arguments: list[str | Path] = [
        monitoring_program("prometheus-postgres-exporter"),
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.level=warn",
        # Debian's exporter asks pg_stat_bgwriter for columns that PostgreSQL 17 has moved: an error each scrape.
        "--no-collector.bgwriter",
    ]
    secrets = {"DATA_SOURCE_NAME": addresses.monitor_dsn(database)}
    return home.start("Postgres exporter", arguments, ENVIRONMENT | secrets)


def start_redis_exporter(home: ServerHome, addresses: StackAddresses, port: int) -> ChildProcess:
    """Start the one that asks Valkey for its INFO."""
    arguments: list[str | Path] = [
        monitoring_program("prometheus-redis-exporter"),
        f"-web.listen-address={LOOPBACK}:{port}",
    ]
    secrets = {
        "REDIS_ADDR": f"redis://{LOOPBACK}:{addresses.redis_port}",
        "REDIS_PASSWORD": addresses.credentials.redis,
    }
    return home.start("Redis exporter", arguments, ENVIRONMENT | secrets)
