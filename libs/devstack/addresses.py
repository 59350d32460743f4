"""Say where the servers of a stack listen and with which accounts they are entered."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from libs.devstack.atomic_files import publish
from libs.devstack.ports import LOOPBACK

Role = Literal["owner", "api", "worker", "loader", "monitor", "reader"]
ROLES: tuple[Role, ...] = ("owner", "api", "worker", "loader", "monitor", "reader")
DATABASE = "adsp"
VHOST = "adsp"
_BROKER_USER = "adsp"


def _password() -> str:
    return secrets.token_hex(24)


@dataclass(frozen=True)
class Credentials:
    """The passwords of one stack, generated for it; `cookie` is Erlang's."""

    superuser: str = field(default_factory=_password, repr=False)
    owner: str = field(default_factory=_password, repr=False)
    api: str = field(default_factory=_password, repr=False)
    worker: str = field(default_factory=_password, repr=False)
    loader: str = field(default_factory=_password, repr=False)
    monitor: str = field(default_factory=_password, repr=False)
    reader: str = field(default_factory=_password, repr=False)
    broker: str = field(default_factory=_password, repr=False)
    redis: str = field(default_factory=_password, repr=False)
    cookie: str = field(default_factory=_password, repr=False)

    @classmethod
    def kept_in(cls, path: Path) -> Self:
        """Return the passwords kept in a file, which is made with new ones when it is missing."""
        if not path.exists():
            publish(path, json.dumps(asdict(cls()), indent=2))
        return cls(**json.loads(path.read_text()))

    def of_role(self, role: Role) -> str:
        """Return the password of a database role."""
        password: str = getattr(self, role)
        return password


@dataclass(frozen=True)
class StackAddresses:
    """The servers of a running stack, all at the address `host`."""

    postgres_port: int
    redis_port: int
    broker_port: int
    management_port: int
    broker_metrics_port: int
    credentials: Credentials
    host: str = LOOPBACK

    def database_url(self, role: Role, database: str = DATABASE) -> str:
        """Return SQLAlchemy's URL of a database, entered as one of our roles."""
        password = self.credentials.of_role(role)
        place = f"{self.host}:{self.postgres_port}/{database}"
        return f"postgresql+psycopg2://adsp_{role}:{password}@{place}"

    def postgres_dsn(self, role: Role, database: str = DATABASE) -> str:
        """Return libpq's URL of a database, for psycopg2 and psql."""
        return self.database_url(role, database).replace("+psycopg2", "", 1)

    def monitor_dsn(self, database: str = DATABASE) -> str:
        """Return libpq's URL for the exporter, whose client asks for TLS unless asked otherwise."""
        return f"{self.postgres_dsn('monitor', database)}?sslmode=disable"

    def superuser_dsn(self, database: str = "postgres") -> str:
        """Return libpq's URL of a database, entered as the cluster's administrator."""
        password = self.credentials.superuser
        return f"postgresql://postgres:{password}@{self.host}:{self.postgres_port}/{database}"

    def broker_url(self, vhost: str = VHOST) -> str:
        """Return the URL of the broker."""
        return f"amqp://{_BROKER_USER}:{self.credentials.broker}@{self.host}:{self.broker_port}/{vhost}"

    @property
    def management_url(self) -> str:
        """Return the URL of RabbitMQ's management API, without credentials."""
        return f"http://{self.host}:{self.management_port}"

    @property
    def broker_user(self) -> str:
        """Return the user of the broker and of its management API."""
        return _BROKER_USER

    def redis_url(self, number: int = 0) -> str:
        """Return the URL of a numbered database of Valkey."""
        return f"redis://:{self.credentials.redis}@{self.host}:{self.redis_port}/{number}"

    def environment(self, role: Role | None) -> dict[str, str]:
        """Return the variables that lead a service to the servers; None: it does not enter the database."""
        variables = {"ADSP_BROKER_URL": self.broker_url(), "ADSP_REDIS_URL": self.redis_url()}
        if role is not None:
            variables["ADSP_DATABASE_URL"] = self.database_url(role)
        return variables

    def to_json(self) -> str:
        """Return everything, passwords too, as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make them of what `dataclasses.asdict` returned."""
        return cls(**{**values, "credentials": Credentials(**values["credentials"])})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `to_json` wrote."""
        return cls.of(json.loads(path.read_text()))
