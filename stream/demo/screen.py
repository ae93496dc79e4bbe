"""What the demonstration writes: a table that renews itself on a terminal, plain lines anywhere else.

Invariant: only `Screen` writes to standard output. Texts from outside, such as ids, are written literally. No line of
the table is wider than the terminal. Without a terminal there are no control characters.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from stream import texts
from stream.contract.alerts import Alert, Kind
from stream.demo.figures import Figures
from stream.offline.ring_words import subject_name

#: The least time between two lines of figures where no terminal is.
_LINE_SECONDS: Final = 10.0
_MAX_ALERTS: Final = 8
#: Lines of the table that are no alerts, with those that wrap in a narrow terminal.
_OTHER_LINES: Final = 10
_LABEL_WIDTH: Final = 8
_STYLES: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}
#: What an alert counts, in fewer words than its explanation.
_COUNTED: Final[dict[Kind, str]] = {
    "seller.flips": "reviews turned",
    "seller.contact_flips": "reviews turned after contacts",
    "seller.access_flips": "reviews turned after look-ups by staff",
    "staff.access_flips": "reviews turned after its look-ups",
    "staff.removals": "critical reviews removed",
    "product.rating_shift": "reviews turned",
    "ring.insider": "reviews of its members turned",
    "ring.linked": "reviews of its members turned",
    "reviewer.flips": "of its critical reviews turned",
}


class View(NamedTuple):
    """What the table shows.

    Attributes:
        rate: Events a second.
        first_alert_seconds: When the first alert came, after the first event was sent; None before it.
        end: What there is to say once the market has ended.
    """

    figures: Figures
    rate: float
    alerts: Sequence[Alert]
    first_alert_seconds: float | None
    end: Sequence[str]


class Screen:
    """Writes to standard output."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # LANG=C
        is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._console = Console(force_terminal=is_terminal, markup=False, emoji=False, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False) if is_terminal else None
        self._lined_at, self._shown, self._alerts, self._ends = float("-inf"), Figures(), 0, 0

    def say(self, text: str, style: str = "") -> None:
        """Write lines above the table. Where no terminal is, a line stays one line."""
        self._console.print(literal(text), style=style, soft_wrap=self._live is None)

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, view: View) -> None:
        """Renew the table; without a terminal, write what is new."""
        if self._live is not None:
            width, height = self._console.size
            self._live.update(table(view, width, height), refresh=True)
        else:
            self._write_news(view)

    def _write_news(self, view: View) -> None:
        for alert in view.alerts[self._alerts :]:
            if not self._alerts:
                self.say(f"the first alert, {view.first_alert_seconds:.1f} s after the feed began:")
            self._alerts += 1
            self.say(f"ALERT {alert.severity}: {alert.explanation} -> {alert.recommended_action}")
        now = time.monotonic()
        if view.figures != self._shown and now - self._lined_at >= _LINE_SECONDS:
            self._lined_at, self._shown = now, view.figures
            self.say(", ".join(f"{name} {value}" for name, value in _rows(view)))
        if len(view.end) > self._ends:
            self.say("\n".join(view.end[self._ends :]))
            self._ends, self._shown = len(view.end), view.figures


def _rows(view: View) -> list[tuple[str, str]]:
    figures = view.figures
    rate = f" ({view.rate:,.0f} a second)" if view.rate >= 1 else ""
    return [
        ("events", f"{figures.applied:,}{rate}"),
        ("lag", f"{figures.lag:,}"),
        ("flips", f"{figures.flips:,}"),
        ("alerts", f"{len(view.alerts):,}"),
        ("cases", f"{figures.open_cases:,} open, {figures.decided_cases:,} decided"),
    ]


def table(view: View, width: int, height: int) -> RenderableType:
    """Return the table.

    Args:
        view: What it shows.
        width, height: Of the terminal, in cells.
    """
    lines = [Text()]
    for name, value in _rows(view):
        lines.append(Text.assemble((f"{name:<{_LABEL_WIDTH}} ", "dim"), (cut(value, width - _LABEL_WIDTH - 1), "bold")))
    ends = [Text(literal(line), overflow="fold", no_wrap=False) for line in view.end]
    end_height = sum(-(-cell_len(line.plain) // width) for line in ends)
    count = max(1, min(_MAX_ALERTS, height - _OTHER_LINES - end_height))
    latest = list(view.alerts[-count:])
    lines.append(Text())
    lines += [alert_line(alert, width) for alert in reversed(latest)]
    if not latest:
        lines.append(Text(cut("No alert yet.", width), style="dim"))
    if ends:
        lines += [Text(), *ends]
    return Group(*lines)


def alert_line(alert: Alert, width: int) -> Text:
    """Return an alert as one line: its severity, and as much of what it says as fits."""
    evidence = alert.evidence
    name = alert.subject.id if evidence.ring is None else subject_name(alert.subject, evidence.ring)
    said = f"{name}: {evidence.flips} {_COUNTED[alert.kind]}, {evidence.expected:.1f} expected"
    text = cut(literal(said), width - _LABEL_WIDTH - 1)
    label = (f"{alert.severity:<{_LABEL_WIDTH}} ", _STYLES[alert.severity])
    return Text.assemble(label, text, no_wrap=True, overflow="crop")


def cut(text: str, width: int) -> str:
    """Return a text that is at most so many cells wide."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 3)) + "..."[: max(0, width)]


def literal(text: str) -> str:
    """Return a text, line by line, in which characters that a terminal would hide or execute are escapes."""
    return "\n".join(map(texts.literal, text.split("\n")))
