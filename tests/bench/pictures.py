"""The picture of `make bench`: throughput side by side."""

from __future__ import annotations

import statistics
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def draw(rounds: dict[str, list[float]], path: Path) -> None:
    """A bar for each program at its median, with a dot for each round."""
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
