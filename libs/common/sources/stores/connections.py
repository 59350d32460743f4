"""Read the connections: which stores sources may lie in, and how to reach them.

    ADSP_CONNECTIONS = {"landing": {"kind": "s3", "bucket": "acme-landing", "prefix": "feeds/", …}, …}
    s3://acme-landing/feeds/items.csv  ──►  connection `landing`, key `feeds/items.csv`

They are an allow-list: a URL that no connection covers is refused. Credentials that are left out are those of the
machine (an instance's or service account's role), where the kind has such.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, RootModel, SecretStr, model_validator

from libs.common.strict_model import StrictModel


class _Connection(StrictModel):
    """What all kinds have."""

    prefix: str = Field(
        "", description="What the keys of sources begin with, whole folders: 'feeds/'. Empty: all."
    )

    @model_validator(mode="after")
    def _check_prefix(self) -> Self:
        if self.prefix.startswith("/") or (self.prefix and not self.prefix.endswith("/")):
            raise ValueError(
                "'prefix' names whole folders: 'feeds/', with a slash at its end alone"
            )
        return self


class Bucket(_Connection):
    """A bucket of S3, or of a store that speaks as it does."""

    kind: Literal["s3"]
    bucket: str = Field(min_length=3)
    endpoint: str | None = Field(
        None, pattern="^https?://", description="Where the store answers; empty: Amazon's."
    )
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    is_virtual_hosted: bool = Field(
        default=False,
        description="Whether the bucket's name is part of the host's, as Amazon has it.",
    )

    @property
    def root(self) -> str:
        """Return the URL of the bucket."""
        return f"s3://{self.bucket}/"


class GoogleBucket(_Connection):
    """A bucket of Google Cloud Storage."""

    kind: Literal["gs"]
    bucket: str = Field(min_length=3)
    service_account_key: SecretStr | None = Field(
        None, description="The JSON of a service account's key; empty: the machine's account."
    )

    @property
    def root(self) -> str:
        """Return the URL of the bucket."""
        return f"gs://{self.bucket}/"


class AzureContainer(_Connection):
    """A container of Azure Blob Storage."""

    kind: Literal["az"]
    container: str = Field(min_length=3)
    account: str
    endpoint: str | None = Field(None, pattern="^https?://")
    account_key: SecretStr | None = None
    sas_token: SecretStr | None = None

    @property
    def root(self) -> str:
        """Return the URL of the container."""
        return f"az://{self.container}/"


class Server(_Connection):
    """What is named by its host, not by a bucket."""

    host: str = Field(min_length=1)
    port: int
    is_private: bool = Field(
        default=False, description="Whether the host may have an address of a private network."
    )


class SftpServer(Server):
    """A folder of an SFTP server; keys are paths from the server's root."""

    kind: Literal["sftp"]
    port: int = Field(22, ge=1, le=65535)
    user: str
    password: SecretStr | None = None
    private_key: SecretStr | None = Field(None, description="In OpenSSH's or PEM form.")
    passphrase: SecretStr | None = None
    host_key: str = Field(
        description="The server's public key, as `ssh-keyscan` shows it: 'ssh-ed25519 AAAA…'."
    )

    @property
    def root(self) -> str:
        """Return the URL of the server's root."""
        return f"sftp://{_authority(self.host, self.port, 22)}/"


class HttpsServer(Server):
    """A server that answers GET and HEAD; it has no listing, so its sources hold no wildcards."""

    kind: Literal["https"]
    port: int = Field(443, ge=1, le=65535)
    user: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = Field(None, description="Sent as 'Authorization: Bearer …'.")
    certificate_authority: str | None = Field(
        None, description="Certificates in PEM form that are trusted beside the system's."
    )

    @property
    def root(self) -> str:
        """Return the URL of the server's root."""
        return f"https://{_authority(self.host, self.port, 443)}/"


Connection = Annotated[
    Bucket | GoogleBucket | AzureContainer | SftpServer | HttpsServer, Field(discriminator="kind")
]


KINDS = ("s3", "gs", "az", "sftp", "https")


class Connections(RootModel[dict[str, Connection]]):
    """The connections by name."""

    root: dict[str, Connection] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _lead_to_different_places(self) -> Self:
        places = [place for place, _ in self._places()]
        double = next((place for place in places if places.count(place) > 1), None)
        if double is not None:
            raise ValueError(f"two connections lead to {double}; a URL could not tell them apart")
        return self

    def find(self, url: str) -> tuple[str, Connection] | None:
        """Return name and connection of the longest place that a URL lies in, None where there is none."""
        fitting = [(len(place), name) for place, name in self._places() if url.startswith(place)]
        if not fitting:
            return None
        _, name = max(fitting)
        return name, self.root[name]

    def places(self) -> list[str]:
        """List the URLs below which sources may lie."""
        return sorted(place for place, _ in self._places())

    def _places(self) -> Iterator[tuple[str, str]]:
        for name, connection in self.root.items():
            yield connection.root + connection.prefix, name


def reveal(secret: SecretStr | None) -> str | None:
    """Return what a secret is, None where there is none."""
    return secret.get_secret_value() if secret is not None else None


def _authority(host: str, port: int, usual: int) -> str:
    return host if port == usual else f"{host}:{port}"
