"""Read settings: one typed class per service, from ``ADSP_…`` variables or files in a secrets folder."""

import os
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common.database_url import read_database_url

SECRETS_DIR_VARIABLE = "ADSP_SECRETS_DIR"


class AdspSettings(BaseSettings):
    """What all settings share; every class needs it, since the last base's configuration wins."""

    model_config = SettingsConfigDict(
        env_prefix="ADSP_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # the input holds passwords, an error ends in the log
    )


class LoggingSettings(AdspSettings):
    """Where log lines go is decided by the process; how they look is decided here."""

    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json, console, or auto: console when the output is a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level."
    )

    @classmethod
    def read(cls) -> Self:
        """Read the settings from the environment and from files named ``adsp_…`` in `ADSP_SECRETS_DIR`."""
        folder = os.environ.get(SECRETS_DIR_VARIABLE)
        return cls(_secrets_dir=folder) if folder else cls()


class DatabaseSettings(AdspSettings):
    """How to reach the ledger and the target tables."""

    database_url: Annotated[str, AfterValidator(read_database_url)] = Field(
        description="postgresql+psycopg2://role:password@host:port/database; "
        "`host:port,host:port` for a primary and its standbys."
    )
    database_pool_size: int = Field(10, ge=1, description="Connections kept open per process.")
    database_connect_timeout: int = Field(
        5, ge=1, description="Seconds to wait for a connection, for each host of the URL."
    )


class LeaseSettings(AdspSettings):
    """How long loaders hold a chunk, and how often: the workers' sweep takes lost ones back by the same numbers."""

    lease_seconds: int = Field(
        30,
        ge=2,
        description="A chunk's lease that was not renewed for so long is lost; all get as much more when all are late.",
    )
    chunk_max_attempts: int = Field(
        5, ge=1, description="Times that a chunk is begun before it fails."
    )


class MessagingSettings(AdspSettings):
    """How to reach the broker and the result backend."""

    broker_url: str = Field(
        pattern="^amqps?://", description="amqp://user:password@host:port/vhost of RabbitMQ"
    )
    redis_url: str = Field(description="redis://host:port/database, for Celery results")
    publish_timeout: float = Field(
        5.0, gt=0, description="Seconds to wait for a publisher confirm."
    )
    broker_heartbeat: int = Field(
        30, ge=1, description="Seconds; a frozen consumer loses its messages to others after two."
    )
    result_expires: int = Field(86_400, ge=60, description="Seconds that a Celery result is kept.")
    job_log_seconds: int = Field(
        259_200,
        ge=0,
        description="Seconds that the log lines of a job are kept in Redis after the last one; 0: none is.",
    )
    queue_delivery_limit: int = Field(
        10, ge=1, description="Deliveries of one message before it is dead-lettered."
    )
