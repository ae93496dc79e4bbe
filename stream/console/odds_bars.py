"""The parts of the odds as bars, in groups that answer one question each.

Invariant: pure. Each part is in one group, and the groups add up to the odds that are shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from stream.contract.alerts import EvidencePart, Ring
from stream.offline.ring_words import part_text

#: What each group of parts answers, in the order of the page.
_GROUPS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Before any evidence", ("start",)),
    ("Against peers", ("count", "baseline_uncertainty", "long_run")),
    ("Against its own past and its other reviews", ("own_level", "controls")),
    ("Deletions", ("deletions",)),
    ("Other times at which it may have begun", ("other_starts",)),
    ("Innocent explanations, and what they leave", ("arrival_cluster", "burst", "alternatives")),
    ("Accused staff, and rings that it belongs to", ("insider_client", "ring")),
    ("Each member of the ring", ("ring_member",)),
    ("Other sellers that the same thing ties", ("ring_others",)),
    ("What the sellers' flips have in common", ("ring_level",)),
    ("Against all authors of critical reviews", ("flip_share",)),
)
_REST: Final = "Further parts"


class Bar(NamedTuple):
    """One part of the odds as a bar.

    Attributes:
        share: Of the widest bar, -1 to 1.
        factor: How many times the odds are multiplied.
        text: The part in words.
    """

    part: EvidencePart
    share: float
    factor: str
    text: str


class BarGroup(NamedTuple):
    """Parts that answer one question, and their sum."""

    title: str
    bars: list[Bar]
    log_odds: float
    factor: str


def factor(log_odds: float) -> str:
    """Return what a part does to the odds, in words."""
    if abs(log_odds) < math.log(1.05):
        return "no change"
    times = math.exp(min(abs(log_odds), 50.0))
    shown = f"{times:.1f}" if times < 10 else f"{times:,.0f}" if times < 1e6 else "over a million"
    return f"{'×' if log_odds > 0 else '÷'} {shown}"


def groups(parts: Sequence[EvidencePart], ring: Ring | None = None) -> list[BarGroup]:
    """Return the parts of the odds in groups; those of a ring's members name the sellers."""
    widest = max((abs(part.log_odds) for part in parts), default=1.0) or 1.0
    known = {name for _, names in _GROUPS for name in names}
    wanted = [*_GROUPS, (_REST, tuple(sorted({part.name for part in parts} - known)))]
    found: list[BarGroup] = []
    for title, names in wanted:
        bars = [
            Bar(part, part.log_odds / widest, factor(part.log_odds), part_text(part, ring))
            for part in parts
            if part.name in names
        ]
        if bars:
            together = math.fsum(bar.part.log_odds for bar in bars)
            found.append(BarGroup(title, bars, together, factor(together)))
    return found
