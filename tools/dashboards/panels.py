"""Make panels that look alike: each has a title, a description, a unit and series with names."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat

from tools.dashboards.links import runbook_link
from tools.dashboards.queries import Query

PROMETHEUS = models.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source that `infra/grafana/provisioning` makes."""

QUARTER, THIRD, HALF, FULL = 6, 8, 12, 24
"""Widths: a dashboard has 24 columns."""

LOWEST_INTERVAL = "1m"
"""No narrower than four scrapes, so that each window has samples to compare."""

_HEIGHT = 8
_GREEN, _RED = "green", "red"


@dataclass(frozen=True)
class Words:
    """What a panel says of itself: what it is called, what it means, in which unit, what to do about it."""

    title: str
    description: str
    unit: str
    runbooks: Sequence[str] = ()


def lines(
    words: Words, *queries: Query, width: int = THIRD, interval: str = LOWEST_INTERVAL
) -> models.Panel:
    """Show values over time as lines."""
    builder = timeseries.Panel().fill_opacity(8).line_width(1.5).interval(interval)
    panel = _over_time(builder).build()
    finish(panel, words, queries, width)
    return panel


def bars(
    words: Words, *queries: Query, width: int = THIRD, interval: str = LOWEST_INTERVAL
) -> models.Panel:
    """Show counts of each interval as bars, one on the other."""
    builder = (
        timeseries.Panel()
        .draw_style(options.GraphDrawStyle.BARS)
        .fill_opacity(70)
        .line_width(0)
        .stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
        .interval(interval)
    )
    panel = _over_time(builder).build()
    finish(panel, words, queries, width)
    return panel


def number(
    words: Words,
    *queries: Query,
    width: int = QUARTER,
    bad_from: float | None = None,
    bad_below: float | None = None,
) -> models.Panel:
    """Show the last value of each series as a number, red from or below a bound."""
    builder = (
        stat.Panel()
        .graph_mode(options.BigValueGraphMode.NONE)
        .text_mode(options.BigValueTextMode.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_bounds(bad_from, bad_below))
    )
    panel = builder.build()
    finish(panel, words, queries, width, height=_HEIGHT // 2)
    return panel


def ranking(words: Words, *queries: Query, width: int = THIRD) -> models.Panel:
    """Show the last value of each series as a bar, one below the other."""
    builder = (
        bargauge.Panel()
        .orientation(options.VizOrientation.HORIZONTAL)
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
        .thresholds(_bounds(None, None))
        .min(0)
    )
    panel = builder.build()
    finish(panel, words, queries, width)
    return panel


def _over_time(builder: timeseries.Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(options.LegendDisplayMode.LIST)
    return (
        builder.legend(
            legend.placement(options.LegendPlacement.BOTTOM).show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
        .show_points(options.VisibilityMode.AUTO)
        .axis_soft_min(0)
    )


def _bounds(bad_from: float | None, bad_below: float | None) -> builders.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=_GREEN if bad_below is None else _RED)]
    if bad_from is not None:
        steps.append(models.Threshold(value=bad_from, color=_RED))
    if bad_below is not None:
        steps.append(models.Threshold(value=bad_below, color=_GREEN))
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def finish(
    panel: models.Panel,
    words: Words,
    queries: Sequence[Query],
    width: int,
    height: int = _HEIGHT,
    shape: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> models.FieldConfigSource:
    """Give a panel what every kind of panel has, and return how it shows its values."""
    panel.title, panel.description = words.title, words.description
    panel.datasource = PROMETHEUS
    panel.links = [runbook_link(alert) for alert in words.runbooks] or None
    panel.grid_pos = models.GridPos(h=height, w=width)
    panel.targets = [
        _target(query, ref, shape) for query, ref in zip(queries, ascii_uppercase, strict=False)
    ]
    if panel.field_config is None:
        panel.field_config = models.FieldConfigSource()
    panel.field_config.defaults.unit = words.unit
    return panel.field_config


def _target(query: Query, ref: str, shape: PromQueryFormat) -> Dataquery:
    builder = (
        prometheus.Dataquery()
        .expr(query.expression)
        .legend_format(query.legend)
        .format(shape)
        .ref_id(ref)
        .datasource(PROMETHEUS)
    )
    return (builder.instant() if query.instant else builder.range()).build()
