"""Say in one line or table row what a panel shows; its class knows how that looks in Grafana."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, ClassVar

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat

from tools.dashboards.links import runbook_link

PROMETHEUS = models.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source that `infra/grafana/provisioning` makes."""

QUARTER, THIRD, HALF, FULL = 6, 8, 12, 24
"""Widths: a dashboard has 24 columns."""

LOWEST_INTERVAL = "1m"
"""No narrower than four scrapes, so that each window has samples to compare."""

_GREEN, _RED = "green", "red"


@dataclass(frozen=True)
class Panel:
    """What a panel says of itself, the unit of its values, what it asks, and what to do about it.

    `queries` are expressions by what their series are called, where `{{label}}` stands for a label's value.
    A panel without a width has that of its row.
    """

    title: str
    description: str
    unit: str
    queries: Mapping[str, str]
    runbooks: Sequence[str] = ()
    width: int | None = None

    height: ClassVar = 8
    form: ClassVar = PromQueryFormat.TIME_SERIES
    is_of_now: ClassVar = True
    """Whether it asks for the end of the selected time only."""

    def build(self) -> models.Panel:
        """Make the panel that Grafana reads, without its place."""
        panel: models.Panel = self._look().build()
        panel.title, panel.description = self.title, self.description
        panel.datasource = PROMETHEUS
        panel.links = [runbook_link(alert) for alert in self.runbooks] or None
        panel.targets = [
            self._target(ref, legend, expression)
            for ref, (legend, expression) in zip(
                ascii_uppercase, self.queries.items(), strict=False
            )
        ]
        panel.field_config = panel.field_config or models.FieldConfigSource()
        panel.field_config.defaults.unit = self.unit
        return panel

    def _look(self) -> Any:
        """Return the builder of this kind of panel."""
        raise NotImplementedError

    def _target(self, ref: str, legend: str, expression: str) -> Dataquery:
        query = prometheus.Dataquery().expr(expression).legend_format(legend).format(self.form)
        query = query.ref_id(ref).datasource(PROMETHEUS)
        return (query.instant() if self.is_of_now else query.range()).build()


@dataclass(frozen=True)
class Lines(Panel):
    """Values over time as lines."""

    interval: str = LOWEST_INTERVAL

    is_of_now: ClassVar = False

    def _look(self) -> timeseries.Panel:
        legend = common.VizLegendOptions().display_mode(options.LegendDisplayMode.LIST)
        return (
            timeseries.Panel()
            .fill_opacity(8)
            .line_width(1.5)
            .interval(self.interval)
            .legend(legend.placement(options.LegendPlacement.BOTTOM).show_legend(show_legend=True))
            .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
            .show_points(options.VisibilityMode.AUTO)
            .axis_soft_min(0)
        )


class Bars(Lines):
    """Counts of each interval as bars, one on the other."""

    def _look(self) -> timeseries.Panel:
        return (
            super()
            ._look()
            .draw_style(options.GraphDrawStyle.BARS)
            .fill_opacity(70)
            .line_width(0)
            .stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
        )


@dataclass(frozen=True)
class Number(Panel):
    """The last value of each series as a number, red from or below a bound."""

    bad_from: float | None = None
    bad_below: float | None = None

    height: ClassVar = 4

    def _look(self) -> stat.Panel:
        return (
            stat.Panel()
            .graph_mode(options.BigValueGraphMode.NONE)
            .text_mode(options.BigValueTextMode.AUTO)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
            .thresholds(_bounds(self.bad_from, self.bad_below))
        )


class Ranking(Panel):
    """The last value of each series as a bar, one below the other."""

    def _look(self) -> bargauge.Panel:
        return (
            bargauge.Panel()
            .orientation(options.VizOrientation.HORIZONTAL)
            .display_mode(options.BarGaugeDisplayMode.BASIC)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
            .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
            .thresholds(_bounds())
            .min(0)
        )


def _bounds(
    bad_from: float | None = None, bad_below: float | None = None
) -> builders.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=_GREEN if bad_below is None else _RED)]
    if bad_from is not None:
        steps.append(models.Threshold(value=bad_from, color=_RED))
    if bad_below is not None:
        steps.append(models.Threshold(value=bad_below, color=_GREEN))
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
