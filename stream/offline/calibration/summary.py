"""A calibration in sentences for a person."""

from __future__ import annotations

from stream.offline.calibration.as_it_was import HistoryOutcome, Size
from stream.offline.calibration.calibrate import Calibration
from stream.offline.calibration.family import FamilyResult
from stream.offline.calibration.limits import upper_limit


def summary(result: Calibration) -> list[str]:
    """Return the result as sentences for a person."""
    lines = [f"{result.reviews:,} critical reviews, {result.comparable:.0%} of them comparable with another seller's."]
    if result.confirmed_sellers or result.confirmed_staff:
        lines.append(
            f"Left out: {result.confirmed_sellers:,} sellers and {result.confirmed_staff:,} staff members, whom "
            "verdicts confirmed."
        )
    for name, one in (("Sellers", result.sellers), ("Staff", result.staff)):
        lines.append(f"{name}: {_describe(one) if one else 'none in this history.'}")
    if result.alert_budget is not None:
        lines.append(f"The budget is kept with VOLTEFACE_ALERT_BUDGET={result.alert_budget:g}")
    for name, outcome in (("sellers", result.as_it_was.sellers), ("staff", result.as_it_was.staff)):
        if outcome is not None:
            lines += _as_it_was(name, outcome)
    if result.tasks:
        used = [task for task in result.tasks.values() if task.sellers] or list(result.tasks.values())
        sellers, flips = ([getattr(task, name) for task in used] for name in ("sellers", "flips"))
        lines.append(
            f"{len(result.tasks)} tasks, with {min(sellers):,} to {max(sellers):,} sellers and {min(flips):,} to "
            f"{max(flips):,} flips each."
        )
    return lines + result.reasons


def _as_it_was(name: str, one: HistoryOutcome) -> list[str]:
    flips = "" if one.flips is None else f" with {one.flips:,} flip{'' if one.flips == 1 else 's'}"
    lines = [
        f"As it was: {_alarms(one.alarms)} on {name}, where the budget allows {one.allowed:.2f}, in "
        f"{one.subject_years:,.0f} subject-years{flips}. So many come at a true rate of {one.alarms_at_least:.1f} to "
        f"{one.alarms_at_most:.1f} (90 % interval)."
    ]
    sizes = [size for size in one.by_size if size.alarms]
    if sizes:
        by_size = "; ".join(
            f"{_flips(size)} flips: {size.alarms} on {size.subjects:,} {name}, {size.allowed:.2f} allowed"
            for size in sizes
        )
        lines.append(f"By size: {by_size}.")
    if one.accused:
        lines.append(f"Look at these first: {', '.join(accused.id for accused in one.accused)}.")
    if one.alert_budget is None:
        lines.append(
            f"As it was, the history is too short to advise a setting from it: {one.subject_years_needed:,.0f} "
            "subject-years are needed. Permuted labels pass through it many times, so they can advise one."
        )
    else:
        low = "0" if one.alert_budget_at_least is None else f"{one.alert_budget_at_least:g}"
        lines.append(
            f"If all of them are honest, VOLTEFACE_ALERT_BUDGET={one.alert_budget:g} would have kept the budget here "
            f"(90 %: {low} to {one.alert_budget_at_most:g})."
        )
    return lines


def _alarms(count: int) -> str:
    return f"{count:,} alarm{'' if count == 1 else 's'}"


def _flips(size: Size) -> str:
    return f"{size.flips_from} and more" if size.flips_to is None else f"{size.flips_from} to {size.flips_to - 1}"


def _describe(one: FamilyResult) -> str:
    text = (
        f"{_alarms(one.alarms)} in {one.subject_years:,.0f} subject-years, that is {one.rate:.2f} per 1,000, at most "
        f"{one.rate_at_most:.2f}; {one.allowed:g} allowed. Slack at least {one.slack_at_least:.3g}, the core takes "
        f"{one.slack_assumed:g}."
    )
    if one.alert_budget is None:
        needed = 1000 * upper_limit(0) / one.allowed
        return f"{text} Too little history to advise a setting: {needed:,.0f} subject-years are needed."
    if one.allowed_once < 1:
        allowed = f"one pass through the history allows {one.allowed_once:.2f} alarms"
        return f"{text} This is less certain than it looks: {allowed}."
    return text
