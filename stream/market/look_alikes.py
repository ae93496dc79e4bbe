"""Honest groups that look like rings: shops of one owner, clients of a reputation agency, sellers of one support desk.

Invariant: nothing here is paid for. What the sellers of a group have in common are causes: releases, repairs, outreach,
solved tickets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from stream.market import confounders, staff
from stream.market.hazards import DAY, HOUR, Boost, fading
from stream.market.honest import draw_contact
from stream.market.plans import PlannedLookUp, SellerPlan
from stream.market.run_context import RunContext
from stream.market.sampling import WeightedChoice, choose, log_uniform, lognormal, uniform, weighted_choice
from stream.market.sittings import Sittings, draw_sittings

_EPISODES: Final[tuple[Literal["release", "fix", "support"], ...]] = ("release", "fix", "support")
FAMILY: Final = (3, 8)
AGENCY: Final = (4, 12)
DESK: Final = (5, 15)
#: Days within which the shops of an owner do the same.
_SHOP_DAYS: Final = 3.0
#: The oldest review (days) that a campaign of outreach answers.
_OUTREACH_OLD_DAYS: Final = 60.0


@dataclass(frozen=True)
class Episode:
    """What all shops of an owner do within days: a bad release with its repair, a product fix, or new support."""

    kind: Literal["release", "fix", "support"]
    at: float
    #: Days until the repair of a release.
    broken_days: float
    #: How many times as often reviews flip after the repair or the fix, the same in all shops, and for how many days.
    factor: float
    fading_days: float


@dataclass(frozen=True)
class ShopFamily:
    """Shops of one owner: the same products, customers and support; and so about the same frailty."""

    group_id: str
    members: frozenset[int]
    frailty: float
    episodes: tuple[Episode, ...]
    #: The chance that its support answers a critical review, and the hours until then, median.
    answered: float
    answer_hours: float

    @property
    def name(self) -> str:
        return "family"

    def concerns(self, number: int) -> bool:
        return number in self.members

    def apply(self, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
        """Give the shop the owner's frailty, and plan the episodes."""
        plan.seller = replace(plan.seller, frailty=self.frailty * lognormal(random, 1.0, 0.2))
        for episode in self.episodes:
            at = episode.at + uniform(random, (0.0, _SHOP_DAYS)) * DAY
            if not plan.begin <= at < plan.end:
                continue
            if episode.kind == "release":
                repaired = at + episode.broken_days * DAY
                confounders.add_bad_reviews(plan, context, at, repaired, random)
                confounders.add_repair(plan, at, repaired, episode.fading_days, episode.factor)
            elif episode.kind == "fix":
                plan.boosts += fading(at, episode.fading_days, episode.factor)
            else:
                self._add_support(at, plan, random)

    def _add_support(self, since: float, plan: SellerPlan, random: np.random.Generator) -> None:
        """Answer the open critical reviews within days, and from then on new ones within hours."""

        def answered_at(ready: float) -> float:
            wait = uniform(random, (0.0, 4.0)) * DAY if ready == since else 0.0
            return ready + wait + lognormal(random, self.answer_hours, 0.7) * HOUR

        _add_outreach(plan, since, plan.end, self.answered, _MESSAGES, answered_at, random)


