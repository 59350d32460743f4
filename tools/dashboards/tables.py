"""Show a table of datasets: each query is a column, and a dataset's name leads to its loads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from grafana_foundation_sdk.builders import table as builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import FieldTextAlignment
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from tools.dashboards.links import dataset_link
from tools.dashboards.panels import FULL, Panel

LABEL, HEADING = "dataset", "Dataset"


@dataclass(frozen=True)
class DatasetTable(Panel):
    """A line for each dataset; `units` are those of columns that have not the panel's."""

    width: int | None = FULL
    units: Mapping[str, str] = field(default_factory=dict)

    form: ClassVar = PromQueryFormat.TABLE

    def build(self) -> models.Panel:
        """Join the answers by dataset, and name their columns."""
        panel = super().build()
        panel.transformations = self._one_line_each()
        units = [
            _override(heading, "unit", self.units.get(heading, self.unit))
            for heading in self.queries
        ]
        links = _override(HEADING, "links", [dataset_link()])
        panel.field_config = panel.field_config or models.FieldConfigSource()
        panel.field_config.overrides = [links, *units]
        return panel

    def _look(self) -> builder.Panel:
        panel = builder.Panel().show_header(show_header=True)
        return panel.align(FieldTextAlignment.AUTO).no_value("–")

    def _one_line_each(self) -> list[models.DataTransformerConfig]:
        values = [f"Value #{chr(ord('A') + place)}" for place in range(len(self.queries))]
        names = dict(zip(values, self.queries, strict=True))
        return [
            models.DataTransformerConfig(id_val="merge", options={}),
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": {name: place for place, name in enumerate([LABEL, *values])},
                    "renameByName": {LABEL: HEADING, **names},
                },
            ),
        ]


def _override(column: str, what: str, value: object) -> models.DashboardFieldConfigSourceOverrides:
    return models.DashboardFieldConfigSourceOverrides(
        matcher=models.MatcherConfig(id_val="byName", options=column),
        properties=[models.DynamicConfigValue(id_val=what, value=value)],
    )
