"""An alert in words: the sentence a person reads, how grave it is, what one might do."""

from __future__ import annotations

from typing import Final

from stream.contract.alerts import Action, Evidence, Kind, Severity, SubjectType
from stream.core.model.strata import CONTACT_DAYS

_HOW: Final[dict[Kind, str]] = {
    "staff.access_flips": (
        "{noun} turned within {days} days of a look-up by this member of staff since {since:%d %b %Y}"
    ),
    "seller.flips": "{noun} turned since {since:%d %b %Y}",
    "seller.access_flips": "{noun} turned within {days} days of a look-up by staff since {since:%d %b %Y}",
    "seller.contact_flips": "{noun} turned within {days} days of a contact since {since:%d %b %Y}",
}


def severity(log_excess: float) -> Severity:
    """By how far the evidence passes its threshold (natural log): a factor of 10, 100, 10,000."""
    if log_excess < 2.3:
        return "low"
    if log_excess < 4.6:
        return "medium"
    return "high" if log_excess < 9.2 else "critical"


def recommended_action(about: SubjectType, severity: Severity, incentives: int, flips: int) -> Action:
    """Advice for an analyst; nothing is ever done by itself."""
    if severity == "low":
        return "watch"
    if severity == "medium":
        return "investigate"
    if about == "staff":
        return "refer_to_legal" if severity == "critical" else "revoke_access"
    if severity == "critical":
        return "withhold_funds" if 2 * incentives >= flips else "suspend_seller"
    return "restore_ratings"


def render(kind: Kind, subject_id: str, evidence: Evidence, n_sold: int = 0) -> str:
    """One sentence on a seller's flips, or on those a member of staff answers for.

    n_sold: flips whose reviews were looked up by staff accused over other sellers.
    """
    flips, expected = evidence.flips, evidence.expected
    if kind == "staff.removals":
        return (
            f"Staff {subject_id}: {flips} critical reviews removed since {evidence.since:%d %b %Y}; {expected:.1f} "
            f"expected, if as much of it were critical as of what others remove ({flips / expected:.1f} times as "
            f"many). Odds that this began by other means than chance: {_odds(evidence.odds)} to 1."
        )
    noun = "critical review" if flips == 1 else "critical reviews"
    how = _HOW[kind].format(since=evidence.since, days=CONTACT_DAYS, noun=noun)
    who, peers = (
        ("Staff", "all that is looked up") if kind == "staff.access_flips" else ("Seller", "peers and its own past")
    )
    gifts = f", {evidence.incentives} after something of value was offered" if evidence.incentives else ""
    sold = f" Of these reviews {n_sold} were looked up by staff who stand accused over other sellers." if n_sold else ""
    return (
        f"{who} {subject_id}: {flips} {how}; {expected:.1f} expected from {peers} "
        f"({flips / expected:.1f} times as many). {evidence.upgraded} upgraded, {evidence.retracted} deleted by their "
        f"authors{gifts}. Odds that this began by other means than chance: {_odds(evidence.odds)} to 1.{sold}"
    )


_CHECKS: Final[dict[Kind, list[str]]] = {
    "seller.flips": [
        "Was one of its products mended, recalled or confused with another when these reviews turned?",
        "Did a crowd write these reviews together, and think better of it?",
    ],
    "seller.contact_flips": [
        "Did the seller begin to answer its critics in another way, or with better support?",
        "What was said in these contacts, and was anything offered?",
    ],
    "seller.access_flips": [
        "Did support solve these reviewers' troubles? Then there are tickets.",
        "Who looked these reviews up, and why?",
    ],
    "staff.access_flips": [
        "Are these look-ups part of tickets that were solved, of a kind that others are not given?",
    ],
    "staff.removals": [
        "Was this member of staff only asked about bad reviews, where others were not?",
        "Which rule did the removed reviews break?",
    ],
    "product.rating_shift": ["Was the product changed, or its listing taken over from another?"],
}


def checks(kind: Kind) -> list[str]:
    """What might make an alert of this kind wrong, for a person to look into."""
    return _CHECKS[kind]


def render_rating_shift(product_id: str, seller_id: str, evidence: Evidence, n_events: int) -> str:
    """One sentence on a product's shift, found in its last `n_events` rating events."""
    changed = evidence.flips
    return (
        f"Product {product_id} of seller {seller_id}: turned reviews lift its displayed rating more than before; "
        f"{changed} of its last {n_events} rating events are turns, worth {evidence.stars_moved / max(changed, 1):.2f} "
        "stars each on average."
    )


def _odds(odds: float) -> str:
    return f"{odds:,.1f}" if odds < 100 else f"{odds:,.0f}" if odds < 1e6 else "over a million"
