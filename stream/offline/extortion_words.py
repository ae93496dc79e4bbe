"""What a case says of reviewers who turn a large part of their critical reviews, for the console and the command line.

Invariant: pure. It speaks for the seller: nothing is taken off the odds, because a reviewer may also have been paid.
"""

from __future__ import annotations

from stream.contract.cases import Case, ExtortedReviews


def extorted_sentence(one: ExtortedReviews, case: Case) -> str:
    """Return what one such reviewer has turned."""
    of = len(case.evidence.reviews)
    return (
        f"A point for the seller: reviewer {one.reviewer_id} turned {len(one.review_ids)} of the {of} reviews, and "
        "turns a large part of its critical reviews at many sellers. It may have asked for money."
    )
