"""An alert in words: the sentence a person reads, how grave it is, what one might do."""

from __future__ import annotations

from typing import Final

import msgspec

from stream.alerts import Action, Alert, Evidence, Kind, Severity, SubjectType

_HOW: Final[dict[Kind, str]] = {
    "staff.access_flips": "{noun} turned within 30 days of a look-up by this member of staff since {since:%d %b %Y}",
    "seller.flips": "{noun} turned since {since:%d %b %Y}",
    "seller.access_flips": "{noun} turned within 30 days of a look-up by staff since {since:%d %b %Y}",
    "seller.contact_flips": "{noun} turned within 30 days of a contact since {since:%d %b %Y}",
}


def severity(log_excess: float) -> Severity:
    """By how far the evidence passes its threshold (natural log): a factor of 10, 100, 10,000."""
    if log_excess < 2.3:
        return "low"
    if log_excess < 4.6:
        return "medium"
    return "high" if log_excess < 9.2 else "critical"


def action(about: SubjectType, grave: Severity, incentives: int, flips: int) -> Action:
    """Advice for an analyst; nothing is ever done by itself."""
    if grave == "low":
        return "watch"
    if grave == "medium":
        return "investigate"
    if about == "staff":
        return "refer_to_legal" if grave == "critical" else "revoke_access"
    if grave == "critical":
        return "withhold_funds" if 2 * incentives >= flips else "suspend_seller"
    return "restore_ratings"


def sentence(kind: Kind, subject_id: str, evidence: Evidence) -> str:
    """One sentence on a seller's flips, or on those a member of staff answers for."""
    flips, expected = evidence.flips, evidence.expected
    if kind == "staff.removals":
        return (
            f"Staff {subject_id}: {flips} critical reviews removed since {evidence.since:%d %b %Y}; {expected:.1f} "
            f"expected, if as much of it were critical as of what others remove ({flips / expected:.1f} times as "
            f"many). Odds that this began by other means than chance: {_odds(evidence.odds)} to 1."
        )
    how = _HOW[kind].format(since=evidence.since, noun="critical review" if flips == 1 else "critical reviews")
    who, peers = (
        ("Staff", "all that is looked up") if kind == "staff.access_flips" else ("Seller", "peers and its own past")
    )
    gifts = f", {evidence.incentives} after something of value was offered" if evidence.incentives else ""
    return (
        f"{who} {subject_id}: {flips} {how}; {expected:.1f} expected from {peers} "
        f"({flips / expected:.1f} times as many). {evidence.upgraded} upgraded, {evidence.retracted} deleted by their "
        f"authors{gifts}. Odds that this began by other means than chance: {_odds(evidence.odds)} to 1."
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


def with_accused_staff(alert: Alert, flips: int) -> Alert:
    """The alert about a client of accused staff, who answer for so many of its flips."""
    if not flips:
        return alert
    more = f" Of these reviews {flips} were looked up by staff who stand accused over other sellers."
    return msgspec.structs.replace(alert, explanation=alert.explanation + more)


def product_sentence(product_id: str, seller_id: str, turned: int, events: int, lift: float) -> str:
    """One sentence on a product's shift."""
    return (
        f"Product {product_id} of seller {seller_id}: turned reviews lift its displayed rating more than before; "
        f"{turned} of its last {events} rating events are turns, worth {lift:.2f} stars each on average."
    )


def _odds(odds: float) -> str:
    return f"{odds:,.1f}" if odds < 100 else f"{odds:,.0f}" if odds < 1e6 else "over a million"
