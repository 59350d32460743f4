"""Say whom to tell of a dataset's jobs, and of what."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from libs.common.strict_model import StrictModel

TARGET_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"


class Occasion(StrEnum):
    """What people can hear of."""

    FAILED = "failed"
    LATE = "late"
    COMPLETED_WITH_REJECTS = "completed_with_rejects"
    DRIFT = "drift"
    GUARD = "guard"
    RECOVERED = "recovered"


class NotifyRule(StrictModel):
    """Targets, and the occasions on which each of them gets a message."""

    to: list[Annotated[str, Field(pattern=TARGET_PATTERN)]] = Field(
        min_length=1,
        max_length=20,
        description="Names of targets that the operator has set up (`ADSP_NOTIFY_TARGETS` of the worker).",
    )
    on: list[Occasion] = Field(
        default=[Occasion.FAILED, Occasion.LATE, Occasion.RECOVERED],
        min_length=1,
        max_length=len(Occasion),
        description="`failed`; `late`: a job begins to wait for its source; `completed_with_rejects`; `drift`: the"
        " header has other columns than the last load's; `guard`: it failed because a guard or a threshold tripped;"
        " `recovered`: it loaded after a failed one.",
    )
