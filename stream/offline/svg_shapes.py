"""The shapes of pictures of evidence as SVG: scales, step functions, axes.

Invariant: pure. Shapes have classes and no colours.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from stream.texts import visible


def escaped(text: str) -> str:
    """Return a text from outside as text of a picture; hidden characters in it are escapes."""
    return escape(visible(text))


class Frame(NamedTuple):
    """A picture and the margins around its axes, in pixels."""

    width: int
    height: int
    left: int
    top: int
    right: int
    bottom: int

    @property
    def base(self) -> int:
        """Where the time axis is."""
        return self.height - self.bottom

    @property
    def end(self) -> int:
        """Where the axes end on the right."""
        return self.width - self.right


class Scale(NamedTuple):
    """A linear map from values to pixels."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        if self.high <= self.low:
            return self.start
        return self.start + (value - self.low) * (self.stop - self.start) / (self.high - self.low)


def steps(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    """Return the corners of a step function that takes the value `ys[i]` from `xs[i]` on."""
    corners = [(xs[0], ys[0])]
    for x, y in zip(xs[1:], ys[1:], strict=True):
        corners += [(x, corners[-1][1]), (x, y)]
    return corners


def points(corners: Sequence[tuple[float, float]]) -> str:
    """Return corners as the attribute `points`."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def y_axis(frame: Frame, y_of: Scale) -> list[str]:
    """Return the grid and the numbers of an axis of counts."""
    step = max(1, round(y_of.high / 4))
    lines: list[str] = []
    for value in range(0, int(y_of.high) + 1, step):
        y = y_of(value)
        lines.append(f'<line class="grid" x1="{frame.left}" y1="{y:.1f}" x2="{frame.end}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{frame.left - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>')
    return lines


def x_axis(frame: Frame, first: dt.datetime, last: dt.datetime, x_of: Scale) -> list[str]:
    """Return the line and the days of an axis of time."""
    y = frame.base
    lines = [f'<line class="axis" x1="{frame.left}" y1="{y}" x2="{frame.end}" y2="{y}"/>']
    for number in range(5):
        at = first + (last - first) * number / 4
        anchor = "start" if number == 0 else "end" if number == 4 else "middle"
        lines.append(f'<text x="{x_of(at.timestamp()):.1f}" y="{y + 18}" text-anchor="{anchor}">{at:%d %b}</text>')
    return lines
