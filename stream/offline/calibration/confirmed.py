"""Confirmed cheats leave the history before it is measured: what they did is no chance.

Invariant: the latest verdict of a subject decides, as for the worker; where a second analyst is needed, a verdict
without one decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from stream.contract.events import ContactAccessed, Event, ReviewDeleted, SellerEvent, VerdictRecorded
from stream.core.cases.rules import CaseRules, FourEyes


class Honest(NamedTuple):
    """A history without its confirmed cheats.

    Attributes:
        events: Times (epoch seconds) and events, in the order of time.
        sellers, staff: The ids of the confirmed cheats.
    """

    events: list[tuple[float, SellerEvent]]
    sellers: frozenset[str]
    staff: frozenset[str]


def without_confirmed(events: Iterable[tuple[float, Event]], four_eyes: FourEyes) -> Honest:
    """Return the events of all sellers but the confirmed ones, without the look-ups and names of confirmed staff.

    Args:
        events: Times and events, verdicts included, in the order of time.
        four_eyes: Which verdicts need a second analyst.
    """
    every = list(events)
    latest: dict[tuple[str, str], VerdictRecorded] = {}
    for _, event in every:
        if isinstance(event, VerdictRecorded) and _counts(event, four_eyes):
            latest[event.subject.type, event.subject.id] = event
    confirmed = [subject for subject, verdict in latest.items() if verdict.verdict == "confirmed"]
    sellers = frozenset(name for kind, name in confirmed if kind == "seller")
    staff = frozenset(name for kind, name in confirmed if kind == "staff")
    kept: list[tuple[float, SellerEvent]] = []
    for at, event in every:
        if not isinstance(event, SellerEvent) or event.seller_id in sellers:
            continue
        if isinstance(event, ContactAccessed) and event.actor_id in staff:
            continue
        if isinstance(event, ReviewDeleted) and event.actor_id in staff:
            kept.append((at, msgspec.structs.replace(event, actor_id=None)))
        else:
            kept.append((at, event))
    return Honest(kept, sellers, staff)


def _counts(event: VerdictRecorded, four_eyes: FourEyes) -> bool:
    """Return whether a verdict may be in force; a second analyst must be named where one is needed."""
    needs_second = CaseRules(four_eyes).needs_second(event.subject.type, event.verdict, on_appeal=False)
    return not needs_second or event.second_analyst_id not in {None, event.analyst_id}
