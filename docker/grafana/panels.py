"""Building blocks of panels: PromQL selectors, and panels with the common look.

Invariant: every panel has a description, a unit and thresholds, and every query selects the chosen app. Red begins
where an alert rule fires. Orange marks values that deserve a look. A panel without bad values has only its base colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase
from typing import Final, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)

Panel: TypeAlias = stat.Panel | statetimeline.Panel | timeseries.Panel
#: A row's title and its panels.
Row: TypeAlias = tuple[str, Sequence[Panel]]
#: Colours by the value from which on they hold; None is the base colour, green by default.
Limits: TypeAlias = Mapping[float | None, str]
_P = TypeVar("_P", stat.Panel, statetimeline.Panel, timeseries.Panel)

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_NO_LIMITS: Final[Limits] = {}
_RATE: Final = "$__rate_interval"


def app(metric: str, *matchers: str) -> str:
    """Return a selector for the whole app. Series of recording rules have no narrower labels."""
    labels = ", ".join(('app_id="$app_id"', *matchers))
    return f"{metric}{{{labels}}}"


def worker(metric: str, *matchers: str) -> str:
    """Return a selector for the chosen workers."""
    return app(metric, 'instance=~"$instance"', *matchers)


def task(metric: str, *matchers: str) -> str:
    """Return a selector for the chosen tasks on the chosen workers."""
    return worker(metric, 'task=~"$task"', *matchers)


def total(recorded: str, *matchers: str) -> str:
    """Return a selector for a recorded total of the chosen tasks, which no move between workers changes."""
    return app(recorded, 'task=~"$task"', *matchers)


def held(metric: str, by: str = "task", *matchers: str) -> str:
    """Return a gauge of the chosen tasks, each counted once and held for a minute while it moves to another worker."""
    return f"max by ({by}) (last_over_time({task(metric, *matchers)}[1m]))"


def rate(by: str, series: str) -> str:
    """Return the increase of a counter a second, by labels."""
    return f"sum by ({by}) (rate({series}[{_RATE}]))"


def or_zero(share: str, present: str) -> str:
    """Return a share that is 0 where its denominator is 0, as long as the series `present` exists."""
    # The sum drops the labels: a share with other labels than the zero would be a second line.
    return f"sum(({share}) >= 0 or 0 * {present})"


def quantiles(histogram: str, window: str = _RATE, *matchers: str) -> dict[str, str]:
    """Return the 0.5, 0.9 and 0.99 quantiles of a histogram of the chosen workers, by legend."""
    buckets = f"sum by (le) (rate({worker(f'{histogram}_bucket', *matchers)}[{window}]))"
    return {f"p{100 * share:g}": f"histogram_quantile({share}, {buckets})" for share in (0.5, 0.9, 0.99)}


def graph(
    title: str,
    description: str,
    unit: str,
    expressions: Mapping[str, str],
    *,
    limits: Limits = _NO_LIMITS,
    runbooks: Sequence[str] = (),
    stacked: bool = False,
    exemplars: bool = False,
    drill_down: bool = False,
) -> timeseries.Panel:
    """Return a panel of lines over time.

    Args:
        title: Unique within the dashboard.
        description: What the panel shows and how to read it.
        unit: A unit of Grafana.
        expressions: PromQL by legend.
        limits: Colours by value.
        runbooks: Names of the alerts whose runbooks the panel links.
        stacked: Whether the lines are added up.
        exemplars: Whether exemplars of the first expression are shown.
        drill_down: Whether the panel links *Integrity*, which shows the alerts.
    """
    lines = GraphThresholdsStyleMode.DASHED if limits else GraphThresholdsStyleMode.OFF
    panel = (
        timeseries.Panel()
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .thresholds_style(common.GraphThresholdsStyleConfig().mode(lines))
        .axis_soft_min(0)
        .fill_opacity(30 if stacked else 8)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL if stacked else StackingMode.NONE))
        .tooltip(_tooltip().sort(SortOrder.DESCENDING).hide_zeros(True))
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
    )
    for each in _queries(expressions):
        panel.with_target(each.exemplar(exemplars))
        exemplars = False  # every quantile would return the same exemplars
    return _described(panel, title, description, unit, limits, runbooks, drill_down)


def number(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    limits: Limits = _NO_LIMITS,
    runbooks: Sequence[str] = (),
    drill_down: bool = False,
) -> stat.Panel:
    """Return a panel with one present value. Without a present value it shows "not known", not an older value."""
    panel = (
        stat.Panel()
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(BigValueColorMode.BACKGROUND if limits else BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("not known")
        .with_target(query("A", expression).instant())
    )
    return _described(panel, title, description, unit, limits, runbooks, drill_down)


def yes_no(
    title: str, description: str, expressions: Mapping[str, str], *, runbooks: Sequence[str] = ()
) -> statetimeline.Panel:
    """Return a panel of values that are 1 or 0 over time; `expressions` is PromQL by legend."""
    panel = (
        statetimeline.Panel()
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .show_value(VisibilityMode.NEVER)
        .tooltip(_tooltip())
        .legend(common.VizLegendOptions().display_mode(LegendDisplayMode.HIDDEN).show_legend(False))
    )
    for each in _queries(expressions):
        panel.with_target(each)
    return _described(panel, title, description, "bool_yes_no", {None: "red", 1: "green"}, runbooks)


def _described(
    panel: _P,
    title: str,
    description: str,
    unit: str,
    limits: Limits,
    runbooks: Sequence[str],
    drill_down: bool = False,
) -> _P:
    steps = [Threshold(value=at, color=colour) for at, colour in ({None: "green"} | dict(limits)).items()]
    return (
        panel.title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .links([*map(_runbook, runbooks), *([_integrity()] if drill_down else [])])
    )


def _runbook(heading: str) -> dashboard.DashboardLink:
    url = f"${{runbooks}}#{heading.lower()}"
    return (
        dashboard.DashboardLink(f"Runbook: {heading}")
        .type(DashboardLinkType.LINK)
        .url(url)
        .tooltip(f"docker/runbooks.md#{heading.lower()}")
        .target_blank(True)
    )


def _integrity() -> dashboard.DashboardLink:
    url = "/d/volteface-integrity?${app_id:queryparam}&${__url_time_range}"
    return dashboard.DashboardLink("Alerts on Integrity").type(DashboardLinkType.LINK).url(url)


def _queries(expressions: Mapping[str, str]) -> Iterator[prometheus.Dataquery]:
    for ref, (legend, expression) in zip(ascii_uppercase, expressions.items(), strict=False):
        yield query(ref, expression).legend_format(legend).range()


def query(ref: str, expression: str) -> prometheus.Dataquery:
    """Return a query to the chosen data source."""
    return prometheus.Dataquery().ref_id(ref).expr(expression).datasource(DATASOURCE)


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
