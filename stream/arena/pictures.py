"""Figures of a contest: recall and delay against false alarms.

Invariant: every number comes from `evaluation`; the module keeps no state.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stream.arena.evaluation import FEWEST, operating_point, recall_curve, threshold
from stream.arena.records import Performance, ScoreTrajectory, is_simulated
from stream.arena.results import by_name

#: False sellers a market.
_RATES: Final = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)
#: Limits of their axis: markets without cheats give no points.
_RATE_LIMITS: Final = (0.09, 11.0)


def draw(performances: list[Performance], folder: Path) -> list[Path]:
    """Draw recall and delay in the simulated markets of a contest, if any, and return the files written."""
    groups = by_name(one for one in performances if is_simulated(one.run))
    if not groups:
        return []
    folder.mkdir(exist_ok=True)
    recall, delay = Figure(figsize=(12, 5)), Figure(figsize=(8, 5))
    large, small = recall.subplots(1, 2, sharey=True)
    _recall(large, groups, "20 and more paid flips", lambda cheat: cheat.paid_flips >= 20)
    _recall(small, groups, "8 to 19 paid flips", lambda cheat: FEWEST <= cheat.paid_flips < 20)
    large.set_ylabel("found")
    _delay(delay.subplots(), groups)
    files = [folder / "arena_recall.png", folder / "arena_delay.png"]
    for figure, file in zip((recall, delay), files, strict=True):
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize="small")
        figure.set_layout_engine("constrained")
        figure.savefig(file, dpi=110)
    return files


def _style(number: int) -> dict[str, Any]:
    return {"color": f"C{number % 10}", "linestyle": ("-", "--", ":")[number // 10 % 3], "marker": "."}


def _recall(
    axes: Axes, groups: dict[str, list[Performance]], title: str, selects: Callable[[ScoreTrajectory], bool]
) -> None:
    for number, (name, performances) in enumerate(groups.items()):
        points = recall_curve(performances, _RATES, selects)
        axes.plot(*zip(*points, strict=True), label=name, **_style(number))
    axes.set(title=title, xscale="log", xlabel="false sellers a market", xlim=_RATE_LIMITS, ylim=(0, 1))
    axes.grid(alpha=0.3)


def _delay(axes: Axes, groups: dict[str, list[Performance]]) -> None:
    found = False
    for number, (name, performances) in enumerate(groups.items()):
        delays = [(rate, operating_point(performances, threshold(performances, rate)).delay_flips) for rate in _RATES]
        points = [(rate, delay) for rate, delay in delays if delay is not None]
        found = found or bool(points)
        axes.plot([rate for rate, _ in points], [delay for _, delay in points], label=name, **_style(number))
    axes.set(xscale="log", xlabel="false sellers a market", ylabel="own paid flips until found, median")
    axes.set_xlim(_RATE_LIMITS)
    if found:  # an axis without data cannot have a log scale
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
