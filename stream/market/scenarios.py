"""What a market is made of: every number that an arena may want to turn, with its reason.

Rule of this room: parameters only, frozen. A new kind of cheat or a new confounder is a new part of `Scenario` with a
default that changes nothing, so that the markets of older names stay what they were.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Honest:
    """The life that everybody leads, cheats too."""

    #: Reviews a day: lognormal, the median and the spread. Marketplaces have a few giants and a long tail.
    volume_median: float = 2.5
    volume_sigma: float = 0.85
    #: No seller has more a day: one giant must not fill the file.
    volume_most: float = 30.0
    #: Share of critical reviews, beta: 22.5 % in the mean, most sellers between 12 % and 35 %.
    critical: tuple[float, float] = (9.0, 31.0)
    #: Frailty, gamma with mean 1: honest sellers win back several times more, or less, than others.
    frailty_shape: float = 2.0
    #: A seller writes to a share of its critical reviewers, uniform up to this: from no support to a diligent one.
    outreach_most: float = 0.6
    #: Hours from a critical review to a legitimate contact, lognormal: the next working day, some within the hour.
    outreach_hours: float = 24.0
    outreach_sigma: float = 1.0
    #: Contacts that name only the reviewer: mailing tools know customers, not reviews.
    outreach_unnamed: float = 0.1
    #: Flips that are retractions: most who are content again say so, few delete.
    retracts: float = 0.18
    #: Edits without a flip: text only, of any review; a good one moved between 4 and 5; a good one turned bad; a
    #: critical one moved within 1-3.
    edits_text: float = 0.02
    edits_good: float = 0.01
    edits_down: float = 0.002
    edits_critical: float = 0.01
    #: `previous_rating` is optional in the contract, and not all producers know it.
    previous_known: float = 0.7
    #: Removed by the platform whatever the stars (spam, abuse), and how often a member of staff did it by hand.
    removed: float = 0.012
    removed_by_hand: float = 0.6
    #: Critical reviews whose author's contact data honest support looks up.
    looked_up: float = 0.04
    #: Reviews by people who review much, from a pool that all sellers share; all others review once.
    regulars: float = 0.05


@dataclass(frozen=True)
class Bribes:
    """Sellers who pay for flips."""

    #: Share of sellers, and at least so many where there are 20 sellers: a market for tests must not be empty of them.
    share: float = 0.0
    at_least: int = 2
    #: The start, in shares of the run: time enough before it to know the seller, and after it to see the cheat.
    start: tuple[float, float] = (0.2, 0.8)
    #: Share of the critical reviews after the start that are approached: not all have an address for sale.
    approached: tuple[float, float] = (0.6, 1.0)
    #: Share of those still open at the start, up to 60 days old: payers mostly want fresh ones.
    approached_old: float = 0.12
    old_days: float = 60.0
    #: Days from review to approach, lognormal: an address has to be bought first.
    approach_days: float = 1.2
    approach_sigma: float = 0.8
    #: Chance that an approach brings a paid flip, by seller. Reported brokers promised more than they reached.
    power: tuple[float, float] = (0.25, 0.6)
    #: Days from approach to flip, lognormal: an exchange of messages, then the money.
    delay_days: float = 2.0
    delay_sigma: float = 0.8
    #: Share of paid flips that are deletions, by seller: brokers sold both.
    retracts: tuple[float, float] = (0.3, 0.7)


@dataclass(frozen=True)
class Dirt:
    """What producers and networks do to a stream; the events themselves stay as they were."""

    #: Delivered again, with the same event_id, after a mean of so many seconds.
    duplicates: float = 0.0
    duplicate_seconds: float = 60.0
    #: Arrival lags behind the event by up to this, uniform: within the processor's default allowed lateness of 10 s.
    disorder_seconds: float = 0.0
    #: Far later than any allowed lateness: a client that was offline.
    late: float = 0.0
    late_seconds: tuple[float, float] = (60.0, 2 * 86_400.0)


@dataclass(frozen=True)
class Scenario:
    """A kind of market."""

    honest: Honest = field(default_factory=Honest)
    bribes: Bribes = field(default_factory=Bribes)
    dirt: Dirt = field(default_factory=Dirt)


_PAYERS: Final = Bribes(share=0.04)

SCENARIOS: Final[dict[str, Scenario]] = {
    "honest": Scenario(),
    "bribes": Scenario(bribes=_PAYERS),
    "dirty": Scenario(bribes=_PAYERS, dirt=Dirt(duplicates=0.01, disorder_seconds=8.0, late=0.0005)),
}


def find(name: str) -> Scenario:
    """The scenario of that name; ValueError tells the names there are."""
    if name not in SCENARIOS:
        raise ValueError(f"no scenario {name!r}: there are {', '.join(sorted(SCENARIOS))}")
    return SCENARIOS[name]
