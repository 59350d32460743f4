"""Run two servers of Postgres, a primary and its hot standby, so that one can take the other's place.

Services reach them by a URL of both. A server that has lost its place is never started again as it was: it becomes the
standby of the other by a new base backup, as an operator would have it.
"""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields

import psycopg2
from psycopg2.extensions import connection as Connection

from libs.devstack.addresses import DATABASE, Role, StackAddresses
from libs.devstack.binaries import postgres_programs
from libs.devstack.child_process import ChildProcess
from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.postgres import PostgresServer
from libs.devstack.server_home import ENVIRONMENT
from libs.devstack.servers import RunningServers, StackPlan
from libs.devstack.testing.waiting import wait_for
from tests.faults.harness.machine import Machine, descendants, running_machine, send_signal

_BACKUP_SECONDS = 60
_STREAM_SECONDS = 30
_PROMOTE_SECONDS = 30


@dataclass(frozen=True)
class PairAddresses(StackAddresses):
    """Where the servers listen, of which PostgreSQL has two."""

    standby_port: int = 0

    def database_url(self, role: Role, database: str = DATABASE) -> str:
        """Return the URL of a database, wherever it takes changes now."""
        return (
            f"{self._of_both(super().database_url(role, database))}?target_session_attrs=read-write"
        )

    def superuser_dsn(self, database: str = "postgres") -> str:
        """Return libpq's URL of a database, entered as the cluster's administrator."""
        return f"{self._of_both(super().superuser_dsn(database))}?target_session_attrs=read-write"

    def _of_both(self, url: str) -> str:
        place = f"{LOOPBACK}:{self.postgres_port}"
        return url.replace(place, f"{place},{LOOPBACK}:{self.standby_port}")


@dataclass
class Server:
    """One of the two; `port` and folder stay, whatever it is now."""

    cluster: PostgresServer
    child: ChildProcess | None = None

    @property
    def port(self) -> int:
        """Return where it listens."""
        return self.cluster.port

    def connect(self, database: str = "postgres") -> Connection:
        """Enter this server as its administrator, in autocommit."""
        connection = psycopg2.connect(
            host=LOOPBACK,
            port=self.port,
            user="postgres",
            password=self.cluster.superuser_password,
            dbname=database,
            connect_timeout=5,
        )
        connection.autocommit = True
        return connection

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements here and return the rows of the last one."""
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def answers(self) -> bool:
        """Return whether it lets its administrator in."""
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the server and all that it has started."""
        if self.child is not None:
            for pid in [self.child.pid, *descendants(self.child.pid)]:
                send_signal(pid, number)


@dataclass
class Pair:
    """A primary and its standby; `synchronous`: nothing is committed that the standby does not have."""

    servers: RunningServers
    primary: Server
    standby: Server
    synchronous: bool = True
    failovers: int = 0
    followed: int = 0
    """How many failovers there were when the standby began to follow."""

    def kill(self, server: Server) -> None:
        """End a server as kill -9 does; its children too, as the machine would be gone."""
        child = server.child
        assert child is not None
        server.signal_all(signal.SIGKILL)
        child.process.wait(10)
        self.servers.children.remove(child)
        server.child = None

    def promote(self) -> None:
        """Make the standby the primary; nobody follows it before `rejoin`."""
        self.primary, self.standby = self.standby, self.primary
        self.primary.run(f"SELECT pg_promote(true, {_PROMOTE_SECONDS})")
        self.failovers += 1

    def fail_over(self) -> None:
        """Lose the primary, and let the standby take its place."""
        self.kill(self.primary)
        self.promote()

    def isolate_primary(self) -> None:
        """Let the primary fall silent, which may still live, and let the standby take its place."""
        self.primary.signal_all(signal.SIGSTOP)
        self.promote()

    def fence(self) -> None:
        """End the old primary, if it still lives, so that it is the standby's turn for good."""
        if self.standby.child is not None and self.failovers > self.followed:
            self.kill(self.standby)

    def lose_standby(self) -> None:
        """Let the standby hear no more of the primary."""
        wait_for(self._has_caught_up, _STREAM_SECONDS, "the standby has all there is")
        self.kill(self.standby)

    def start_standby(self) -> None:
        """Start the standby with what it has."""
        server = self.standby
        server.child = self.servers.add(server.cluster.start())
        server.child.wait_ready(server.answers, _STREAM_SECONDS)

    def rejoin(self) -> None:
        """Make the server that was lost the standby of the one that serves."""
        if self.primary.child is None:
            self.promote()  # where a test gave up between the two steps
        self.fence()
        if self.standby.child is None:
            self._copy_primary()
            self.start_standby()
            self.follow()

    def _copy_primary(self) -> None:
        """Replace what the standby has by a base backup of the primary."""
        home = self.standby.cluster.home
        data = home.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        program = postgres_programs(home.account) / "pg_basebackup"
        place = ["-h", LOOPBACK, "-p", str(self.primary.port), "-U", "postgres"]
        with home.log.open("ab") as log:
            subprocess.run(
                [program, *place, "-D", data, "-R", "-X", "stream", "-c", "fast", "-N"],
                env={**ENVIRONMENT, "PGPASSWORD": self.primary.cluster.superuser_password},
                cwd=home.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=_BACKUP_SECONDS,
                **home.account.popen_arguments(),
            )

    def follow(self) -> None:
        """Wait until the standby streams, and have the primary wait for it where that is wanted."""
        wait_for(self._streams, _STREAM_SECONDS, "the standby streams")
        names = "*" if self.synchronous else ""
        self.primary.run(
            f"ALTER SYSTEM SET synchronous_standby_names = '{names}'", "SELECT pg_reload_conf()"
        )
        wait_for(self._is_as_wanted, _STREAM_SECONDS, "the standby is as it is to be")
        self.followed = self.failovers

    def _streams(self) -> bool:
        return bool(self.primary.run("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))

    def wait_sent(self) -> None:
        """Wait until all that the primary has written is on its way to the standby."""
        wait_for(lambda: self._is_at("sent_lsn"), _STREAM_SECONDS, "all is on its way")

    def _has_caught_up(self) -> bool:
        return self._is_at("replay_lsn")

    def _is_at(self, place: str) -> bool:
        where = f"WHERE {place} >= pg_current_wal_flush_lsn()"
        return bool(self.primary.run(f"SELECT 1 FROM pg_stat_replication {where}"))

    def _is_as_wanted(self) -> bool:
        wanted = "sync" if self.synchronous else "async"
        return self.primary.run("SELECT sync_state FROM pg_stat_replication") == [(wanted,)]


@contextmanager
def replicated_machine(variables: Mapping[str, str]) -> Iterator[tuple[Machine, Pair]]:
    """Start a machine whose Postgres has a standby."""
    made: list[Pair] = []

    def add_standby(plan: StackPlan, servers: RunningServers) -> None:
        password, addresses = plan.credentials.superuser, servers.addresses
        child = next(child for child in servers.children if child.command.name == "PostgreSQL")
        port = free_port()
        ours, theirs = (
            PostgresServer(plan.home(name), number, password, plan.durable, plan.host)
            for name, number in (("postgres", addresses.postgres_port), ("standby", port))
        )
        pair = Pair(servers, Server(ours, child), Server(theirs))
        servers.addresses = _with_standby(addresses, port)
        pair.rejoin()
        made.append(pair)

    with running_machine(add_standby, **variables) as machine:
        yield machine, made[0]


def _with_standby(addresses: StackAddresses, port: int) -> PairAddresses:
    known = {each.name: getattr(addresses, each.name) for each in fields(StackAddresses)}
    return PairAddresses(**known, standby_port=port)
