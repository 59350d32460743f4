"""Count what the api does, in a registry of its own, for Prometheus."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from libs.common.metrics import BuildSettings, tell_build

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ApiMetrics:
    """The api's metrics; labels take few values: routes are templates, never paths."""

    def __init__(self, settings: BuildSettings) -> None:
        """Register the metrics in a new registry."""
        self.registry = CollectorRegistry()
        tell_build(settings, "api", self.registry)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            "adsp_http_requests_total",
            "Requests answered, by method, route template and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "adsp_http_request_duration_seconds",
            "Seconds from a request's first byte to its answer's last, by method and route.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.publish_failures = Counter(
            "adsp_publish_failures_total",
            "Jobs whose message was not confirmed; the sweeper sends them later.",
            registry=self.registry,
        )

    def expect(self, method: str, route: str, statuses: Iterable[str]) -> None:
        """Let the series of a route exist before its first request."""
        self.request_seconds.labels(method, route)
        for status in statuses:
            self.requests.labels(method, route, status)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
