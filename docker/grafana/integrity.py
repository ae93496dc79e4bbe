"""The dashboard *Integrity*: flips, evidence and alerts of the market, and the quality of the input.

Invariant: a panel of flips or of alerts also shows the expected number or the allowed number.
"""

from __future__ import annotations

from typing import Final

from panels import Row, app, graph, number, or_zero, rate, task, worker

from stream.config import Settings
from stream.core.evidence.watches import SELLER_SLACK, STAFF_SLACK, log_threshold

#: The thresholds of ln R at the default budget.
_BUDGET: Final[float] = Settings.model_fields["alert_budget"].default
_THRESHOLD: Final = round(log_threshold(_BUDGET, SELLER_SLACK), 3)
_STAFF_THRESHOLD: Final = round(log_threshold(_BUDGET, STAFF_SLACK), 3)

_FLIPS = "volteface_flips_total"
_AT_RISK = f"sum({task('volteface_at_risk_reviews')})"
_FAMILIES = ("sellers", "staff")
_PAST_YEAR = f"sum({task('volteface_alerts_past_year')})"
_ALLOWED = f"sum({task('volteface_alerts_allowed_per_year')})"
_EXCEPTIONAL = task("volteface_events_total", 'outcome!~"applied|duplicate|late"')

# The metric counts expected flips for each second of event time. During a backlog many seconds of event time pass in
# one second, and the slope of the watermark is their number. The watermark of a new task is 0 at first.
_EVENT_TIME_PACE = f"clamp_min(deriv(({task('volteface_watermark_timestamp_seconds')} > 0)[$__rate_interval:15s]), 0)"
_EXPECTED = f"sum({task('volteface_expected_flips_per_second')} * {_EVENT_TIME_PACE})"

_RETRACTED = task(_FLIPS, 'kind="retracted"')
_RETRACTED_SHARE = or_zero(f"sum(rate({_RETRACTED}[6h])) / sum(rate({task(_FLIPS)}[6h]))", _AT_RISK)


def _of_tasks(metric: str, *matchers: str) -> dict[str, str]:
    """Return quantiles over all tasks: tasks expose their own quantiles, and the panel shows the highest of them."""
    return {"quantile {{quantile}}": f"max by (quantile) ({task(metric, *matchers)})"}


def _of_family(metric: str, family: str) -> str:
    return f"sum({task(metric, _family(family))})"


def _family(name: str) -> str:
    return f'family="{name}"'


def _alerts_by(label: str) -> dict[str, str]:
    return {f"{{{{{label}}}}}": f"sum by ({label}) (increase({worker('volteface_alerts_total')}[1h]))"}


_AT_A_GLANCE: Final[Row] = (
    "At a glance",
    [
        number(
            "Alerts, past year",
            "Alerts about sellers and staff in the last 365 days of event time. Chosen tasks only.",
            "short",
            _PAST_YEAR,
        ),
        number(
            "Share of the budget",
            "Alerts of the past year, divided by the false alarms that the budget allows in a year. More than 100 % is"
            " correct if that many sellers cheat. Otherwise the baseline cannot explain what the market does.",
            "percentunit",
            or_zero(f"{_PAST_YEAR} / {_ALLOWED}", _PAST_YEAR),
            limits={1: "orange"},
            runbooks=["VoltefaceAlertFlood"],
        ),
        number(
            "Flips, 6 h",
            "Critical reviews that their authors upgraded or deleted in the last six hours. All tasks.",
            "short",
            f"round({app('app_id:volteface_flips:increase6h')})",
            limits={None: "orange", 1: "green"},
            runbooks=["VoltefaceSilence"],
        ),
        number(
            "Share of deletions",
            "Deletions by authors, divided by all flips, over six hours. 0 without flips.",
            "percentunit",
            _RETRACTED_SHARE,
        ),
        number(
            "Strongest evidence",
            f"The largest ln R of a seller. The alert threshold is {_THRESHOLD} at the default budget.",
            "none",
            f"max({task('volteface_evidence_log_odds', _family('sellers'))})",
            limits={_THRESHOLD: "orange"},
        ),
        number(
            "Open critical reviews",
            "Reviews at risk. Each is followed until its flip, or two years.",
            "short",
            _AT_RISK,
        ),
        number(
            "Sellers in the state",
            "Sellers with an open critical review, or with activity in the last two years.",
            "short",
            _of_family("volteface_subjects", "sellers"),
        ),
        number(
            "Products in the state",
            "Products with an event in the last two years.",
            "short",
            f"sum({task('volteface_products')})",
        ),
    ],
)

