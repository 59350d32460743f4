"""Serve a process's metrics to Prometheus."""

from prometheus_client import start_http_server
from pydantic import Field

from libs.common.settings import LoggingSettings


class MetricsSettings(LoggingSettings):
    """Where a service without an HTTP interface of its own serves its metrics."""

    metrics_host: str = Field("127.0.0.1", description="Address that /metrics listens on.")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="Port; none: not served.")


def serve_metrics(settings: MetricsSettings) -> None:
    """Serve ``/metrics`` from a thread, unless no port is set."""
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, addr=settings.metrics_host)
