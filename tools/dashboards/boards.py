"""Put panels into rows and rows into a dashboard: places, numbers and what all dashboards have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from tools.dashboards.links import TAG, sibling_links
from tools.dashboards.panels import FULL, PROMETHEUS, THIRD, Panel

REFRESH = "30s"


@dataclass(frozen=True)
class Row:
    """A heading and the panels below it, which fill lines of 24 columns from the left; `width` is that of each."""

    title: str
    panels: Sequence[Panel]
    width: int = THIRD


def make_dashboard(
    uid: str, title: str, description: str, since: str, rows: Sequence[Row]
) -> models.Dashboard:
    """Make a dashboard that shows the time from `since` until now."""
    made = (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time(since, "now")
        .refresh(REFRESH)
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .build()
    )
    made.links = sibling_links()
    made.panels = list(_placed(rows))
    return made


def dataset_variable() -> models.VariableModel:
    """Return the choice of datasets: one, some or, at first, all."""
    return (
        builders.QueryVariable("dataset")
        .label("Dataset")
        .description("The datasets that the panels show.")
        .datasource(PROMETHEUS)
        .query("label_values(adsp_dataset_created_timestamp_seconds, dataset)")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
        .build()
    )


def _placed(rows: Sequence[Row]) -> Iterator[models.Panel | models.RowPanel]:
    """Yield headings and panels with their numbers and places."""
    number, top = 1, 0
    for row in rows:
        yield models.RowPanel(
            id_val=number, title=row.title, grid_pos=models.GridPos(x=0, y=top, w=FULL, h=1)
        )
        number, top = number + 1, top + 1
        left = height = 0
        for panel in row.panels:
            width = panel.width or row.width
            if left + width > FULL:
                left, top, height = 0, top + height, 0
            made = panel.build()
            made.grid_pos = models.GridPos(x=left, y=top, w=width, h=panel.height)
            made.id_val = number
            left, height, number = left + width, max(height, panel.height), number + 1
            yield made
        top += height
