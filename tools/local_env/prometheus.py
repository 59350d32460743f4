"""Ask a Prometheus how it fares, through its HTTP interface."""

from typing import Any

from libs.devstack.local_http import ask

_TIMEOUT = 5.0


def targets_down(url: str) -> list[str]:
    """Name the targets whose last scrape failed, each with the reason; raises `httpx.HTTPError`.

    One that was not scraped yet is not among them.
    """
    return [
        f"{target['labels']['job']}: {target['lastError']}"
        for target in _ask(url, "targets?state=active")["activeTargets"]
        if target["health"] == "down"
    ]


def faulty_rules(url: str) -> list[str]:
    """Name the rules that could not be evaluated, or say that there are none at all; raises `httpx.HTTPError`."""
    groups = _ask(url, "rules")["groups"]
    if not groups:
        return ["no rules are loaded"]
    return [
        f"{rule['name']}: {rule['lastError']}"
        for group in groups
        for rule in group["rules"]
        if rule["health"] == "err"
    ]


def _ask(url: str, what: str) -> Any:
    answer = ask(f"{url}/api/v1/{what}", _TIMEOUT)
    return answer.raise_for_status().json()["data"]
