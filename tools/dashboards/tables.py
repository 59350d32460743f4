"""Make a table of datasets: each query is a column, and a dataset's name leads to its loads."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import table as builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import FieldTextAlignment
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from tools.dashboards.links import dataset_link
from tools.dashboards.panels import FULL, Words, finish
from tools.dashboards.queries import Query

LABEL, HEADING = "dataset", "Dataset"


@dataclass(frozen=True)
class Column:
    """A column: its heading, its expression, the unit of its values."""

    heading: str
    expression: str
    unit: str

    @property
    def query(self) -> Query:
        """Return the column's question, for the end of the selected time."""
        return Query(self.expression, self.heading, instant=True)


def dataset_table(words: Words, columns: Sequence[Column], empty: str) -> models.Panel:
    """Show a line for each dataset; `empty` stands where a column has no value for it."""
    panel = (
        builder.Panel()
        .show_header(show_header=True)
        .align(FieldTextAlignment.AUTO)
        .no_value(empty)
        .build()
    )
    panel.transformations = _one_line_each(columns)
    finish(
        panel, words, [column.query for column in columns], FULL, shape=PromQueryFormat.TABLE
    ).overrides = [
        _override(HEADING, "links", [dataset_link()]),
        *(_override(column.heading, "unit", column.unit) for column in columns),
    ]
    return panel


def _one_line_each(columns: Sequence[Column]) -> list[models.DataTransformerConfig]:
    """Join the answers by dataset, and name their columns."""
    values = [f"Value #{chr(ord('A') + place)}" for place in range(len(columns))]
    names = dict(zip(values, [column.heading for column in columns], strict=True))
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
