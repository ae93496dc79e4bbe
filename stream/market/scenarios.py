"""Kinds of markets by name: which cheats, which confounders, what dirt.

Rule of this room: parameters only, frozen. A new kind of cheat or a new confounder is a new part of `Scenario` with a
default that changes nothing, so that the markets of older names stay what they were.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final


@dataclass(frozen=True)
class Confounders:
    """Shares of the sellers that each befalls; what they are is told in `confounders`."""

    tiny: float = 0.0
    giant: float = 0.0
    new: float = 0.0
    passing: float = 0.0
    bomb: float = 0.0
    superb: float = 0.0
    mass_reply: float = 0.0
    fix: float = 0.0
    season: float = 0.0
    desk: float = 0.0
    sweep: float = 0.0
    reimport: float = 0.0
    merge: float = 0.0


@dataclass(frozen=True)
class Cheats:
    """Sellers who pay for flips."""

    #: Share of sellers, and at least so many where there are 20 sellers: a market for tests must not be empty of them.
    share: float = 0.0
    at_least: int = 2
    #: Their kinds, over and over again.
    kinds: tuple[str, ...] = ("bribes",)
    #: Members of staff who sell look-ups, the ring's not counted.
    leaking: int = 2


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

    confounders: Confounders = field(default_factory=Confounders)
    cheats: Cheats = field(default_factory=Cheats)
    dirt: Dirt = field(default_factory=Dirt)


#: Enough of everything that each befalls someone among 500 sellers, and most sellers have one or none that is rare.
_ALL_CONFOUNDERS: Final = Confounders(
    tiny=0.1,
    giant=0.006,
    new=0.15,
    passing=0.006,
    bomb=0.04,
    superb=0.04,
    mass_reply=0.05,
    fix=0.06,
    season=1.0,
    desk=1.0,
    sweep=0.02,
    reimport=0.01,
    merge=0.01,
)
#: A ring and the clients of a rogue are several each; fifteen cheats are the least that have all kinds.
_ALL_KINDS: Final = (
    *("bribes", "leaked", "hidden", "ring", "removals", "drip", "ring", "burst"),
    *("leaked", "replier", "ring", "first_day", "cover", "removals", "old"),
)
#: Kinds that a scenario has alone. Look-ups are sold by many members of staff to a seller or two each in `leaked`, and
#: by one to all of them in `access`.
_ALONE: Final = {kind: Cheats(share=0.04, kinds=(kind,)) for kind in sorted(set(_ALL_KINDS))} | {
    "leaked": Cheats(share=0.04, kinds=("leaked",), leaking=12),
    "access": Cheats(share=0.04, kinds=("leaked",), leaking=1),
}


def _befalling(name: str) -> Scenario:
    """A confounder alone, with a fifth of the sellers or everybody, to see what it does to a detector."""
    return Scenario(confounders=Confounders(**{name: max(0.2, getattr(_ALL_CONFOUNDERS, name))}))


SCENARIOS: Final[dict[str, Scenario]] = {
    "honest": Scenario(),
    "dirty": Scenario(cheats=_ALONE["bribes"], dirt=Dirt(duplicates=0.01, disorder_seconds=8.0, late=0.0005)),
    "confounded": Scenario(confounders=_ALL_CONFOUNDERS),
    "cheats": Scenario(_ALL_CONFOUNDERS, Cheats(share=0.06, kinds=_ALL_KINDS, leaking=1)),
    **{kind: Scenario(cheats=ways) for kind, ways in _ALONE.items()},
    **{each.name: _befalling(each.name) for each in fields(Confounders)},
}


def find(name: str) -> Scenario:
    """The scenario of that name; ValueError tells the names there are."""
    if name not in SCENARIOS:
        raise ValueError(f"no scenario {name!r}: there are {', '.join(sorted(SCENARIOS))}")
    return SCENARIOS[name]
