"""An alert's evidence over time as an SVG picture.

Invariant: a pure function of the alert. The picture has no script, no external font and no fixed background, and is
readable on light and dark pages.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from html import escape
from typing import Final

from stream.contract.alerts import Alert

_WIDTH: Final = 720
_HEIGHT: Final = 300
#: Margins in pixels: left, top, right, bottom.
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 54, 24, 40
_STYLE: Final = """\
text { font: 12px system-ui, sans-serif; fill: #444; }
.title { font-size: 14px; font-weight: 600; fill: #111; }
.axis { stroke: #999; stroke-width: 1; }
.grid { stroke: #ccc; stroke-width: 0.5; }
.flips { fill: none; stroke: #c0392b; stroke-width: 2.5; }
.expected { fill: none; stroke: #2c6fbb; stroke-width: 2; stroke-dasharray: 6 4; }
.excess { fill: #c0392b; opacity: 0.12; }
.key-flips { fill: #c0392b; font-weight: 600; }
.key-expected { fill: #2c6fbb; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  text { fill: #bbb; } .title { fill: #eee; } .grid { stroke: #444; }
  .flips { stroke: #ff7961; } .expected { stroke: #7db3f0; } .excess, .key-flips { fill: #ff7961; }
  .key-expected { fill: #7db3f0; }
}"""


def draw(alert: Alert) -> str:
    """Return the SVG of an alert: cumulative flips and expected flips since the window began.

    Raises:
        ValueError: The alert has no series; alerts about products have none.
    """
    evidence = alert.evidence
    if not evidence.series:
        raise ValueError(f"alert {alert.alert_id} has no evidence over time")
    times = [evidence.since, *(point.at for point in evidence.series), max(alert.raised_at, evidence.series[-1].at)]
    flips = [0.0, *(float(point.flips) for point in evidence.series)]
    expected = [0.0, *(point.expected for point in evidence.series)]
    flips.append(flips[-1])
    expected.append(max(expected[-1], evidence.expected))
    x_of = _scale(times[0].timestamp(), times[-1].timestamp(), _LEFT, _WIDTH - _RIGHT)
    highest = max(flips[-1], expected[-1], 1.0)
    y_of = _scale(0.0, highest, _HEIGHT - _BOTTOM, _TOP)
    xs = [x_of(at.timestamp()) for at in times]
    steps = _steps(xs, [y_of(value) for value in flips])
    line = list(zip(xs, [y_of(value) for value in expected], strict=True))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(_title(alert))}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="20">{escape(_title(alert))}</text>',
        f'<text class="key-flips" x="{_LEFT}" y="40">flips: {evidence.flips}</text>',
        f'<text class="key-expected" x="{_LEFT + 80}" y="40">expected: {evidence.expected:.1f}</text>',
        *_y_axis(highest, y_of),
        *_x_axis(times[0], times[-1], x_of),
        f'<polygon class="excess" points="{_points([*steps, *reversed(line)])}"/>',
        f'<polyline class="expected" points="{_points(line)}"/>',
        f'<polyline class="flips" points="{_points(steps)}"/>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _title(alert: Alert) -> str:
    return f"{alert.kind}: {alert.subject.type} {alert.subject.id}, {alert.raised_at:%d %b %Y}"


class _scale:  # noqa: N801  # used as a function
    """A linear map from values to pixels."""

    def __init__(self, low: float, high: float, start: float, stop: float) -> None:
        self._low, self._start = low, start
        self._pixels = (stop - start) / (high - low) if high > low else 0.0

    def __call__(self, value: float) -> float:
        return self._start + (value - self._low) * self._pixels


def _steps(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    """The corners of a step function that takes the value `ys[i]` from `xs[i]` on."""
    corners = [(xs[0], ys[0])]
    for x, y in zip(xs[1:], ys[1:], strict=True):
        corners += [(x, corners[-1][1]), (x, y)]
    return corners


def _points(corners: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _y_axis(highest: float, y_of: _scale) -> list[str]:
    step = max(1, round(highest / 4))
    lines: list[str] = []
    for value in range(0, int(highest) + 1, step):
        y = y_of(value)
        lines.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>')
    return lines


def _x_axis(first: dt.datetime, last: dt.datetime, x_of: _scale) -> list[str]:
    y = _HEIGHT - _BOTTOM
    lines = [f'<line class="axis" x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}"/>']
    for number in range(5):
        at = first + (last - first) * number / 4
        anchor = "start" if number == 0 else "end" if number == 4 else "middle"
        lines.append(f'<text x="{x_of(at.timestamp()):.1f}" y="{y + 18}" text-anchor="{anchor}">{at:%d %b}</text>')
    return lines