@dataclass(frozen=True)
class Agency:
    """A reputation agency: each week it writes to the critical reviewers of its clients, without conditions."""

    group_id: str
    members: frozenset[int]
    #: When it begins to work for the first client.
    since: float
    sittings: Sittings
    answered: float
    channels: WeightedChoice[str]

    @property
    def name(self) -> str:
        return "agency"

    def concerns(self, number: int) -> bool:
        return number in self.members

    def apply(self, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
        """Plan contacts for the months that the seller is a client."""
        since = self.since + uniform(random, (0.0, 60.0)) * DAY
        until = since + uniform(random, (45.0, 150.0)) * DAY
        _add_outreach(
            plan, since, until, self.answered, self.channels, lambda at: self.sittings.after(at, random), random
        )


@dataclass(frozen=True)
class Desk:
    """A member of support who solves the tickets of the same sellers, in a sitting each week."""

    group_id: str
    members: frozenset[int]
    actor_id: str
    sittings: Sittings
    #: The chance that a critical reviewer has a ticket.
    tickets: float

    @property
    def name(self) -> str:
        return "sittings"

    def concerns(self, number: int) -> bool:
        return number in self.members

    def apply(self, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
        """Look up the reviewers with tickets, whose reviews then flip more often."""
        for review in plan.reviews:
            if review.critical and random.random() < self.tickets:
                at = self.sittings.after(review.critical_from, random)
                review.look_ups.append(PlannedLookUp(at, self.actor_id))
                review.boosts.append(Boost(at, at + 14 * DAY, uniform(random, (2.0, 4.0))))


@dataclass(frozen=True)
class BusyMember:
    """A member of staff with more ordinary look-ups than others, of any seller's critical reviewers."""

    actor_id: str
    #: Share of all critical reviews.
    share: float

    @property
    def name(self) -> str:
        return ""

    def concerns(self, number: int) -> bool:
        return True

    def apply(self, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
        """Add look-ups that change nothing."""
        for review in plan.reviews:
            if review.critical and random.random() < self.share:
                at = review.critical_from + lognormal(random, 1.0, 1.0) * DAY
                review.look_ups.append(PlannedLookUp(at, self.actor_id))


#: How the support of an owner answers.
_MESSAGES: Final = weighted_choice({"message": 0.7, "replacement": 0.15, "refund": 0.15})


def _add_outreach(
    plan: SellerPlan,
    since: float,
    until: float,
    answered: float,
    channels: WeightedChoice[str],
    answered_at: Callable[[float], float],
    random: np.random.Generator,
) -> None:
    """Contact a share of the critical reviewers of a span, and of those before it whose reviews are not old.

    Args:
        answered_at: Draws the time of a contact, given when the review can be answered.
    """
    for review in plan.reviews:
        recent = since - _OUTREACH_OLD_DAYS * DAY <= review.critical_from < until
        if recent and random.random() < answered:
            at = answered_at(max(since, review.critical_from))
            review.contacts.append(draw_contact(plan.seller, at, channels.draw(random), 0.0, random))


def draw_family(group_id: str, members: frozenset[int], context: RunContext, random: np.random.Generator) -> ShopFamily:
    """Draw what the shops of an owner have in common."""
    shape = context.world.honest.frailty_shape
    run = context.until - context.start
    times = [context.start + uniform(random, (0.1, 0.85)) * run for _ in range(int(random.integers(3, 6)))]
    episodes = [_draw_episode(at, random) for at in sorted(times)]
    return ShopFamily(
        group_id,
        members,
        random.gamma(shape, 1 / shape),
        tuple(episodes),
        uniform(random, (0.5, 0.9)),
        log_uniform(random, (2.0, 24.0)),
    )


def _draw_episode(at: float, random: np.random.Generator) -> Episode:
    """Draw an episode; its size is that of the confounders `release` and `fix`."""
    kind = choose(random, _EPISODES)
    factors, days = ((3.0, 10.0), (28.0, 56.0)) if kind == "release" else ((5.0, 20.0), (5.0, 15.0))
    return Episode(kind, at, uniform(random, (7.0, 21.0)), log_uniform(random, factors), uniform(random, days))


def draw_agency(group_id: str, members: frozenset[int], context: RunContext, random: np.random.Generator) -> Agency:
    """Draw how an agency works."""
    since = context.start + uniform(random, (0.0, 0.5)) * (context.until - context.start)
    sittings = draw_sittings(context.start, 7.0, random)
    return Agency(group_id, members, since, sittings, uniform(random, (0.5, 0.9)), context.world.honest.channels)


def draw_desk(
    group_id: str, members: frozenset[int], actor_id: str, context: RunContext, random: np.random.Generator
) -> Desk:
    """Draw how a member of support works."""
    return Desk(group_id, members, actor_id, draw_sittings(context.start, 7.0, random), uniform(random, (0.2, 0.6)))


def draw_busy_members(context: RunContext, insiders: list[str], random: np.random.Generator) -> list[BusyMember]:
    """Draw the ordinary work of insiders, and of as many others: at least four."""
    honest = context.roles.others[len(context.roles.others) // 2 :]
    others = [honest[int(place)] for place in random.permutation(len(honest))[: max(len(insiders), 4)]]
    return [BusyMember(actor_id, log_uniform(random, (0.001, 0.01))) for actor_id in (*insiders, *others)]


def hand_over(plan: SellerPlan, leaving: dict[str, tuple[float, str]]) -> None:
    """Give the work of members of staff who have left to their successors.

    Args:
        leaving: By member, when it leaves, and who succeeds it.
    """
    for review in plan.reviews:
        review.look_ups = [
            replace(each, actor_id=staff.in_office(each.actor_id, each.at, leaving)) for each in review.look_ups
        ]
        if review.removed_by:
            review.removed_by = staff.in_office(review.removed_by, review.removed_at, leaving)
