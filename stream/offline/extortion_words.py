"""What a case says of reviewers who turn a large part of their critical reviews, for the console and the command line.

Invariant: pure. It speaks for the seller: nothing is taken off the odds, because a reviewer may also have been paid.
"""

from __future__ import annotations

from stream.contract.cases import Case, ExtortedReviews


def named_no_more(case: Case) -> str | None:
    """Return what an analyst must know if the claim counts reviewers who are named no longer; None if it does not."""
    named = {one.reviewer_id for one in case.extorted}
    claimed = {link.id for link in case.evidence.linked if link.type == "reviewer"}
    if claimed <= named:
        return None
    return (
        f"The claim is that of {case.alerts[-1].raised_at:%d %b %Y}. Since then "
        f"{_reviewers(len(claimed - named))} that it counts as a point for the seller "
        f"{'is' if len(claimed - named) == 1 else 'are'} named no longer."
    )


def _reviewers(count: int) -> str:
    return "a reviewer" if count == 1 else f"{count} reviewers"


def extorted_sentence(one: ExtortedReviews, case: Case) -> str:
    """Return what one such reviewer has turned."""
    of = len(case.evidence.reviews)
    return (
        f"A point for the seller: reviewer {one.reviewer_id} turned {len(one.review_ids)} of the {of} reviews, and "
        "turns a large part of its critical reviews at many sellers. It may have asked for money."
    )
