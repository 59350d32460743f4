"""Count what is asked of stores again."""

from prometheus_client import Counter

from libs.common.messaging.child_metrics import Measurement
from libs.common.sources.stores import retries
from libs.common.sources.stores.connections import KINDS

STORE_RETRIES = Measurement(
    Counter(
        "adsp_store_retries_total",
        "Requests to stores of sources that were made again after a fault, by kind of store.",
        ["kind"],
    ),
    [(kind,) for kind in KINDS],
)


def measure_store_retries() -> None:
    """Count them from now on."""
    retries.watchers.append(_count)


def _count(kind: str) -> None:
    STORE_RETRIES.add(1, kind)
