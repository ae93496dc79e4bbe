"""The raw results of a contest: a line for each competitor in each market, from which all tables are made.

Invariant: results are stored at no threshold, so a reader can apply any. A contest that was killed resumes after its
last complete line. The encoded names are fixed: older files must stay readable.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from stream.arena.rings import RingScores
from stream.market.cheats import Run
from stream.market.scenarios import SCENARIOS


class ScoreTrajectory(msgspec.Struct):
    """How a cheat's score rose, from its first paid flip on."""

    kind: str
    paid_flips: int
    #: Days since the cheating began, running maximum of the score, paid flips so far; one entry for each rise.
    steps: list[tuple[float, float, int]]


class StaffScore(msgspec.Struct):
    """A product's result for a staff member."""

    #: The highest ln R.
    score: float
    accused: bool
    #: What an insider sold, `access` or `removals`, and how many; empty for honest staff.
    sold: str = ""
    paid_flips: int = 0


class Performance(msgspec.Struct):
    """The results of one competitor in one market."""

    run: Run
    name: str
    events: int
    days: float
    #: Microseconds an event.
    micros: float
    #: The highest score of each honest seller.
    honest: dict[str, float]
    #: The confounders of honest sellers, without those that all sellers have.
    confounders: dict[str, list[str]] = msgspec.field(name="befallen")
    cheats: dict[str, ScoreTrajectory]
    #: Sellers accused at the default budget, and staff; products only.
    accused: list[str] = msgspec.field(default_factory=list)
    staff: dict[str, StaffScore] = msgspec.field(default_factory=dict)
    #: Days from the first event of each honest seller to its last, added up; 0 in older files.
    seller_days: float = 0.0
    #: The rings that a product names, beside the truth; None for others and in older files.
    rings: RingScores | None = None
    #: Whether the competitor raises alerts at a budget, even if it raised none; False in older files.
    has_alerts: bool = False

    def raises_alerts(self) -> bool:
        """Return whether the competitor is a product: it has a result at its default budget."""
        return self.has_alerts or bool(self.staff or self.accused)

    def seller_years(self) -> float:
        """Return for how many years of honest sellers the budget allows alarms.

        A simulated market is short, and all its sellers count to its end. A file of real events may span many years, so
        there a seller counts from its first event to its last, as in `volteface calibrate`.
        """
        return (len(self.honest) * self.days if is_simulated(self.run) else self.seller_days) / 365


def is_simulated(run: Run) -> bool:
    """Return whether a market is simulated; otherwise its events are those of a file."""
    return run.scenario in SCENARIOS and not run.as_is


_DECODER = msgspec.json.Decoder(Performance)


def read(path: Path) -> list[Performance]:
    """Read all complete lines, and cut an incomplete last line off the file."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        path.write_bytes(whole)
    return [_DECODER.decode(line) for line in whole.splitlines()]


def append(path: Path, performance: Performance) -> None:
    """Add a line."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(performance) + b"\n")
