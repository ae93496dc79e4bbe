"""The plots of the benchmarks: throughput by program, latency by load, cost by size of the state."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

FIGURES: Final = Path(__file__).parents[2] / "docs" / "figures"


def draw(rounds: dict[str, list[float]], path: Path) -> None:
    """Draw a bar for each program at its median, with a dot for each round."""
    names = sorted(rounds, key=lambda name: statistics.median(rounds[name]))
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(names) + 1.2))
    medians = [statistics.median(rounds[name]) for name in names]
    colours = ["#1f77b4" if name in {"worker", "replay"} else "#b0b0b0" for name in names]
    axes.barh(names, medians, color=colours)
    for row, name in enumerate(names):
        axes.plot(rounds[name], [row] * len(rounds[name]), "k.", markersize=4)
    axes.set_xlabel("events a second around the same core, medians of the rounds (dots)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_curves(x: Sequence[float], curves: Mapping[str, Sequence[float]], labels: tuple[str, str], name: str) -> None:
    """Draw a line for each curve over the same x; `labels` are for x and y; a wide x range is logarithmic."""
    figure, axes = plt.subplots(figsize=(6, 3.5))
    for label, values in curves.items():
        axes.plot(x, values, "o-", label=label)
    if max(x) > 20 * min(x):
        axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    if len(curves) > 1:
        axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(FIGURES / name, dpi=120)
    plt.close(figure)
