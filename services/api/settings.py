"""The api's settings, read once in `main`."""

from ipaddress import ip_address
from typing import Self

from pydantic import Field, model_validator

from libs.common.datasets.definition import DATASET_NAME_PATTERN
from libs.common.metrics import BuildSettings
from libs.common.settings import DatabaseSettings, MessagingSettings
from libs.common.sources.settings import SourceSettings


class ApiSettings(BuildSettings, DatabaseSettings, MessagingSettings, SourceSettings):
    """What an api process needs to know."""

    api_host: str = Field("127.0.0.1", description="Address that the api listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port; 0 lets the system choose.")
    auth: bool = Field(
        default=True,
        description="Ask for API keys; off only for a demo that listens on loopback alone.",
    )
    session_hours: float = Field(
        12.0, gt=0, description="Hours after which a person must sign in to the console again."
    )
    database_read_timeout: float = Field(
        30.0, gt=0, description="Seconds of silence after which a request gives Postgres up."
    )
    database_lock_timeout: float = Field(
        5.0, gt=0, description="Seconds that a request waits for what another session has locked."
    )
    daily_dataset: str = Field(
        "items", pattern=DATASET_NAME_PATTERN, description="What POST /trigger-job loads."
    )
    max_upload_bytes: int = Field(10 << 30, ge=1, description="Largest upload, bytes.")
    upload_url_seconds: float = Field(
        900.0,
        ge=1,
        le=43_200,
        description="Seconds that a client may use the URL that it gets to send a file to `ADSP_UPLOAD_STORE` itself.",
    )
    max_body_bytes: int = Field(1 << 20, ge=1024, description="Largest JSON body, bytes.")
    requests_per_minute: int = Field(
        3000,
        ge=0,
        description="Requests a minute of one key, or of one address without a known key; 0: no limit.",
    )
    max_uploads_at_once: int = Field(
        32,
        ge=1,
        description="Files that one api process receives at once; one owner's: half of it.",
    )
    max_event_streams: int = Field(
        200, ge=0, description="Clients that one api process tells of events as they happen."
    )
    max_unfinished_jobs: int = Field(
        10_000, ge=0, description="Jobs of one owner that have not ended; 0: no limit."
    )
    max_stored_upload_bytes: int = Field(
        1 << 40, ge=0, description="Bytes of one owner's files in the upload area; 0: no limit."
    )
    max_failed_rows_a_day: int = Field(
        20_000_000,
        ge=0,
        description="Failed rows of one owner's jobs of a day, after which it makes no more; 0: no limit.",
    )
    upload_idle_seconds: float = Field(
        30.0, gt=0, description="An upload that brings too little in so long is given up."
    )
    upload_min_rate: int = Field(
        1024, ge=0, description="Bytes a second that an upload must bring; 0: any byte will do."
    )
    create_tables_in: list[str] = Field(
        default_factory=list,
        description="Schemas in which the api may make tables, which its role then owns; it needs CREATE there.",
    )
    grafana_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Where people reach Grafana; a job's page then links to its dataset's dashboard.",
    )
    readiness_timeout: float = Field(
        2.0, gt=0, description="Seconds that each server has to answer /readyz."
    )

    @model_validator(mode="after")
    def _refuse_open_api(self) -> Self:
        """Refuse to serve whoever comes from elsewhere without a key."""
        if not self.auth and not is_loopback(self.api_host):
            raise ValueError(
                f"ADSP_AUTH is off and ADSP_API_HOST is {self.api_host}: anyone could load data; "
                "leave ADSP_AUTH on, or listen on 127.0.0.1"
            )
        return self


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is the machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
