"""Count what a process does, also when a child of its pool does it.

A pool's children come and go, and Prometheus asks their parent only. So a child keeps no numbers: it writes each
measurement as one line into a pipe that it shares with the parent, who counts it.

    child ──line──► pipe ──► thread of the parent ──► counter or histogram ──► /metrics

A line is shorter than what the kernel writes at once, so children do not mix theirs; one that dies has handed over
what it measured. A write never waits: measuring must not hold up a load.
"""

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals
from prometheus_client import Counter, Histogram

from libs.common.logs import get_logger

log = get_logger(__name__)


class Measurement:
    """A counter or histogram that any process of a service may add to; all its series exist from the start."""

    def __init__(self, metric: Counter | Histogram, series: Iterable[tuple[str, ...]] = ()) -> None:
        """Take over `metric`, whose label values are all in `series`."""
        self.metric = metric
        [described] = metric.describe()
        self._name = described.name
        for labels in series:
            metric.labels(*labels)
        _by_name[self._name] = self

    def add(self, value: float, *labels: str) -> None:
        """Count or observe `value`, here or in the parent."""
        if _relay.is_child:
            _relay.send(self._name, value, labels)
        else:
            self.take(value, labels)

    def take(self, value: float, labels: Iterable[str]) -> None:
        """Count or observe `value` in this process."""
        metric: Any = self.metric.labels(*labels) if labels else self.metric
        if isinstance(self.metric, Counter):
            metric.inc(value)
        else:
            metric.observe(value)

    @contextmanager
    def time(self, *labels: str) -> Iterator[None]:
        """Observe how many seconds the block takes, however it ends."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(time.perf_counter() - start, *labels)


def measure_children() -> None:
    """Take the measurements of the pool's children from now on; call it in the parent, before the first fork."""
    if not _relay.is_open:
        _relay.open()
        signals.worker_process_init.connect(_relay.become_child, weak=False)


class _Relay:
    """The pipe from the children to their parent."""

    def __init__(self) -> None:
        self.is_child = False
        self._reader = self._writer = -1

    @property
    def is_open(self) -> bool:
        return self._writer >= 0

    def open(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        threading.Thread(target=self._count, name="measurements", daemon=True).start()

    def become_child(self, **_: Any) -> None:
        self.is_child = True

    def send(self, name: str, value: float, labels: Iterable[str]) -> None:
        """Hand a measurement to the parent; one that finds the pipe full is lost."""
        line = json.dumps([name, value, list(labels)]) + "\n"
        try:
            os.write(self._writer, line.encode())
        except OSError as exc:
            log.warning("measurement_lost", metric=name, error=str(exc))

    def _count(self) -> None:
        with os.fdopen(self._reader, "rb") as lines:
            for line in lines:
                name, value, labels = json.loads(line)
                _by_name[name].take(value, labels)


_relay = _Relay()
_by_name: dict[str, Measurement] = {}
