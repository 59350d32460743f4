"""Start the three servers of a stack together, and stop them together.

The order hides the slow ones behind each other: RabbitMQ boots while PostgreSQL makes its cluster. Tests share one
stack: the fixture `stack` (`libs.devstack.testing.fixtures`) has `shared_daemon` start it.
"""

from dataclasses import dataclass, fields
from pathlib import Path

from libs.devstack.addresses import VHOST, Credentials, StackAddresses
from libs.devstack.binaries import rabbitmq_server
from libs.devstack.child_process import ChildProcess
from libs.devstack.cluster import prepare_cluster
from libs.devstack.ports import LOOPBACK, free_ports, is_listening
from libs.devstack.postgres import PostgresServer
from libs.devstack.probes import postgres_answers, rabbitmq_answers, redis_answers
from libs.devstack.rabbitmq import RabbitPorts, RabbitServer
from libs.devstack.server_home import ServerHome
from libs.devstack.valkey import start_valkey

READY_SECONDS = 90.0
_STOP_GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class StackPlan:
    """What to start: data below `folder`, logs in `logs`.

    A stack that is not `durable` may lose its data in a crash. `host` is the address that it listens on.
    """

    folder: Path
    logs: Path
    durable: bool
    credentials: Credentials
    host: str = LOOPBACK

    def home(self, name: str) -> ServerHome:
        """Return where a server of the stack runs."""
        return ServerHome.below(self.folder, self.logs, name)


class RunningServers:
    """The servers of a stack, children of this process; use `start_servers` to make one."""

    def __init__(self, addresses: StackAddresses) -> None:
        self.addresses = addresses
        self.children: list[ChildProcess] = []

    def add(self, child: ChildProcess) -> ChildProcess:
        """Take a child that has been started, so that it is stopped with the others."""
        self.children.append(child)
        return child

    def dead(self) -> list[ChildProcess]:
        """List the servers that ended though nobody stopped them."""
        return [child for child in self.children if not child.is_alive()]

    def stop(self) -> None:
        """Stop all, the last started first."""
        for child in reversed(self.children):
            child.stop(_STOP_GRACE_SECONDS)


def start_servers(plan: StackPlan) -> RunningServers:
    """Start all servers and return when they are ready and the database and its roles exist.

    Raises `ServerMissingError` before anything is started when RabbitMQ is missing.
    """
    rabbitmq_server()
    rabbit = RabbitPorts(*free_ports(len(fields(RabbitPorts))))
    servers = RunningServers(_choose_addresses(plan, rabbit))
    try:
        _start_all(plan, rabbit, servers)
        prepare_cluster(servers.addresses)
    except BaseException:
        servers.stop()
        raise
    return servers


def _choose_addresses(plan: StackPlan, rabbit: RabbitPorts) -> StackAddresses:
    postgres, redis = free_ports(2)
    return StackAddresses(
        postgres_port=postgres,
        redis_port=redis,
        broker_port=rabbit.amqp,
        management_port=rabbit.management,
        broker_metrics_port=rabbit.prometheus,
        credentials=plan.credentials,
        host=plan.host,
    )


def _start_all(plan: StackPlan, rabbit: RabbitPorts, servers: RunningServers) -> None:
    addresses = servers.addresses
    broker = _start_rabbitmq(plan, rabbit, servers)
    password, durable = plan.credentials.redis, plan.durable
    valkey = servers.add(
        start_valkey(
            plan.home("valkey"), plan.host, addresses.redis_port, password, durable=durable
        )
    )
    superuser = plan.credentials.superuser
    cluster = PostgresServer(
        plan.home("postgres"), addresses.postgres_port, superuser, durable, plan.host
    )
    postgres = servers.add(cluster.start())
    valkey.wait_ready(lambda: redis_answers(addresses), READY_SECONDS)
    postgres.wait_ready(lambda: postgres_answers(addresses), READY_SECONDS)
    broker.wait_ready(lambda: rabbitmq_answers(addresses), READY_SECONDS)


def _start_rabbitmq(plan: StackPlan, ports: RabbitPorts, servers: RunningServers) -> ChildProcess:
    server = RabbitServer(
        plan.home("rabbitmq"),
        ports,
        user=servers.addresses.broker_user,
        password=plan.credentials.broker,
        vhost=VHOST,
        cookie=plan.credentials.cookie,
        durable=plan.durable,
        host=plan.host,
    )
    mapper = servers.add(server.start_port_mapper())
    mapper.wait_ready(lambda: is_listening(ports.epmd), READY_SECONDS)
    return servers.add(server.start())
