"""Count the loads that are put off."""

from enum import StrEnum

from prometheus_client import Counter

from libs.common.messaging.child_metrics import Measurement


class PutOff(StrEnum):
    """Why a chunk is to be loaded later."""

    LOCK = "lock"
    """Somebody holds a lock that its load needs."""
    FAULT = "fault"
    """A fault of the system that may pass."""


POSTPONED = Measurement(
    Counter(
        "adsp_chunks_postponed_total", "Chunks put off to be loaded later, by why.", ["reason"]
    ),
    [(reason.value,) for reason in PutOff],
)
