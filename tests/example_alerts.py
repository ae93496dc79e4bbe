"""The example alerts of the schema, and the one that docs/evidence.md checks by hand.

Invariant: they are alerts of a replay. `python -m tests.example_alerts` writes both anew: run it when results change on
purpose, and `python -m tests.reference` with it.
"""

from __future__ import annotations

import datetime as dt
import math
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from stream.config import Settings
from stream.contract.alerts import Alert, EvidencePart, Kind, Severity
from stream.market import simulate
from stream.offline.replay import replay

_ROOT: Final = Path(__file__).parents[1]
FILE: Final = _ROOT / "schemas" / "examples" / "alert.v1.jsonl"
PAGE: Final = _ROOT / "docs" / "evidence.md"
_HEADING: Final = "## An example\n"
#: Of the market, the first alert of each of these.
_CHOSEN: Final[list[tuple[Kind, Severity]]] = [("seller.contact_flips", "critical"), ("staff.access_flips", "low")]


def _alerts() -> list[Alert]:
    found: list[Alert] = []
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        simulate.write("cheats", 101, 300, 200, events, Path(folder) / "truth.jsonl")
        replay(Settings(), str(events), 1, found.append)
    chosen = [next(alert for alert in found if (alert.kind, alert.severity) == each) for each in _CHOSEN]
    # A replay detects nothing at a time of its own; a worker does within a second.
    return [msgspec.structs.replace(alert, detected_at=alert.raised_at + dt.timedelta(seconds=1)) for alert in chosen]


def table(parts: Sequence[EvidencePart]) -> list[str]:
    """Return the rows of parts as the page shows them."""
    return [f"| {part.name} | {part.log_odds:+.2f} | {part.text} |" for part in parts]


def section(alert: Alert) -> str:
    """Return the page's section about an alert."""
    evidence, payment = alert.evidence, alert.evidence.payment
    assert payment is not None
    quoted = textwrap.fill(alert.explanation, 122, initial_indent="> ", subsequent_indent="> ", break_on_hyphens=False)
    lines = [
        _HEADING.rstrip(),
        "This is the first alert of `schemas/examples/alert.v1.jsonl`:",
        "",
        quoted,
        "",
        "| part | log odds | in words |",
        "|---|---|---|",
        *table(evidence.parts),
        "",
        f"Together {math.log(evidence.odds):.2f}: odds of {evidence.odds:,.0f} to 1. The marks of payment:",
        "",
        "| mark | log odds | in words |",
        "|---|---|---|",
        *table(payment.parts),
        "",
        f"Together {math.log(payment.odds):.2f}: odds of {payment.odds:,.1f} to 1.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the examples and the page's section."""
    alerts = _alerts()
    FILE.write_bytes(b"".join(msgspec.json.encode(alert) + b"\n" for alert in alerts))
    before = PAGE.read_text().partition(_HEADING)[0]
    PAGE.write_text(before + section(alerts[0]))


if __name__ == "__main__":
    main()
