"""List the metrics of the services: what they register, as Prometheus would read it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from libs.common.messaging.pool_metrics import PoolCollector
from libs.common.messaging.stage_metrics import QUEUE_WAIT, STAGES
from libs.common.messaging.store_metrics import STORE_RETRIES
from libs.common.metrics import BuildSettings, tell_build
from services.api.metrics import ApiMetrics
from services.loader.metrics import POSTPONED
from services.scheduler.clock import LAST_TICK, TICKS
from services.worker.ledger_metrics.metrics import describe_ledger, describe_readings
from services.worker.ledger_metrics.queries import READINGS, Readings
from services.worker.metrics import (
    ACTIONS,
    DEAD_LETTERS,
    GROWN_SOURCES,
    HEADER_CHANGES,
    NOTIFICATIONS,
)
from tools.reference.markdown import code, table
from tools.reference.source_code import first_strings

_HEAD = """\
# Metrics

Each service answers `GET /metrics`: the api on its own port, the others on `ADSP_METRICS_PORT`. There are also
`process_…` and `python_…` of each process. Series whose labels take few values exist from the
start, with 0. No label holds an id.
"""
_OURS = "adsp_"
_MAKERS = {
    "Counter",
    "Gauge",
    "Histogram",
    "CounterMetricFamily",
    "GaugeMetricFamily",
    "_counter",
    "_gauge",
}


def page() -> str:
    """Return the page: one table, by name."""
    services: dict[str, list[str]] = defaultdict(list)
    metrics: dict[str, Metric] = {}
    for service, served in _served().items():
        for metric in served:
            if metric.name.startswith(_OURS):
                metrics[_name(metric)] = metric
                services[_name(metric)].append(service)
    _require_all(metrics)
    rows = [
        (code(name), metric.type, _labels(metric), ", ".join(services[name]), metric.documentation)
        for name, metric in sorted(metrics.items())
    ]
    return f"{_HEAD}\n{table(('name', 'type', 'labels', 'service', 'meaning'), rows)}"


def _served() -> Mapping[str, Iterable[Metric]]:
    """Return what each service serves."""
    api = ApiMetrics(BuildSettings())
    api.expect("GET", "/health", ["200"])
    stages = [*STAGES.metric.collect(), *QUEUE_WAIT.metric.collect()]
    stores = STORE_RETRIES.metric.collect()
    pool = [*stages, *stores, *PoolCollector(parent=0).collect()]
    counted = (ACTIONS, GROWN_SOURCES, HEADER_CHANGES, NOTIFICATIONS, DEAD_LETTERS)
    worker = [each.metric for each in counted]
    return {
        "api": api.registry.collect(),
        "worker": [*_build("worker"), *pool, *_collect(worker), *_ledger()],
        "loader": [*_build("loader"), *pool, *POSTPONED.metric.collect()],
        "scheduler": [*_build("scheduler"), *_collect([LAST_TICK, TICKS])],
    }


def _collect(metrics: Iterable[Collector]) -> Iterator[Metric]:
    registry = CollectorRegistry()
    for metric in metrics:
        registry.register(metric)
    yield from registry.collect()


def _build(service: str) -> Iterable[Metric]:
    registry = CollectorRegistry()
    tell_build(BuildSettings(), service, registry)
    return registry.collect()


def _ledger() -> Iterator[Metric]:
    nothing: dict[str, list[dict[str, object]]] = {name: [] for name in READINGS}
    yield from describe_ledger(Readings(names=["a dataset"], rows=nothing, failures={}))
    yield from describe_readings({}, 0.0)


def _name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _labels(metric: Metric) -> str:
    names = dict.fromkeys(name for sample in metric.samples for name in sample.labels)
    return ", ".join(code(name) for name in names if name != "le")


def _require_all(shown: Iterable[str]) -> None:
    """Raise `LookupError` when the code makes a metric that the page would not show."""
    made = {name for name in first_strings(_MAKERS) if name.startswith(_OURS)}
    if missing := made - set(shown):
        raise LookupError(
            f"name {', '.join(sorted(missing))} in _served of tools/reference/metrics.py"
        )
