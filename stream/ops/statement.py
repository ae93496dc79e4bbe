"""The statement of reasons: what a platform hands to a seller that it restricts because of a confirmed case.

Invariant: pure. It states what was counted and what it was compared with. It names no reviewer, review, staff member or
analyst, repeats no note and no sentence of an alert, and says neither that a law was broken nor that somebody was paid.

It follows Art. 17 (3) of Regulation (EU) 2022/2065 and Art. 4 (5) of Regulation (EU) 2019/1150. Only the platform knows
the measure, its contract and its contact: these are left to be filled in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from stream.config import Settings
from stream.contract.alerts import EvidencePart, Kind, TurnedReview
from stream.contract.cases import Case, CaseVerdict
from stream.core.cases.alerts import in_force, pending_appeal
from stream.ops.statement_formats import Block, Bullets, Heading, Paragraph, TableBlock, to_html, to_markdown

#: How long after a contact or a look-up a review counts (`stream.core.model.strata.CONTACT_DAYS`).
WINDOW_DAYS: Final = 30
_TITLE: Final = "Statement of reasons"
_COUNTED: Final[dict[Kind, str]] = {
    "seller.flips": "were raised to 4 or 5 stars, or deleted, by their authors",
    "seller.contact_flips": (
        f"were raised to 4 or 5 stars, or deleted, by their authors within {WINDOW_DAYS} days of a contact by you"
    ),
    "seller.access_flips": (
        f"were raised to 4 or 5 stars, or deleted, by their authors within {WINDOW_DAYS} days of a look-up of the "
        "author's contact data within the platform"
    ),
}
Numbers = Mapping[str, float]
#: What was compared, by part of the evidence. The other parts concern the calculation alone.
_COMPARED: Final[dict[str, Callable[[Numbers], str]]] = {
    "own_level": lambda n: (
        f"Your own past: changes were {n['level_flips'] / n['level_expected']:.1f} times as frequent as among other "
        "sellers. The comparison takes this into account."
    ),
    "controls": lambda n: (
        f"Your other critical reviews in the same period: {n['control_flips']:.0f} changed, where "
        f"{n['control_expected']:.1f} were expected."
    ),
    "long_run": lambda n: (
        f"The usual pace of all sellers over a year: {n['expected']:.1f} changes would be expected by it. Of both "
        "comparisons, the one that is more favourable to you counts."
    ),
    "deletions": lambda n: (
        f"Deletions: {n['deleted']:.0f} of the {n['flips']:.0f} were deleted by their authors; among other sellers "
        f"{100 * n['peers_share']:.0f} % of changed reviews are deleted."
    ),
    "arrival_cluster": lambda n: (
        f"Without the reviews that were written within the same three days, {n['flips_left']:.0f} changes are left, "
        f"where {n['expected_left']:.1f} were expected. The result that is more favourable to you counts."
    ),
    "burst": lambda n: (
        f"Without the ten days with most changes, {n['flips_left']:.0f} are left, where {n['expected_left']:.1f} were "
        "expected. The result that is more favourable to you counts."
    ),
    "insider_client": lambda n: (
        f"Look-ups of these authors' contact data within the platform: because of them the odds count "
        f"{n['factor']:.0f} times."
    ),
    "five_stars": lambda n: _marked(n, "raised reviews now have five stars", "raised reviews"),
    "value_offered": lambda n: _marked(
        n, "whose authors you had contacted were changed after something of value was offered", "changed ones"
    ),
    "soon_after_contact": lambda n: _marked(
        n, "whose authors you had contacted were changed within three days", "changed ones"
    ),
}


class NoStatementError(Exception):
    """A case for which there can be no statement of reasons; the message says why."""


def markdown(case: Case, settings: Settings) -> str:
    """Return the statement in Markdown; raise NoStatementError if there can be none."""
    return to_markdown(_TITLE, _blocks(case, settings))


def html(case: Case, settings: Settings) -> str:
    """Return the statement in HTML; raise NoStatementError if there can be none."""
    return to_html(_TITLE, _blocks(case, settings))


def _blocks(case: Case, settings: Settings) -> list[Block]:
    verdict = _confirmed(case)
    return [
        Paragraph(f"Seller: {case.subject.id}"),
        Paragraph(f"Reference: case {case.case_id}"),
        Paragraph("[Fill in: name and address of the platform, date of this statement]"),
        Heading("The measure"),
        Paragraph(
            "[Fill in: the restriction, suspension or termination, what it applies to, where, from when, and for how "
            "long]"
        ),
        *_facts(case),
        *_automation(case, verdict, settings),
        Heading("Grounds"),
        Paragraph("[Fill in: the clause of the contract that the measure rests on, and why the facts fall under it]"),
        *_redress(),
    ]


def _confirmed(case: Case) -> CaseVerdict:
    verdict = in_force(case)
    if case.subject.type != "seller":
        raise NoStatementError(f"the case is about {case.subject.type}, and the statement is for a seller")
    if verdict is None or verdict.verdict != "confirmed":
        found = "no verdict is in force" if verdict is None else f"the verdict in force is {verdict.verdict}"
        raise NoStatementError(f"{found}, and only a confirmed case can be a reason")
    if any(alert.raised_at > verdict.recorded_at for alert in case.alerts):
        raise NoStatementError("an alert is newer than the verdict: first decide on its evidence, with a new verdict")
    if case.kind not in _COUNTED:
        raise NoStatementError(f"the latest alert of the case is {case.kind}, which is no reason against a seller")
    return verdict


def _facts(case: Case) -> Iterator[Block]:
    found = case.evidence
    times = "" if found.ratio is None else f", {found.ratio:.1f} times as many as expected"
    yield Heading("Facts and circumstances")
    yield Paragraph(f"Period: {_day(found.since)} to {_day(_end(case))} (UTC).")
    yield Paragraph(
        f"What was counted: {found.flips} critical reviews (1 to 3 stars) of your products {_COUNTED[case.kind]}. "
        f"{found.upgraded} were raised, and {found.retracted} were deleted. Together they add {found.stars_moved:.1f} "
        "stars to ratings."
    )
    yield Paragraph(
        "What it was compared with: comparable reviews of other sellers (as many stars, as old) in the same period. By "
        f"them {found.expected:.1f} such changes were expected{times}."
    )
    parts = [*found.parts, *(found.payment.parts if found.payment is not None else [])]
    compared = [text for part in parts if (text := _compared(part)) is not None]
    compared += _by_extortionists(case)
    if compared:
        yield Paragraph("What was also taken into account:")
        yield Bullets(compared)
    yield Paragraph(
        f"The odds of a real increase against chance are {odds(found.odds)} to 1; from {odds(found.threshold)} to 1 "
        "on, the comparison reports a seller. The comparison says that these changes were more frequent than expected. "
        "It does not say why."
    )
    if found.reviews:
        yield Paragraph(_listed(len(found.reviews), found.flips))
        yield TableBlock(("Product", "Changed", "Raised", "Deleted"), _by_product(found.reviews))


def _end(case: Case) -> dt.datetime:
    return case.alerts[-1].raised_at if case.alerts else case.updated_at


def _compared(part: EvidencePart) -> str | None:
    """Return what a part compares; None if it concerns the calculation alone, or lacks its numbers."""
    render = _COMPARED.get(part.name)
    try:
        return None if render is None else render(part.numbers)
    except (KeyError, ZeroDivisionError):
        return None


def _by_extortionists(case: Case) -> Iterator[str]:
    """Yield how many changes are by authors who are named for changing many critical reviews, if there are any."""
    listed, counted = set(case.evidence.review_ids), case.evidence.flips
    by_author = [found for one in case.extorted if (found := listed.intersection(one.review_ids))]
    if not by_author:
        return
    changed = len(set().union(*by_author))
    of = f"the {counted}" if len(listed) >= counted else f"the latest {len(listed)} of the {counted}"
    one, more = (
        "an author who changes a large part of its",
        f"{len(by_author)} authors who change a large part of their",
    )
    by = one if len(by_author) == 1 else more
    yield (
        f"{changed} of {of} counted reviews {'was' if changed == 1 else 'were'} changed by {by} "
        "critical reviews, at many sellers. This may speak for you: such changes may have reasons that do not lie with "
        "you. The comparison counts them like all others."
    )


def _marked(numbers: Numbers, what: str, among: str) -> str:
    """Return how many reviews bear a mark, and how many of others' do."""
    return (
        f"{numbers['marked']:.0f} of {numbers['flips']:.0f} {what}; of other sellers' {among} it is "
        f"{100 * numbers['peers_share']:.0f} %."
    )


