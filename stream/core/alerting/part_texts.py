"""The parts of an alert's evidence in words.

Invariant: a text holds no number that is not in the part's numbers. It says what was compared, not what it proves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, get_args

from stream.contract.alerts import Kind
from stream.core.evidence.parts import Part, PartName
from stream.core.model.marks import MarkName

Numbers = Mapping[str, float]


def render(part: Part, by_authors: bool) -> str:
    """Return one sentence about a part.

    Args:
        part: The part.
        by_authors: True if the flips are changes by authors, False if they are removals by the subject.
    """
    return _TEXTS[part.name](part.numbers, "turned" if by_authors else "were removed")


def _times(numbers: Numbers) -> str:
    """Return a level as a multiple of what peers do, with the number of flips that it is known as well as from."""
    level = numbers["level_flips"] / numbers["level_expected"]
    return f"{level:.1f} times as many as peers, known as well as from {numbers['level_flips']:.1f} flips"


def _reviews(numbers: Numbers, turned: str) -> str:
    """Return how many reviews turned or were removed; the number may be rounded."""
    count = f"{numbers['flips']:.0f}"
    return f"1 review {turned.replace('were', 'was')}" if count == "1" else f"{count} reviews {turned}"


def _marked(numbers: Numbers, what: str, peers: str, verb: str = "were") -> str:
    share = 100 * numbers["peers_share"]
    return f"{numbers['marked']:.0f} of {numbers['flips']:.0f} {what}; of peers' {peers}, {share:.0f} % {verb}."


def _seller(numbers: Numbers) -> str:
    """Return which watch on the product's seller is the strongest, and what shifted; the shift itself adds nothing."""
    kind = max((kind for kind in get_args(Kind) if kind in numbers), key=lambda kind: numbers[kind])
    return (
        f"The odds of the strongest watch on the product's seller ({kind}). The shift adds nothing to them: "
        f"{numbers['raises']:.0f} of the product's latest {numbers['events']:.0f} rating events are changes that raise "
        f"stars, {numbers['earlier_raises']:.0f} of the {numbers['earlier_events']:.0f} before. In the time of the "
        f"latest, {numbers['seller_flips']:.0f} reviews of the seller turned."
    )


_TEXTS: Final[dict[PartName | MarkName | Literal["spread"], Callable[[Numbers, str], str]]] = {
    "start": lambda n, turned: (
        f"One start a year is usual; this one lies within {n['gap_days']:.1f} days, between two changes of reviews."
    ),
    "count": lambda n, turned: f"{_reviews(n, turned)} where peers have {n['expected']:.1f}.",
    "baseline_uncertainty": lambda n, turned: (
        f"The expectation is itself a count of few flips: it is raised to {n['expected']:.1f}."
    ),
    "own_level": lambda n, turned: f"Its own past: {_times(n)}.",
    "controls": lambda n, turned: (
        f"Its other reviews in the same time: {n['control_flips']:.0f} {turned}, {n['control_expected']:.1f} expected. "
        f"With its past: {_times(n)}."
    ),
    "long_run": lambda n, turned: (
        f"Compared with the market's usual rates instead of its present ones ({n['expected']:.1f} expected): the "
        "smaller evidence counts."
    ),
    "deletions": lambda n, turned: (
        "Removals are no deletions by authors, so these say nothing."
        if n["peers_share"] == 0
        else f"{n['deleted']:.0f} of the {n['flips']:.0f} were deleted by their authors; of peers' reviews that "
        f"turned, {100 * n['peers_share']:.0f} % were."
    ),
    "variants": lambda n, turned: (
        f"Which reviews a payer leaves alone is not known: the mean of {len(n)} comparisons counts."
    ),
    "arrival_cluster": lambda n, turned: (
        f"Without the reviews that were written within the same three days ({n['flips_left']:.0f} {turned}, "
        f"{n['expected_left']:.1f} expected are left), at the price of a coincidence: the smaller evidence counts."
    ),
    "burst": lambda n, turned: (
        f"Without its busiest ten days ({n['flips_left']:.0f} {turned}, {n['expected_left']:.1f} expected are left), "
        "at the price of one innocent burst a year: the smaller evidence counts."
    ),
    "other_starts": lambda n, turned: (
        f"It may also have begun at another of {n['starts']:.0f} times: the odds of all of them are added."
    ),
    "insider_client": lambda n, turned: (
        f"Staff accused over other sellers looked these reviews up: the odds count {n['factor']:.0f} times."
    ),
    "ring": lambda n, turned: (
        f"The seller belongs to a ring that would be one without it: the odds count {n['factor']:.0f} times."
    ),
    "ring_member": lambda n, turned: (
        f"Member {n['place']:.0f}: {_reviews(n, turned)} where {n['expected']:.1f} were expected."
    ),
    "ring_others": lambda n, turned: f"The other {n['sellers']:.0f} sellers that the same thing ties.",
    "ring_level": lambda n, turned: (
        "How often reviews turn anyway after this staff member's look-ups is not known, but it is the same for all "
        "sellers: what would explain the flips of one must not be too much for another."
    ),
    "flip_share": lambda n, turned: (
        f"Critical reviews turned on {n['days']:.0f} days, of {n['reviews']:.0f} critical reviews that count; of all "
        f"authors' critical reviews {100 * n['peers_share']:.0f} % turn."
    ),
    "seller": lambda n, turned: _seller(n),
    "cut_off": lambda n, turned: "The odds are cut off here.",
    "deleted": lambda n, turned: _marked(n, "were deleted by their authors", "reviews that turned"),
    "five_stars": lambda n, turned: _marked(n, "upgrades go to five stars", "upgrades", "do"),
    "value_offered": lambda n, turned: _marked(
        n, "that the seller had contacted were offered something of value", "contacted reviews that turned"
    ),
    "soon_after_contact": lambda n, turned: _marked(
        n, "that the seller had contacted turned within three days", "contacted reviews that turned", "did"
    ),
    "no_purpose": lambda n, turned: _marked(
        n, "that staff looked up were looked up without a purpose", "looked-up reviews that turned"
    ),
    "spread": lambda n, turned: (
        f"{n['same_product']:.0f} of {n['pairs']:.0f} are of the same product as the one before; by the seller's open "
        f"reviews {100 * n['expected_share']:.0f} % would be by chance. One repaired product would make it more."
    ),
}
