"""Ask a Prometheus how it fares, through its HTTP interface."""

import json
import urllib.request
from typing import Any

_TIMEOUT = 5.0


def targets_down(url: str) -> list[str]:
    """Name the targets whose last scrape failed, each with the reason; raises `OSError`.

    One that was not scraped yet is not among them.
    """
    return [
        f"{target['labels']['job']}: {target['lastError']}"
        for target in _ask(url, "targets?state=active")["activeTargets"]
        if target["health"] == "down"
    ]


def faulty_rules(url: str) -> list[str]:
    """Name the rules that could not be evaluated, or say that there are none at all; raises `OSError`."""
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
    with urllib.request.urlopen(f"{url}/api/v1/{what}", timeout=_TIMEOUT) as answer:  # noqa: S310  # ours
        return json.load(answer)["data"]
