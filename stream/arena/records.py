"""What a contest leaves behind: a line for each competitor in each market, of which every table is made.

Rule of this room: facts only, at no threshold: whoever reads them can ask for any. A run that was killed goes on where
its lines end.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from stream.market.cheats import Run


class Course(msgspec.Struct):
    """How a cheat's score rose, from its first paid flip on."""

    kind: str
    paid_flips: int
    #: Days since it began, running maximum of the score, paid flips so far; a line each time that the score rises.
    steps: list[tuple[float, float, int]]


class Staff(msgspec.Struct):
    """What a product says of a member of staff."""

    score: float
    accused: bool
    #: What he or she sold, `access` or `removals`, and how much; nothing, of the honest.
    sold: str = ""
    paid_flips: int = 0


class Performance(msgspec.Struct):
    """One competitor in one market."""

    run: Run
    name: str
    events: int
    days: float
    #: Microseconds an event.
    micros: float
    #: The highest score of each honest seller.
    honest: dict[str, float]
    #: What befell them, if anything that did not befall everybody.
    befallen: dict[str, list[str]]
    cheats: dict[str, Course]
    #: Sellers accused at the default budget, and staff; of products only.
    accused: list[str] = msgspec.field(default_factory=list)
    staff: dict[str, Staff] = msgspec.field(default_factory=dict)


_DECODER = msgspec.json.Decoder(Performance)


def take_up(path: Path) -> list[Performance]:
    """All lines; the rest of one whose writing was ended is taken away."""
    if not path.exists():
        return []
    told = path.read_bytes()
    whole = told[: told.rfind(b"\n") + 1]
    if whole != told:
        path.write_bytes(whole)
    return [_DECODER.decode(line) for line in whole.splitlines()]


def append(path: Path, performance: Performance) -> None:
    """Add a line."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(performance) + b"\n")
