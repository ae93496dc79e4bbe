"""Plots of the dashboards: Prometheus evaluates each panel's queries, and matplotlib draws them instead of Grafana."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.stack.panels import Panel, panels
from tests.stack.stack import Stack

_COLUMNS: Final = 4
_POINTS: Final = 200
_SCALES: Final = {"bytes": (2**20, "MiB"), "percentunit": (0.01, "%"), "bool_yes_no": (1, "0/1")}


def draw(stack: Stack, dashboard: str, path: Path, since: float) -> None:
    """Draw all panels into one image, from `since` (epoch seconds) until now."""
    shown = list(panels(dashboard))
    rows = -(-len(shown) // _COLUMNS)
    figure = Figure(figsize=(5 * _COLUMNS, 3 * rows), layout="constrained")
    grid = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    for axes, panel in zip(grid, shown, strict=False):
        axes.set_axis_on()
        _panel(axes, panel, stack, since)
    figure.savefig(path, dpi=60)


def _panel(axes: Axes, panel: Panel, stack: Stack, since: float) -> None:
    scale, unit = _SCALES.get(panel.unit, (1, panel.unit))
    axes.set_title(f"{panel.row}: {panel.title} [{unit}]", fontsize=8)
    for expression, legend in panel.queries:
        for series in _series(stack, expression, since):
            times = [(float(at) - since) / 60 for at, _ in series["values"]]
            values = [float(value) / scale for _, value in series["values"]]
            axes.plot(times, values, label=_name(legend, series["metric"]), linewidth=1)
    axes.set_xlabel("minutes", fontsize=6)
    axes.tick_params(labelsize=7)
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=6, loc="upper left")


def _series(stack: Stack, expression: str, since: float) -> list[Any]:
    now = time.time()
    step = max((now - since) / _POINTS, 1)
    data = stack.get("query_range", query=expression, start=str(since), end=str(now), step=f"{step:.0f}")
    return list(data["result"])


def _name(legend: str, labels: dict[str, str]) -> str:
    """Replace each {{label}} of Grafana's legend by the label's value."""
    for name, value in labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend
