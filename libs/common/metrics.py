"""Serve a process's metrics to Prometheus, and say which build it is."""

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Gauge,
    disable_created_metrics,
    start_http_server,
)
from pydantic import Field

from libs.common.settings import LoggingSettings
from libs.common.version import VERSION


class BuildSettings(LoggingSettings):
    """Which build runs; images bring both."""

    version: str = Field(VERSION, description="Version that the metrics tell.")
    revision: str = Field("unknown", description="Commit that the metrics tell.")


class MetricsSettings(BuildSettings):
    """Where a service without an HTTP interface of its own serves its metrics."""

    metrics_host: str = Field("127.0.0.1", description="Address that /metrics listens on.")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="Port; none: not served.")


def tell_build(
    settings: BuildSettings, service: str, registry: CollectorRegistry = REGISTRY
) -> None:
    """Register ``adsp_build_info``, which is always 1."""
    # When a series began would be a second series for each.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    Gauge(
        "adsp_build_info",
        "The build of this process; always 1.",
        ["service", "version", "revision"],
        registry=registry,
    ).labels(service, settings.version, settings.revision).set(1)


def serve_metrics(settings: MetricsSettings, service: str) -> None:
    """Serve ``/metrics`` from a thread, unless no port is set."""
    tell_build(settings, service)
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, addr=settings.metrics_host)
