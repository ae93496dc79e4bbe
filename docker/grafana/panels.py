"""How a panel asks Prometheus, and how it looks.

Rule of this room: no panel without a sentence on what to make of it, a unit and thresholds. Red is where the alert
rules speak, orange what deserves a look; a panel of which no amount is bad has its ground only. Every question is about
the chosen app alone.
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
#: From which value on a panel has which colour; None is the ground, green unless it is named.
Limits: TypeAlias = Mapping[float | None, str]
_P = TypeVar("_P", stat.Panel, statetimeline.Panel, timeseries.Panel)

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_NO_LIMITS: Final[Limits] = {}
_RATE: Final = "$__rate_interval"


def app(metric: str, *matchers: str) -> str:
    """Series of the whole app: what the recording rules give."""
    chosen = ", ".join(('app_id="$app_id"', *matchers))
    return f"{metric}{{{chosen}}}"


def worker(metric: str, *matchers: str) -> str:
    """Series of the chosen workers."""
    return app(metric, 'instance=~"$instance"', *matchers)


def task(metric: str, *matchers: str) -> str:
    """Series of the chosen tasks, wherever they run."""
    return worker(metric, 'task=~"$task"', *matchers)


def rate(by: str, series: str) -> str:
    """What a counter gains a second."""
    return f"sum by ({by}) (rate({series}[{_RATE}]))"


def or_zero(share: str, known_by: str) -> str:
    """A share that is 0 where nothing was there to have a share of (0 / 0), as long as `known_by` is there."""
    # Summed, for a share without a name and one with it would be two lines.
    return f"sum(({share}) >= 0 or 0 * {known_by})"


def quantiles(histogram: str, window: str = _RATE) -> dict[str, str]:
    """The usual quantiles of the chosen workers' histogram, by their legend."""
    buckets = f"sum by (le) (rate({worker(f'{histogram}_bucket')}[{window}]))"
    return {f"p{100 * share:g}": f"histogram_quantile({share}, {buckets})" for share in (0.5, 0.9, 0.99)}


def graph(
    title: str,
    text: str,
    unit: str,
    asked: Mapping[str, str],
    *,
    limits: Limits = _NO_LIMITS,
    runbooks: Sequence[str] = (),
    stacked: bool = False,
    exemplars: bool = False,
) -> timeseries.Panel:
    """Lines over time; `asked` are the expressions by their legend."""
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
    for each in _queries(asked):
        panel.with_target(each.exemplar(exemplars))
        exemplars = False  # asked for once: each quantile would bring the same
    return _said(panel, title, text, unit, limits, runbooks)


def number(
    title: str, text: str, unit: str, asked: str, *, limits: Limits = _NO_LIMITS, runbooks: Sequence[str] = ()
) -> stat.Panel:
    """One number: the present one, never the last that was known."""
    panel = (
        stat.Panel()
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(BigValueColorMode.BACKGROUND if limits else BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("not known")
        .with_target(query("A", asked).instant())
    )
    return _said(panel, title, text, unit, limits, runbooks)


def yes_no(title: str, text: str, asked: Mapping[str, str], *, runbooks: Sequence[str] = ()) -> statetimeline.Panel:
    """What is 1 or 0, over time; `asked` are the expressions by their legend."""
    panel = (
        statetimeline.Panel()
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .show_value(VisibilityMode.NEVER)
        .tooltip(_tooltip())
        .legend(common.VizLegendOptions().display_mode(LegendDisplayMode.HIDDEN).show_legend(False))
    )
    for each in _queries(asked):
        panel.with_target(each)
    return _said(panel, title, text, "bool_yes_no", {None: "red", 1: "green"}, runbooks)


def _said(panel: _P, title: str, text: str, unit: str, limits: Limits, runbooks: Sequence[str]) -> _P:
    steps = [Threshold(value=at, color=colour) for at, colour in ({None: "green"} | dict(limits)).items()]
    return (
        panel.title(title)
        .description(text)
        .datasource(DATASOURCE)
        .unit(unit)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .links([_runbook(heading) for heading in runbooks])
    )


def _runbook(heading: str) -> dashboard.DashboardLink:
    path = f"docker/runbooks.md#{heading.lower()}"
    return (
        dashboard.DashboardLink(f"Runbook: {heading}")
        .type(DashboardLinkType.LINK)
        .url(path)
        .tooltip(path)  # the path is one of the repository: shown, it can be found from anywhere
        .target_blank(True)
    )


def _queries(asked: Mapping[str, str]) -> Iterator[prometheus.Dataquery]:
    for ref, (legend, expression) in zip(ascii_uppercase, asked.items(), strict=False):
        yield query(ref, expression).legend_format(legend).range()


def query(ref: str, expression: str) -> prometheus.Dataquery:
    """A question to the chosen data source."""
    return prometheus.Dataquery().ref_id(ref).expr(expression).datasource(DATASOURCE)


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
