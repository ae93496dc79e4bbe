"""An alert's evidence over time as an SVG picture.

Invariant: a pure function of the alert. The picture has no script, no external font and no fixed background, and is
readable on light and dark pages.
"""

from __future__ import annotations

from typing import Final

from stream.contract.alerts import Alert
from stream.offline.ring_timeline import draw_timeline, timeline_rows
from stream.offline.svg_shapes import Frame, Scale, escaped, points, steps, x_axis, y_axis

_FRAME: Final = Frame(720, 300, left=52, top=54, right=24, bottom=40)
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
.span { stroke: #999; stroke-width: 3; }
.upgraded { fill: #c0392b; }
.deleted { fill: none; stroke: #111; stroke-width: 2; }
.joined { fill: #2c6fbb; stroke: #2c6fbb; }
.former { opacity: 0.6; }
@media (prefers-color-scheme: dark) {
  text { fill: #bbb; } .title { fill: #eee; } .grid { stroke: #444; }
  .flips { stroke: #ff7961; } .expected { stroke: #7db3f0; } .excess, .key-flips { fill: #ff7961; }
  .key-expected { fill: #7db3f0; } .upgraded { fill: #ff7961; } .deleted { stroke: #eee; }
  .joined { fill: #7db3f0; stroke: #7db3f0; }
}"""


def has_picture(alert: Alert) -> bool:
    """Return whether an alert has evidence over time; alerts about products have none."""
    return bool(alert.evidence.series) or alert.evidence.ring is not None


def draw(alert: Alert) -> str:
    """Return the SVG of an alert: cumulative flips and expected flips since the window began; a ring's timeline.

    Raises:
        ValueError: The alert has no picture.
    """
    evidence = alert.evidence
    if evidence.ring is not None:
        return draw_timeline(timeline_rows(evidence.ring, evidence), _title(alert), _STYLE) + "\n"
    if not evidence.series:
        raise ValueError(f"alert {alert.alert_id} has no evidence over time")
    times = [evidence.since, *(point.at for point in evidence.series), max(alert.raised_at, evidence.series[-1].at)]
    flips = [0.0, *(float(point.flips) for point in evidence.series)]
    expected = [0.0, *(point.expected for point in evidence.series)]
    flips.append(flips[-1])
    expected.append(max(expected[-1], evidence.expected))
    x_of = Scale(times[0].timestamp(), times[-1].timestamp(), _FRAME.left, _FRAME.end)
    highest = max(flips[-1], expected[-1], 1.0)
    y_of = Scale(0.0, highest, _FRAME.base, _FRAME.top)
    xs = [x_of(at.timestamp()) for at in times]
    corners = steps(xs, [y_of(value) for value in flips])
    line = list(zip(xs, [y_of(value) for value in expected], strict=True))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_FRAME.width} {_FRAME.height}" role="img" '
        f'aria-label="{escaped(_title(alert))}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_FRAME.left}" y="20">{escaped(_title(alert))}</text>',
        f'<text class="key-flips" x="{_FRAME.left}" y="40">flips: {evidence.flips}</text>',
        f'<text class="key-expected" x="{_FRAME.left + 80}" y="40">expected: {evidence.expected:.1f}</text>',
        *y_axis(_FRAME, y_of),
        *x_axis(_FRAME, times[0], times[-1], x_of),
        f'<polygon class="excess" points="{points([*corners, *reversed(line)])}"/>',
        f'<polyline class="expected" points="{points(line)}"/>',
        f'<polyline class="flips" points="{points(corners)}"/>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _title(alert: Alert) -> str:
    return f"{alert.kind}: {alert.subject.type} {alert.subject.id}, {alert.raised_at:%d %b %Y}"