def _listed(listed: int, flips: int) -> str:
    return "The changes by product:" if listed >= flips else f"The latest {listed} changes by product:"


def _by_product(reviews: list[TurnedReview]) -> list[tuple[str, str, str, str]]:
    """Return the changes of each product; single reviews would point to their authors."""
    counts: dict[str, list[int]] = {}
    for review in reviews:
        raised = review.stars_after is not None
        count = counts.setdefault(review.product_id, [0, 0])
        count[0 if raised else 1] += 1
    rows = sorted(counts.items(), key=lambda row: (-sum(row[1]), row[0]))
    return [(product, str(raised + deleted), str(raised), str(deleted)) for product, (raised, deleted) in rows]


def _automation(case: Case, verdict: CaseVerdict, settings: Settings) -> Iterator[Block]:
    yield Heading("Automated means, and who decided")
    found = "Automated means found the changes, by comparing the platform's own records. They use no notice by others."
    if settings.config_digest == case.config_digest:
        found += (
            f" They are set so that chance alone reports at most {settings.alert_budget:g} of 1,000 sellers a year."
        )
    yield Paragraph(found)
    second = "" if verdict.second_analyst_id is None else " A second person agreed."
    yield Paragraph(f"A person took the decision: the case was confirmed on {_day(verdict.recorded_at)}.{second}")
    appeal = pending_appeal(case)
    if appeal is not None:
        yield Paragraph(f"This decision was contested on {_day(appeal.appealed_at)}; there is no answer yet.")


def _redress() -> Iterator[Block]:
    yield Heading("How to complain")
    yield Bullets(
        [
            "Internal complaint, free of charge, within six months of receiving this statement, to [fill in: contact]. "
            "You can clarify the facts there. It is not decided by automated means alone.",
            "Mediation, or a certified out-of-court dispute settlement body: [fill in: the mediators that the contract "
            "names, and the bodies].",
            "Court: you can go to court at any time, whether or not you complain.",
        ]
    )


def odds(value: float) -> str:
    """Return odds as a person reads them."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}" if value < 1e6 else "over a million"


def _day(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%d %B %Y}"
