"""Kinds of markets by name: which cheats, confounders and groups of sellers, how unclean the delivery.

Invariant: parameters only, frozen. A new kind of cheat or a new confounder is a new field with a default that changes
nothing, so that the markets of existing names stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Final


@dataclass(frozen=True)
class Confounders:
    """The share of sellers with each confounder; `confounders` has a function for each."""

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
    drift: float = 0.0
    growth: float = 0.0
    sale: float = 0.0
    release: float = 0.0


@dataclass(frozen=True)
class Cheats:
    """The sellers that cheat, and the staff members who sell look-ups."""

    #: Share of the sellers, and the least number of cheats if there are 20 sellers or more, for small test markets.
    share: float = 0.0
    at_least: int = 2
    #: The kinds of the cheats, repeated in this order.
    kinds: tuple[str, ...] = ("bribes",)
    #: Staff members who sell look-ups, without the ring's broker.
    leaking: int = 2


@dataclass(frozen=True)
class Groups:
    """How many groups tie sellers together, for each 100 sellers; `groups` draws them.

    A market of 20 sellers or more has at least one of each that is not 0, if it is long enough.
    """

    #: Brokers who sell look-ups of an insider, and brokers who sell by lists from outside.
    insider_brokers: float = 0.0
    list_brokers: float = 0.0
    #: Reviewers who write critical reviews and turn them for money.
    extortionists: float = 0.0
    #: Honest: shops of one owner, reputation agencies, members of support who look up the same sellers' reviews each
    #: week, and closed accounts of reviewers.
    families: float = 0.0
    agencies: float = 0.0
    desks: float = 0.0
    closures: float = 0.0
    #: How often in 30 days the platform holds back all changes of reviews and then writes them with one time.
    held_a_month: float = 0.0


@dataclass(frozen=True)
class Delivery:
    """What producers and networks do to a stream; the events stay the same."""

    #: Share of events that arrive again, with the same event_id, and the mean delay until then.
    duplicates: float = 0.0
    duplicate_seconds: float = 60.0
    #: Most events arrive up to this much after they occur, uniform: within the default allowed lateness of 10 s.
    disorder_seconds: float = 0.0
    #: Share of events that arrive far later than any allowed lateness, and their delay: a client that was offline.
    late: float = 0.0
    late_seconds: tuple[float, float] = (60.0, 2 * 86_400.0)


@dataclass(frozen=True)
class Scenario:
    """A kind of market."""

    confounders: Confounders = field(default_factory=Confounders)
    cheats: Cheats = field(default_factory=Cheats)
    delivery: Delivery = field(default_factory=Delivery)
    groups: Groups = field(default_factory=Groups)


#: Shares such that each confounder occurs among 500 sellers, and most sellers have at most one rare confounder.
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
#: The same among sellers whose levels move, as those of real sellers do.
_MOVING: Final = replace(_ALL_CONFOUNDERS, drift=1.0, growth=0.15, sale=1.0, release=0.06)
#: A ring and the clients of an insider are several cheats each; a market with all kinds needs at least fifteen cheats.
_ALL_KINDS: Final = (
    *("bribes", "leaked", "hidden", "ring", "removals", "drip", "ring", "burst"),
    *("leaked", "replier", "ring", "first_day", "cover", "removals", "old"),
)
#: Scenarios with one kind of cheat. In `leaked` many staff members sell look-ups to one or two sellers each, in
#: `access` one staff member sells to all of them.
_SINGLE_KINDS: Final = {kind: Cheats(share=0.04, kinds=(kind,)) for kind in sorted(set(_ALL_KINDS))} | {
    "leaked": Cheats(share=0.04, kinds=("leaked",), leaking=12),
    "access": Cheats(share=0.04, kinds=("leaked",), leaking=1),
}

#: Honest groups that look like rings. Few enough that most sellers are in none.
_LOOK_ALIKES: Final = Groups(families=2.0, agencies=0.6, desks=0.6, closures=4.0, held_a_month=1.0)
#: Cheats that act alone beside the clients of brokers.
_ALONE: Final = Cheats(share=0.02, kinds=("bribes", "hidden", "drip", "burst"))


def _single_confounder(name: str) -> Scenario:
    """Make a scenario with one confounder, of a fifth of the sellers or all, to measure its effect on detectors."""
    return Scenario(confounders=Confounders(**{name: max(0.2, getattr(_ALL_CONFOUNDERS, name))}))


SCENARIOS: Final[dict[str, Scenario]] = {
    "honest": Scenario(),
    "dirty": Scenario(
        cheats=_SINGLE_KINDS["bribes"], delivery=Delivery(duplicates=0.01, disorder_seconds=8.0, late=0.0005)
    ),
    "confounded": Scenario(confounders=_ALL_CONFOUNDERS),
    "cheats": Scenario(_ALL_CONFOUNDERS, Cheats(share=0.06, kinds=_ALL_KINDS, leaking=1)),
    "moving": Scenario(_MOVING),
    "moving_cheats": Scenario(_MOVING, Cheats(share=0.06, kinds=_ALL_KINDS, leaking=1)),
    **{kind: Scenario(cheats=cheats) for kind, cheats in _SINGLE_KINDS.items()},
    **{each.name: _single_confounder(each.name) for each in fields(Confounders)},
    "brokers": Scenario(groups=Groups(insider_brokers=0.6, desks=0.6)),
    "lists": Scenario(groups=Groups(list_brokers=0.6)),
    "extortion": Scenario(groups=Groups(extortionists=1.0)),
    "families": Scenario(groups=_LOOK_ALIKES),
    "rings": Scenario(
        _ALL_CONFOUNDERS,
        _ALONE,
        groups=replace(_LOOK_ALIKES, insider_brokers=0.4, list_brokers=0.4, extortionists=1.0),
    ),
}


def find(name: str) -> Scenario:
    """Return the scenario of this name; raise ValueError with all names if there is none."""
    if name not in SCENARIOS:
        raise ValueError(f"no scenario {name!r}: there are {', '.join(sorted(SCENARIOS))}")
    return SCENARIOS[name]
