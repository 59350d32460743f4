"""Ask a running Prometheus what Grafana would ask it."""

import math
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx


@dataclass(frozen=True)
class Series:
    """The labels of a series and its values."""

    labels: dict[str, str]
    values: list[float]

    @property
    def has_value(self) -> bool:
        """Return whether any value is a number."""
        return any(not math.isnan(value) for value in self.values)


@dataclass
class Prometheus:
    """A client of a Prometheus."""

    url: str

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def query(self, expression: str) -> list[Series]:
        """Return the series of an expression as of now."""
        found = self._get("query", query=expression)["result"]
        return [Series(one["metric"], [float(one["value"][1])]) for one in found]

    def query_range(self, expression: str, seconds: float) -> list[Series]:
        """Return the series of an expression over the last seconds."""
        now = time.time()
        found = self._get("query_range", query=expression, start=now - seconds, end=now, step="1s")
        return [
            Series(one["metric"], [float(value) for _, value in one["values"]])
            for one in found["result"]
        ]

    def value(self, expression: str) -> float | None:
        """Return the one value of an expression, None while there is none."""
        found = self.query(expression)
        return found[0].values[0] if found else None

    def kinds(self) -> dict[str, str]:
        """Return what each metric is: counter, gauge, histogram, …"""
        return {name: known[0]["type"] for name, known in self._get("metadata").items()}

    def _get(self, what: str, **parameters: Any) -> Any:
        answer = self._client.get(f"/api/v1/{what}", params=parameters).json()
        if answer["status"] != "success":
            raise AssertionError(f"{parameters.get('query')}: {answer['error']}")
        return answer["data"]
