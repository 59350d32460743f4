"""The api's settings, read once in `main`."""

from pydantic import Field

from libs.common.datasets import DATASET_NAME_PATTERN
from libs.common.metrics import BuildSettings
from libs.common.settings import DatabaseSettings, MessagingSettings, SourceSettings


class ApiSettings(BuildSettings, DatabaseSettings, MessagingSettings, SourceSettings):
    """What an api process needs to know."""

    api_host: str = Field("127.0.0.1", description="Address that the api listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port; 0 lets the system choose.")
    daily_dataset: str = Field(
        "items", pattern=DATASET_NAME_PATTERN, description="What POST /trigger-job loads."
    )
    max_upload_bytes: int = Field(10 << 30, ge=1, description="Largest upload, bytes.")
    max_body_bytes: int = Field(1 << 20, ge=1024, description="Largest JSON body, bytes.")
    readiness_timeout: float = Field(
        2.0, gt=0, description="Seconds that each server has to answer /readyz."
    )
