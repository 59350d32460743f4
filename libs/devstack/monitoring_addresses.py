"""Say where what watches a stack listens."""

from dataclasses import dataclass

from libs.devstack.ports import LOOPBACK
from libs.devstack.scraping import Target


@dataclass(frozen=True)
class MonitoringAddresses:
    """The ports of what watches a stack."""

    prometheus_port: int
    alertmanager_port: int
    postgres_exporter_port: int
    redis_exporter_port: int

    @property
    def prometheus_url(self) -> str:
        """Return the URL of Prometheus."""
        return f"http://{LOOPBACK}:{self.prometheus_port}"

    @property
    def alertmanager_url(self) -> str:
        """Return the URL of Alertmanager."""
        return f"http://{LOOPBACK}:{self.alertmanager_port}"

    def urls(self) -> dict[str, str]:
        """Return the URL of each, by the name of its process."""
        return {
            "Prometheus": self.prometheus_url,
            "Alertmanager": self.alertmanager_url,
            "Postgres exporter": f"http://{LOOPBACK}:{self.postgres_exporter_port}",
            "Redis exporter": f"http://{LOOPBACK}:{self.redis_exporter_port}",
        }

    def ready_urls(self) -> dict[str, str]:
        """Return what answers 200 once Prometheus and Alertmanager are ready."""
        names = ("Prometheus", "Alertmanager")
        return {f"{name} /-/ready": f"{self.urls()[name]}/-/ready" for name in names}

    def targets(self) -> list[Target]:
        """Return what Prometheus scrapes of these themselves."""
        return [
            Target("postgres", self.postgres_exporter_port),
            Target("redis", self.redis_exporter_port),
            Target("prometheus", self.prometheus_port),
            Target("alertmanager", self.alertmanager_port),
        ]
