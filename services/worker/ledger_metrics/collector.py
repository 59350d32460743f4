"""Give Prometheus what the ledger says, at most one reading every few seconds, and say when that fails.

Registered in the worker's parent process. A reading that fails leaves its own numbers out, so that they look missing
and not wrong; all others are shown.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from libs.common.logs import get_logger
from services.worker.ledger_metrics.metrics import describe_ledger, describe_readings
from services.worker.ledger_metrics.queries import READINGS, read_ledger

log = get_logger(__name__)

LEAST_AGE = 5.0
"""Seconds that a reading, also one that failed, serves every scrape."""


class LedgerCollector(Collector):
    """Prometheus' way to ask the ledger; safe to share between scrapes."""

    def __init__(self, reader: Engine, least_age: float = LEAST_AGE) -> None:
        """Ask nothing yet."""
        self._reader = reader
        self._least_age = least_age
        self._lock = threading.Lock()
        self._metrics: list[Metric] = []
        self._read_at: float | None = None
        self._seconds = 0.0
        self._failures: Counter[str] = Counter()

    def describe(self) -> list[Metric]:
        """Name nothing in advance: registering must not need the ledger."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what the ledger says, as of a few seconds ago at most."""
        with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at >= self._least_age:
                self._read()
            metrics = [*self._metrics, *describe_readings(self._failures, self._seconds)]
        yield from metrics

    def _read(self) -> None:
        start = time.monotonic()
        try:
            readings = read_ledger(self._reader)
            self._metrics = list(describe_ledger(readings))
            failures = readings.failures
        except (SQLAlchemyError, ValueError) as exc:
            self._metrics = []
            failures = dict.fromkeys(READINGS, exc)
        for name, reason in failures.items():
            log.warning(
                "state_not_collected", reading=name, error=type(reason).__name__, reason=str(reason)
            )
        self._failures.update(failures.keys())
        self._read_at = time.monotonic()
        self._seconds = self._read_at - start
