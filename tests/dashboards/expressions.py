"""Read the dashboards as Grafana does: which questions their panels ask, with the variables filled in."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "infra" / "grafana" / "dashboards"
_PLACEHOLDER = re.compile(r"{{\s*(\w+)\s*}}")


@dataclass(frozen=True)
class Asked:
    """One question of a panel."""

    board: str
    panel: str
    expression: str
    legend: str
    instant: bool
    is_column: bool

    def __str__(self) -> str:
        """Return where the question stands, for messages and for the list of those rightly empty."""
        return f"{self.board} / {self.panel} / {self.legend}"

    @property
    def labels(self) -> set[str]:
        """Return the labels that the legend needs; a column is joined to others by its dataset."""
        return {"dataset"} if self.is_column else set(_PLACEHOLDER.findall(self.legend))

    def name_of(self, labels: dict[str, str]) -> str:
        """Return what the legend calls the series with these labels."""
        if self.is_column:
            return f"{self.legend} of {labels.get('dataset')}"
        return _PLACEHOLDER.sub(lambda found: labels.get(found[1], ""), self.legend)

    def filled(self, **variables: str) -> str:
        """Return the expression with its variables' values."""
        text = self.expression
        for name in sorted(variables, key=len, reverse=True):
            text = text.replace(f"${name}", variables[name])
        return text


def all_questions() -> list[Asked]:
    """Return every question of every panel of the committed dashboards."""
    return [asked for file in sorted(FOLDER.glob("*.json")) for asked in _questions(file)]


def question(panel: str, legend: str) -> Asked:
    """Return one question by its panel's title and its legend."""
    [found] = [one for one in all_questions() if (one.panel, one.legend) == (panel, legend)]
    return found


def _questions(file: Path) -> Iterator[Asked]:
    for panel in json.loads(file.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield Asked(
                board=file.stem,
                panel=panel["title"],
                expression=target["expr"],
                legend=target["legendFormat"],
                instant=target["instant"],
                is_column=panel["type"] == "table",
            )
