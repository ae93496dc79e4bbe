"""The parts of a watch's evidence: what each step of its calculation adds to the log odds.

Invariant: the log odds of the parts add up to ln R, and each follows from the numbers of the parts up to it
(docs/evidence.md has the rules, and an alert that is checked by hand).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from stream.core.model.marks import MarkName

PartName = Literal[
    "start",
    "count",
    "baseline_uncertainty",
    "own_level",
    "controls",
    "long_run",
    "deletions",
    "variants",
    "arrival_cluster",
    "burst",
    "other_starts",
    "insider_client",
    "ring",
    "ring_member",
    "ring_others",
    "ring_level",
    "flip_share",
    "seller",
    "cut_off",
]


class Part(NamedTuple):
    """One step, or one mark of payment.

    Attributes:
        name: Of the step or the mark; "spread" is about the products of the flips.
        log_odds: What it adds.
        numbers: What it follows from.
    """

    name: PartName | MarkName | Literal["spread"]
    log_odds: float
    numbers: dict[str, float]
