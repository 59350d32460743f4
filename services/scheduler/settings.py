"""The scheduler's settings, read once in `main`."""

from pydantic import Field

from libs.common.messaging.liveness_file import LivenessSettings
from libs.common.metrics import MetricsSettings
from libs.common.settings import MessagingSettings


class SchedulerSettings(MetricsSettings, LivenessSettings, MessagingSettings):
    """What the scheduler needs to know; it needs no database."""

    dispatch_seconds: float = Field(
        60.0, gt=0, description="Seconds between ticks of the schedule."
    )
    sweep_seconds: float = Field(30.0, gt=0, description="Seconds between sweeps.")
    cleanup_interval_seconds: float = Field(
        600.0, gt=0, description="Seconds between looks for what is kept no longer."
    )
