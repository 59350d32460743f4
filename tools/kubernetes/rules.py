"""Write the alert rules as Kubernetes objects, for the Prometheus operator: it reads no files of rules.

Where loaders are scaled down to none, two alerts about absent loaders would always fire. There they get a condition
more, in the second file, which takes the place of these two objects.
"""

from pathlib import Path
from typing import Any

import yaml

from tools.bootstrap.locations import ROOT

RULES = ROOT / "infra" / "prometheus" / "rules"
COMPONENTS = ROOT / "infra" / "kubernetes" / "components"
WITHOUT_LOADERS = {
    "TargetDown": 'unless on (job) absent(up{job="loader"})',
    "NoConsumers": "unless on (vhost, queue)"
    ' sum by (vhost, queue) (rabbitmq_detailed_queue_messages_ready{queue=~"load|small-loads"}) == 0',
}
"""What is added to an alert that otherwise takes it as a fault that there is no loader."""

_HEAD = "# Made of infra/prometheus/rules: ./dev kubernetes writes this file anew.\n"


def rendered() -> dict[Path, str]:
    """Return the text of each file that is made of the rules."""
    read = {
        file.stem: yaml.safe_load(file.read_text("utf-8")) for file in sorted(RULES.glob("*.yml"))
    }
    scaled = {name: _without_loaders(rules) for name, rules in read.items()}
    changed = {name: rules for name, rules in scaled.items() if rules != read[name]}
    return {
        COMPONENTS / "monitoring" / "rules.yaml": _objects(read),
        COMPONENTS / "autoscaling" / "rules.yaml": _objects(changed),
    }


def _without_loaders(rules: Any) -> Any:
    return {
        "groups": [{**group, "rules": [*map(_excuse, group["rules"])]} for group in rules["groups"]]
    }


def _excuse(rule: dict[str, Any]) -> dict[str, Any]:
    condition = WITHOUT_LOADERS.get(rule.get("alert", ""))
    return rule | {"expr": f"({rule['expr'].strip()})\n{condition}\n"} if condition else rule


def _objects(rules: dict[str, Any]) -> str:
    objects = [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": name},
            "spec": spec,
        }
        for name, spec in rules.items()
    ]
    text: str = yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=1000)
    return _HEAD + text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Write texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
