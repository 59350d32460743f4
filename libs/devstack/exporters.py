"""Run the exporters that tell Prometheus about PostgreSQL and Valkey, which have no metrics themselves."""

from dataclasses import dataclass
from pathlib import Path

from libs.devstack.addresses import StackAddresses
from libs.devstack.binaries import monitoring_program
from libs.devstack.child_process import ChildProcess, Command
from libs.devstack.os_user import Account
from libs.devstack.ports import LOOPBACK
from libs.devstack.prometheus import ENVIRONMENT


@dataclass(frozen=True)
class Exporters:
    """The exporters of one stack; passwords go by the environment, since arguments are public."""

    folder: Path
    logs: Path
    account: Account
    addresses: StackAddresses

    def start_postgres(self, database: str, port: int) -> ChildProcess:
        """Start the one that reads PostgreSQL's statistics, from within a database."""
        return self._start(
            "Postgres exporter",
            "prometheus-postgres-exporter",
            # Debian's exporter asks pg_stat_bgwriter for columns that PostgreSQL 17 has moved: an error each scrape.
            [
                f"--web.listen-address={LOOPBACK}:{port}",
                "--log.level=warn",
                "--no-collector.bgwriter",
            ],
            {"DATA_SOURCE_NAME": self.addresses.monitor_dsn(database)},
        )

    def start_redis(self, port: int) -> ChildProcess:
        """Start the one that asks Valkey for its INFO."""
        return self._start(
            "Redis exporter",
            "prometheus-redis-exporter",
            [f"-web.listen-address={LOOPBACK}:{port}"],
            {
                "REDIS_ADDR": f"redis://{LOOPBACK}:{self.addresses.redis_port}",
                "REDIS_PASSWORD": self.addresses.credentials.redis,
            },
        )

    def _start(
        self, name: str, program: str, arguments: list[str], secrets: dict[str, str]
    ) -> ChildProcess:
        return ChildProcess.start(
            Command(
                name=name,
                arguments=[monitoring_program(program), *arguments],
                environment=ENVIRONMENT | secrets,
                folder=self.folder,
                log=self.logs / f"{program.removeprefix('prometheus-')}.log",
                account=self.account,
            )
        )
