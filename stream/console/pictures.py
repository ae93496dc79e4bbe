"""Pictures of the evidence as SVG, for the console's pages.

Invariant: pure. No script, no style element and no colour: the style sheet gives them by class, so that pictures follow
the theme and a strict Content-Security-Policy allows them. Every text from outside is escaped.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

from markupsafe import Markup

from stream.contract.alerts import Evidence, Point
from stream.contract.cases import Case
from stream.offline.ring_timeline import draw_timeline, timeline_rows
from stream.offline.ring_words import ring_at_present, ring_text
from stream.offline.svg_shapes import Frame, Scale, points, steps, x_axis, y_axis

_SPARK_DAYS: Final = 90
_SPARK_WIDTH: Final = 120
_SPARK_HEIGHT: Final = 28
_FRAME: Final = Frame(760, 300, left=40, top=14, right=12, bottom=62)
#: The share of counts that lie in the band around the expectation.
_TAIL: Final = 0.05
_LEAST_MARGIN: Final = dt.timedelta(days=7)


def sparkline(evidence: Evidence) -> Markup:
    """Return flips against expected flips of the 90 days up to the latest flip, as a small picture."""
    if not evidence.series:
        return Markup("")
    last = evidence.series[-1].at
    first = max(evidence.since, last - dt.timedelta(days=_SPARK_DAYS))
    before = [point for point in evidence.series if point.at < first]
    begun = before[-1] if before else Point(first, 0, 0.0)
    shown = [point for point in evidence.series if point.at >= first]
    x_of = Scale(first.timestamp(), last.timestamp(), 1, _SPARK_WIDTH - 3)
    highest = max(shown[-1].flips - begun.flips, shown[-1].expected - begun.expected, 1)
    y_of = Scale(0, highest, _SPARK_HEIGHT - 2, 2)
    xs = [x_of(first.timestamp()), *(x_of(point.at.timestamp()) for point in shown)]
    flips = steps(xs, [y_of(0), *(y_of(point.flips - begun.flips) for point in shown)])
    expected = list(zip(xs, [y_of(0), *(y_of(point.expected - begun.expected) for point in shown)], strict=True))
    label = (
        f"{shown[-1].flips - begun.flips} turned in {(last - first).days} days, "
        f"{shown[-1].expected - begun.expected:.1f} expected"
    )
    return Markup(
        f'<svg class="spark" viewBox="0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}" width="{_SPARK_WIDTH}" '
        f'height="{_SPARK_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<polyline class="expected" points="{points(expected)}"/><polyline class="flips" points="{points(flips)}"/>'
        "</svg>"
    )


class Mark(NamedTuple):
    """Something that happened, below the picture."""

    at: dt.datetime
    row: int
    text: str


def evidence(case: Case, marks: Iterable[Mark]) -> Markup:
    """Return a case's flips as steps, the expectation as a line with its band, and what happened meanwhile.

    The band holds 90 % of the counts that chance gives around the expectation (Poisson).
    """
    found = case.evidence
    if not found.series:
        return Markup("")
    times = [found.since, *(point.at for point in found.series)]
    marks = _near(marks, times[0], times[-1])
    first, last = min([*times, *(mark.at for mark in marks)]), max([*times, *(mark.at for mark in marks)])
    x_of = Scale(first.timestamp(), last.timestamp(), _FRAME.left, _FRAME.end)
    flips = [0, *(point.flips for point in found.series)]
    expected = [0.0, *(point.expected for point in found.series)]
    bands = [_band(value) for value in expected]
    y_of = Scale(0, max(flips[-1], bands[-1][1], 1), _FRAME.base, _FRAME.top)
    xs = [x_of(at.timestamp()) for at in times]
    line = list(zip(xs, (y_of(value) for value in expected), strict=True))
    upper = list(zip(xs, (y_of(high) for _, high in bands), strict=True))
    lower = list(zip(xs, (y_of(low) for low, _ in bands), strict=True))
    window = x_of(found.since.timestamp())
    label = f"{found.flips} turned since {found.since:%d %b %Y}, {found.expected:.1f} expected"
    parts = [
        f'<svg class="evidence" viewBox="0 0 {_FRAME.width} {_FRAME.height}" role="img" aria-label="{escape(label)}">',
        f'<rect class="window" x="{window:.1f}" y="{_FRAME.top}" width="{_FRAME.end - window:.1f}" '
        f'height="{_FRAME.base - _FRAME.top}"/>',
        *y_axis(_FRAME, y_of),
        *x_axis(_FRAME, first, last, x_of),
        f'<polygon class="band" points="{points([*upper, *reversed(lower)])}"/>',
        f'<polyline class="expected" points="{points(line)}"/>',
        f'<polyline class="flips" points="{points(steps(xs, [y_of(value) for value in flips]))}"/>',
        *_mark_rows(marks, x_of),
        "</svg>",
    ]
    return Markup("".join(parts))


def timeline(case: Case) -> Markup:
    """Return when the reviews of a ring's members turned, a row for each member; nothing if it has none."""
    ring = ring_at_present(case)
    rows = [] if ring is None else timeline_rows(ring, case.evidence)
    return (
        Markup(draw_timeline(rows, f"Turned reviews of sellers tied by {ring_text(ring)}"))
        if ring and rows
        else Markup("")
    )


def _near(marks: Iterable[Mark], first: dt.datetime, last: dt.datetime) -> list[Mark]:
    """Return what happened in the window, and as long before it and after it: more would make the window narrow."""
    margin = max(last - first, _LEAST_MARGIN)
    return [mark for mark in marks if first - margin <= mark.at <= last + margin]


def _band(expected: float) -> tuple[float, float]:
    """Return the limits between which a count around an expectation lies with 90 % (Poisson)."""
    low = high = 0
    term = below = math.exp(-expected)
    while below <= _TAIL and high < 10_000:
        high += 1
        term *= expected / high
        below += term
    low = high
    while below < 1 - _TAIL and high < 10_000:
        high += 1
        term *= expected / high
        below += term
    return float(low), float(high)


def _mark_rows(marks: Sequence[Mark], x_of: Scale) -> list[str]:
    lines: list[str] = []
    used = sorted({mark.row for mark in marks})
    for place, row in enumerate(used):
        y = _FRAME.base + 28 + 11 * place
        lines += [
            f'<circle class="mark-{row}" cx="{x_of(mark.at.timestamp()):.1f}" cy="{y}" r="3.5">'
            f"<title>{escape(mark.text)}</title></circle>"
            for mark in marks
            if mark.row == row
        ]
    return lines