_FLIP_PANELS: Final[Row] = (
    "Flips",
    [
        graph(
            "Flips by kind, and expected flips",
            "Upgraded and retracted reviews a second, and the flips that the long run expects of all reviews at risk."
            " If flips rise in the whole market, the expectation by peers rises too: that is no evidence against a"
            " seller.",
            "cps",
            {"{{kind}}": rate("kind", task(_FLIPS)), "expected, both kinds": _EXPECTED},
        ),
        graph(
            "Flips in six hours, and expected flips",
            "All tasks. The expectation assumes that event time advances with the clock: during a backlog the count is"
            " far above it. 0 flips where more than 20 are expected open a ticket.",
            "short",
            {
                "flips": app("app_id:volteface_flips:increase6h"),
                "expected": app("app_id:volteface_expected_flips:increase6h"),
            },
            runbooks=["VoltefaceSilence"],
        ),
        graph(
            "Share of flips that are deletions",
            "Over six hours. Paid deletions raise the share. A change of the platform that makes deletion easier raises"
            " it too.",
            "percentunit",
            {"retracted": _RETRACTED_SHARE},
        ),
    ],
)

_ALERTS: Final[Row] = (
    "Alerts",
    [
        graph(
            "Alerts an hour, by kind",
            "Alerts by the watch that raised them.",
            "short",
            _alerts_by("kind"),
            stacked=True,
        ),
        graph(
            "Alerts an hour, by severity",
            "A ticket opens if a day brings more than five alerts and more than a tenth of the year's budget.",
            "short",
            _alerts_by("severity"),
            stacked=True,
            runbooks=["VoltefaceAlertFlood"],
        ),
        graph(
            "Alerts of the past year, and alerts that the budget allows",
            "In event time. The budget is the number of false alarms allowed for that many subjects. The thresholds are"
            " cautious, so honest markets stay far below it.",
            "short",
            {f"raised, {family}": _of_family("volteface_alerts_past_year", family) for family in _FAMILIES}
            | {f"allowed, {family}": _of_family("volteface_alerts_allowed_per_year", family) for family in _FAMILIES},
            runbooks=["VoltefaceAlertFlood"],
        ),
    ],
)

_EVIDENCE: Final[Row] = (
    "Evidence",
    [
        graph(
            "Evidence on sellers, by quantile",
            "ln R: the log odds that cheating started, against the best innocent explanation. Each line is the highest"
            f" quantile of all tasks. Quantile 1 may pass {_THRESHOLD}, the alert threshold at the default budget of"
            f" {_BUDGET:g}. If quantile 0.99 comes close to the threshold, the baseline does not fit the market.",
            "none",
            _of_tasks("volteface_evidence_log_odds", _family("sellers")),
            limits={_THRESHOLD: "orange"},
        ),
        graph(
            "Evidence on staff, by quantile",
            "ln R: the log odds that a staff member started to sell look-ups or removals, from the reports of all tasks"
            f" at the end of each day. The alert threshold is {_STAFF_THRESHOLD} at the default budget.",
            "none",
            _of_tasks("volteface_evidence_log_odds", _family("staff")),
            limits={_STAFF_THRESHOLD: "orange"},
        ),
        graph(
            "Pattern scores of flips, by quantile",
            "HalfSpaceTrees' score of all flips so far, from 0 (usual) to 1 (unusual). The score raises no alert. A"
            " median that moves means that the market's behaviour changes.",
            "none",
            _of_tasks("volteface_pattern_score"),
        ),
    ],
)

_STATE: Final[Row] = (
    "State",
    [
        graph(
            "Open critical reviews, by task",
            "Reviews at risk of a flip. They take most of a task's memory and of its restore time.",
            "short",
            {"task {{task}}": f"sum by (task) ({task('volteface_at_risk_reviews')})"},
            stacked=True,
        ),
        graph(
            "Sellers, staff and products in the state",
            "Subjects that were inactive for two years leave the state at the end of a month.",
            "short",
            {family: _of_family("volteface_subjects", family) for family in _FAMILIES}
            | {"products": f"sum({task('volteface_products')})"},
        ),
    ],
)

_INPUT: Final[Row] = (
    "Input",
    [
        graph(
            "Records refused, by reason",
            "Records that became dead letters; `volteface dlq list` shows each with its reason. Refused events are"
            " missing from the evidence about their sellers.",
            "recps",
            {"{{reason}}": rate("reason", task("volteface_dead_letters_total"))},
            stacked=True,
            runbooks=["VoltefaceDeadLetterBurst"],
        ),
        graph(
            "Exceptional events, by outcome",
            "Outcomes of applied events. overtaken_review: the creation came after an edit or deletion. unseen_edit,"
            " unseen_deletion: the creation never came. known_review: a second creation. foreign_review: the review"
            " belongs to another seller. unmatched_outreach, unmatched_access: no open critical review matches."
            " removed (by the platform) and retired (followed for two years) are normal. A high rate of the others"
            " means that one topic lags behind the others, or that events are lost.",
            "eps",
            {
                "{{outcome}}": f"{rate('outcome', _EXCEPTIONAL)}"
                # The series of an outcome begins with its first event; until then the panel shows a line at 0.
                f' or on() label_replace(0 * {_AT_RISK}, "outcome", "none", "", "")'
            },
        ),
    ],
)

ROWS: Final = (_AT_A_GLANCE, _FLIP_PANELS, _ALERTS, _EVIDENCE, _STATE, _INPUT)
