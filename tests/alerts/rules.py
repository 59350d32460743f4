"""Read the alert rules, and take their expressions apart, without Prometheus."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PROMETHEUS = REPOSITORY / "infra" / "prometheus"
ALERTMANAGER = REPOSITORY / "infra" / "alertmanager"
RULES = PROMETHEUS / "rules"
RUNBOOKS = REPOSITORY / "docs" / "runbooks"
CASES = Path(__file__).with_name("cases")

_WORDS = {
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
}
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_DURATION = re.compile(r"\[[^\]]*\]")
_SELECTOR = re.compile(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])(\{[^}]*\})?")


@dataclass(frozen=True)
class Rule:
    """One rule of a file: an alert, or a series that is recorded for one."""

    alert: str | None
    record: str | None
    expression: str
    labels: dict[str, str]
    annotations: dict[str, str]


def read_rules() -> list[Rule]:
    """Return all rules of infra/prometheus/rules."""
    return [_rule(each) for file in sorted(RULES.glob("*.yml")) for each in _of_file(file)]


def alerts() -> list[Rule]:
    """Return the rules that are alerts."""
    return [rule for rule in read_rules() if rule.alert is not None]


def alert_names() -> list[str]:
    """Return the names of the alerts, each once."""
    return sorted({rule.alert for rule in alerts() if rule.alert is not None})


def selectors(expression: str) -> list[str]:
    """Return what an expression reads, each a metric with its matchers: ``up{job="api"}``."""
    strings: list[str] = []

    def put_by(found: re.Match[str]) -> str:
        strings.append(found.group())
        return f'"{len(strings) - 1}"'

    bare = _DURATION.sub("", _GROUPING.sub("", _STRING.sub(put_by, expression)))
    found = [name + matchers for name, matchers in _SELECTOR.findall(bare) if name not in _WORDS]
    return [re.sub(r'"(\d+)"', lambda m: strings[int(m.group(1))], each) for each in found]


def _of_file(file: Path) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(file.read_text())["groups"]:
        yield from group["rules"]


def _rule(values: dict[str, Any]) -> Rule:
    return Rule(
        alert=values.get("alert"),
        record=values.get("record"),
        expression=values["expr"],
        labels=values.get("labels", {}),
        annotations=values.get("annotations", {}),
    )
