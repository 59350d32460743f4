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
from libs.devstack.os_user import Account, make_own_folder
from libs.devstack.ports import free_ports, is_listening
from libs.devstack.postgres import PostgresServer
from libs.devstack.probes import postgres_answers, rabbitmq_answers, redis_answers
from libs.devstack.rabbitmq import RabbitPorts, RabbitServer
from libs.devstack.valkey import ValkeyServer

READY_SECONDS = 90.0
_STOP_GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class StackPlan:
    """What to start: data below `folder`, logs in `logs`.

    A stack that is not `durable` may lose its data in a crash.
    """

    folder: Path
    logs: Path
    durable: bool
    credentials: Credentials


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
    )


def _start_all(plan: StackPlan, rabbit: RabbitPorts, servers: RunningServers) -> None:
    account, addresses = Account.current(), servers.addresses
    make_own_folder(plan.folder)
    make_own_folder(plan.logs)
    broker = _start_rabbitmq(plan, account, rabbit, servers)
    valkey = servers.add(_valkey(plan, account, addresses).start())
    postgres = servers.add(_postgres(plan, account, addresses).start())
    valkey.wait_ready(lambda: redis_answers(addresses), READY_SECONDS)
    postgres.wait_ready(lambda: postgres_answers(addresses), READY_SECONDS)
    broker.wait_ready(lambda: rabbitmq_answers(addresses), READY_SECONDS)


def _valkey(plan: StackPlan, account: Account, addresses: StackAddresses) -> ValkeyServer:
    return ValkeyServer(
        folder=account.make_folder(plan.folder / "valkey"),
        log=plan.logs / "valkey.log",
        account=account,
        port=addresses.redis_port,
        password=plan.credentials.redis,
        durable=plan.durable,
    )


def _postgres(plan: StackPlan, account: Account, addresses: StackAddresses) -> PostgresServer:
    return PostgresServer(
        folder=account.make_folder(plan.folder / "postgres"),
        log=plan.logs / "postgres.log",
        account=account,
        port=addresses.postgres_port,
        superuser_password=plan.credentials.superuser,
        durable=plan.durable,
    )


def _start_rabbitmq(
    plan: StackPlan, account: Account, ports: RabbitPorts, servers: RunningServers
) -> ChildProcess:
    server = RabbitServer(
        folder=account.make_folder(plan.folder / "rabbitmq"),
        log=plan.logs / "rabbitmq.log",
        account=account,
        ports=ports,
        user=servers.addresses.broker_user,
        password=plan.credentials.broker,
        vhost=VHOST,
        cookie=plan.credentials.cookie,
        durable=plan.durable,
    )
    mapper = servers.add(server.start_port_mapper())
    mapper.wait_ready(lambda: is_listening(ports.epmd), READY_SECONDS)
    return servers.add(server.start())
