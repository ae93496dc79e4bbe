"""Calibration: how often a platform's own history would alarm, and which setting keeps the budget.

Invariant: labels are permuted among comparable reviews (`history`), so all evidence of a subject is noise of the
baseline and of chance; and the history is measured as it was (`as_it_was`), where honest subjects differ and move.
docs/calibration.md has the limits of both.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from stream.config import Settings
from stream.core.evidence.watches import SELLER_SLACK, STAFF_SLACK
from stream.offline.calibration.as_it_was import AsItWas, as_it_was
from stream.offline.calibration.confirmed import without_confirmed
from stream.offline.calibration.family import Family, FamilyResult
from stream.offline.calibration.history import History, read
from stream.offline.calibration.trial import Trial
from stream.ops.trust import TaskSize, of_tasks


class Calibration(msgspec.Struct, kw_only=True):
    """The result that `volteface calibrate` prints."""

    permutations: int
    partitions: int
    refused: int
    #: Confirmed cheats, whose events are left out.
    confirmed_sellers: int
    confirmed_staff: int
    reviews: int
    #: What each task has to compare, by partition number, and why that is too little.
    tasks: dict[str, TaskSize]
    reasons: list[str]
    #: The share of critical reviews that can change places with a review of another seller.
    comparable: float
    #: None if the history has no such subjects.
    sellers: FamilyResult | None
    staff: FamilyResult | None
    alert_budget: float | None
    as_it_was: AsItWas


def calibrate(
    settings: Settings, source: str, partitions: int, permutations: int, seed: int, progress: Callable[[int], None]
) -> Calibration:
    """Measure a file's history; the same arguments give the same result.

    Args:
        settings: All settings; the alert budget sets the threshold.
        source: A `.jsonl` or `.jsonl.gz` file, or `-`.
        partitions: The number of tasks.
        permutations: How often the labels are permuted.
        seed: Of the permutations.
        progress: Called with the number of permutations done.
    """
    read_events, refused = read(settings, source)
    honest = without_confirmed(read_events, settings.four_eyes)
    events = honest.events
    history = History(events)
    sellers, staff = Family(SELLER_SLACK), Family(STAFF_SLACK)
    sizes: dict[int, TaskSize] = {}
    for number in range(permutations):
        random = np.random.default_rng([seed, number])
        trial = Trial(settings, partitions, sellers, staff)
        trial.run(history.permuted(random))
        sizes = sizes or trial.sizes()
        progress(number + 1)
    found = [family.result(settings.alert_budget, permutations) for family in (sellers, staff)]
    return Calibration(
        permutations=permutations,
        partitions=partitions,
        refused=refused,
        confirmed_sellers=len(honest.sellers),
        confirmed_staff=len(honest.staff),
        reviews=len(history.sellers),
        tasks={str(partition): size for partition, size in sizes.items()},
        reasons=[doubt.text for doubt in of_tasks(sizes, partitions)],
        comparable=history.comparable(),
        sellers=found[0],
        staff=found[1],
        alert_budget=_advised_budget(found),
        as_it_was=as_it_was(settings, events, partitions),
    )


def _advised_budget(families: list[FamilyResult | None]) -> float | None:
    """Return one budget for both families; a family with too little history contributes the wanted budget."""
    measured = [one for one in families if one]
    advised = [one.alert_budget for one in measured if one.alert_budget is not None]
    unsure = [one.allowed for one in measured if one.alert_budget is None]
    return min(advised + unsure) if advised else None
