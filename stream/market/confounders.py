"""Confounders: what befalls honest sellers and looks like cheating, each a switch of the scenario.

Rule of this room: each has a generator of its own, so that one more or less changes nothing else. They add to the plans
of a life, take reviews away or bring some; what stays is as it was drawn. All of it is honest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from stream.market import honest, staff
from stream.market.chance import between, lognormal, one_of, times_between
from stream.market.hazards import DAY, HOUR, Boost, fading
from stream.market.life import Life, LookUp, Review, Turn, id_of
from stream.market.scenarios import Confounders
from stream.market.setting import Setting

#: The middle of a life: what comes later is not seen to its end, what comes earlier has no before.
_MIDDLE: Final = (0.15, 0.8)


def apply(ways: Confounders, life: Life, here: Setting, seeds: np.random.SeedSequence) -> list[str]:
    """Let a life have what the scenario gives it; the names of what befell it."""
    befallen: list[str] = []
    for (name, befall), seed in zip(_ALL.items(), seeds.spawn(len(_ALL)), strict=True):
        share: float = getattr(ways, name)
        if share:
            random = np.random.default_rng(seed)
            if random.random() < share:
                befall(life, here, random)
                befallen.append(name)
    return befallen


def tiny(life: Life, here: Setting, random: np.random.Generator) -> None:
    """A review a week."""
    kept = 1 / 7 / life.seller.volume_per_day
    life.reviews = [review for review in life.reviews if random.random() < kept]


def giant(life: Life, here: Setting, random: np.random.Generator) -> None:
    """Twenty times the reviews of the median seller, whatever it would have had."""
    more = max(20 * here.world.honest.volume_median - life.seller.volume_per_day, 0.0)
    span = (here.start, here.until)
    added = honest.reviews(here.world.honest, here.world.rhythm, life.seller, more, span, life.numbers, random)
    for review in added:
        review.previous_known = random.random() < here.world.honest.previous_known
    life.numbers += len(added)
    life.reviews += added


def new(life: Life, here: Setting, random: np.random.Generator) -> None:
    """It opens in the midst of the run."""
    _stays(life, life.at(between(random, _MIDDLE)), life.end)


def passing(life: Life, here: Setting, random: np.random.Generator) -> None:
    """A giant who wins back a third or three times of what others do, comes late and leaves early: norms move."""
    giant(life, here, random)
    life.seller = replace(life.seller, frailty=one_of(random, (1 / 3, 3.0)))
    _stays(life, life.at(between(random, (0.1, 0.4))), life.at(between(random, (0.6, 0.9))))
    for review in life.reviews:
        review.remove(life.end, None)  # an account that is closed takes its reviews along


def bomb(life: Life, here: Setting, random: np.random.Generator) -> None:
    """A review bomb, most of it withdrawn."""
    bomb_at(life, here, life.at(between(random, _MIDDLE)), random)


def bomb_at(life: Life, here: Setting, since: float, random: np.random.Generator) -> None:
    """Within one or two days 30-150 reviews with one star, and within two weeks most authors think better of it."""
    days, withdrawn = between(random, (1.0, 2.0)), between(random, (0.6, 0.9))
    product = int(random.integers(life.seller.products))
    for _ in range(int(random.integers(30, 151))):
        number = life.number()
        review = Review(
            number=number,
            born=since + random.uniform(0, days) * DAY,
            rating=1,
            product=product,
            reviewer_id=f"u{life.seller.number:04d}x{number}",
            verified=random.random() < 0.3,  # few of a crowd have bought
            previous_known=random.random() < here.world.honest.previous_known,
        )
        review.critical_from = review.born
        if random.random() < withdrawn:
            # A crowd that is told to stop deletes rather than praises.
            better = None if random.random() < 0.7 else int(random.integers(4, 6))
            review.turns.append(Turn(review.born + between(random, (1.0, 14.0)) * DAY, better))
        if review.born < life.end:
            life.reviews.append(review)


def superb(life: Life, here: Setting, random: np.random.Generator) -> None:
    """Superb support: nearly everybody gets an answer within hours, and two or three times as many are won back."""
    life.seller = replace(life.seller, frailty=between(random, (2.0, 3.0)))
    for review in life.reviews:
        if review.critical and random.random() < 0.9:
            at = review.critical_from + lognormal(random, 2.0, 0.7) * HOUR
            review.contacts.append(honest.contact(life.seller, at, "message", 0.0, random))


def mass_reply(life: Life, here: Setting, random: np.random.Generator) -> None:
    """From some day it replies to all critical reviews in public, and clears its backlog within days."""
    since = life.at(between(random, _MIDDLE))
    for review in life.reviews:
        if review.critical:
            at = max(since, review.critical_from) + lognormal(random, 1.5, 0.8) * DAY
            review.contacts.append(honest.contact(life.seller, at, "public_reply", 0.0, random))


def fix(life: Life, here: Setting, random: np.random.Generator) -> None:
    """A product fix."""
    fix_at(life, here, life.at(between(random, _MIDDLE)), random)


def fix_at(life: Life, here: Setting, since: float, random: np.random.Generator) -> None:
    """The product is mended: for 5-15 days authors of reviews of all ages come back 5-20 times as often, fading."""
    life.boosts += fading(since, between(random, (5.0, 15.0)), times_between(random, (5.0, 20.0)))


def season(life: Life, here: Setting, random: np.random.Generator) -> None:
    """It takes part in the platform's campaign."""
    life.boosts.append(here.season)


def desk(life: Life, here: Setting, random: np.random.Generator) -> None:
    """The support desk looks up a good part of its critical reviewers and solves their tickets."""
    share = between(random, (0.05, 0.25))
    for review in life.reviews:
        if review.critical and random.random() < share:
            at = review.critical_from + lognormal(random, 1.0, 1.0) * DAY
            review.look_ups.append(LookUp(at, one_of(random, here.roles.desk)))
            review.boosts.append(Boost(at, at + 14 * DAY, between(random, (2.0, 4.0))))


def sweep(life: Life, here: Setting, random: np.random.Generator) -> None:
    """The platform removes many of its reviews within two days, by a member of staff or by machine."""
    since, share = life.at(between(random, _MIDDLE)), between(random, (0.2, 0.6))
    actor_id = staff.anyone(random) if random.random() < 0.5 else None
    for review in life.reviews:
        if review.born < since and random.random() < share:
            review.remove(since + between(random, (0.0, 2.0)) * DAY, actor_id)


def reimport(life: Life, here: Setting, random: np.random.Generator) -> None:
    """All its reviews are deleted by the platform and created again under new ids, at one moment."""
    at = life.at(between(random, _MIDDLE))
    for review in life.reviews:
        if review.born < at:
            review.imported_at = at


def merge(life: Life, here: Setting, random: np.random.Generator) -> None:
    """Its catalogue goes to the seller before it: from some day on new reviews are that seller's."""
    since = life.at(between(random, _MIDDLE))
    for review in life.reviews:
        if life.seller.number and review.born >= since:
            review.seller_id = id_of(life.seller.number - 1)


def _stays(life: Life, begin: float, end: float) -> None:
    life.begin, life.end = begin, end
    life.reviews = [review for review in life.reviews if begin <= review.born < end]


#: By name, in the order in which they act: first who is there, then what happens to it. The place in this table is also
#: the seed's: append only.
_ALL: Final[dict[str, Callable[[Life, Setting, np.random.Generator], None]]] = {
    each.__name__: each
    for each in (tiny, giant, new, passing, bomb, superb, mass_reply, fix, season, desk, sweep, reimport, merge)
}
