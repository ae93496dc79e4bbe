"""The dashboard *Integrity*: what the market does, and what Volteface makes of it.

Rule of this room: a count stands beside what was to be expected, or it says nothing.
"""

from __future__ import annotations

from typing import Final

from panels import Row, app, graph, number, or_zero, rate, task, worker

from stream.config import Settings
from stream.core.watches import SELLER_SLACK, STAFF_SLACK, log_threshold

#: ln R at which a watch alarms, for the budget that holds where nobody has set another.
_BUDGET: Final[float] = Settings.model_fields["alert_budget"].default
_THRESHOLD: Final = round(log_threshold(_BUDGET, SELLER_SLACK), 3)
_STAFF_THRESHOLD: Final = round(log_threshold(_BUDGET, STAFF_SLACK), 3)

_FLIPS = "volteface_flips_total"
_AT_RISK = f"sum({task('volteface_at_risk_reviews')})"
_FAMILIES = ("sellers", "staff")
_PAST_YEAR = f"sum({task('volteface_alerts_past_year')})"
_ALLOWED = f"sum({task('volteface_alerts_allowed_per_year')})"
_OUT_OF_THE_ORDINARY = task("volteface_events_total", 'outcome!~"applied|duplicate|late"')

# Expected flips are told per second of event time. In step with the clock that is a second; while old events are read,
# many seconds of event time pass in one, and the watermark's slope says how many. A new task's watermark is 0 at first.
_EVENT_TIME_PACE = f"clamp_min(deriv(({task('volteface_watermark_timestamp_seconds')} > 0)[$__rate_interval:15s]), 0)"
_EXPECTED = f"sum({task('volteface_expected_flips_per_second')} * {_EVENT_TIME_PACE})"

_RETRACTED = task(_FLIPS, 'kind="retracted"')
_RETRACTED_SHARE = or_zero(f"sum(rate({_RETRACTED}[6h])) / sum(rate({task(_FLIPS)}[6h]))", _AT_RISK)


def _of_tasks(metric: str, *matchers: str) -> dict[str, str]:
    """A distribution over subjects or flips is told task by task: shown is the highest of the tasks' quantiles."""
    return {"quantile {{quantile}}": f"max by (quantile) ({task(metric, *matchers)})"}


def _of_family(metric: str, family: str) -> str:
    return f"sum({task(metric, _family(family))})"


def _family(name: str) -> str:
    return f'family="{name}"'


def _raised(by: str) -> dict[str, str]:
    return {f"{{{{{by}}}}}": f"sum by ({by}) (increase({worker('volteface_alerts_total')}[1h]))"}


_AT_A_GLANCE: Final[Row] = (
    "At a glance",
    [
        number(
            "Alerts, past year",
            "Alerts about sellers and staff in the last 365 days of event time, of the chosen tasks.",
            "short",
            _PAST_YEAR,
        ),
        number(
            "Of the budget",
            "Those alerts against what the budget allows, were all of them false. More than 100 % is right where"
            " that many sellers cheat; else the market does something that the norm cannot explain.",
            "percentunit",
            or_zero(f"{_PAST_YEAR} / {_ALLOWED}", _PAST_YEAR),
            limits={1: "orange"},
            runbooks=["VoltefaceAlertFlood"],
        ),
        number(
            "Flips, 6 h",
            "Critical reviews that were upgraded, or deleted by their authors, in the last six hours; of all tasks.",
            "short",
            f"round({app('app_id:volteface_flips:increase6h')})",
            limits={None: "orange", 1: "green"},
            runbooks=["VoltefaceSilence"],
        ),
        number(
            "Deleted, of the flips",
            "The share of six hours' flips that were deletions. 0 where there was no flip.",
            "percentunit",
            _RETRACTED_SHARE,
        ),
        number(
            "Strongest evidence",
            f"The largest ln R of a seller. From {_THRESHOLD} on, with the budget's default, it is an alert.",
            "none",
            f"max({task('volteface_evidence_log_odds', _family('sellers'))})",
            limits={_THRESHOLD: "orange"},
        ),
        number("Open critical reviews", "Followed until they turn, or for two years.", "short", _AT_RISK),
        number(
            "Sellers known",
            "With something in the last two years.",
            "short",
            _of_family("volteface_subjects", "sellers"),
        ),
        number("Products known", "With an event in the last two years.", "short", f"sum({task('volteface_products')})"),
    ],
)

_TURNS: Final[Row] = (
    "Flips",
    [
        graph(
            "Flips, by kind, and what was to be expected",
            "Reviews upgraded or retracted a second, beside what the market's long run expects of all reviews at risk."
            " A surge of the whole market is no evidence against anybody; it is weighed by what peers have.",
            "cps",
            {"{{kind}}": rate("kind", task(_FLIPS)), "expected, of both": _EXPECTED},
        ),
        graph(
            "Flips of six hours, and what was to be expected",
            "Of all tasks, as if event time ran with the clock: while old events are read, the count is far above what"
            " was expected. Nothing against 20 expected makes a ticket.",
            "short",
            {
                "flips": app("app_id:volteface_flips:increase6h"),
                "expected": app("app_id:volteface_expected_flips:increase6h"),
            },
            runbooks=["VoltefaceSilence"],
        ),
        graph(
            "Share of flips that are deletions",
            "Of six hours. Bought deletions raise it; so does a platform that makes deleting easier.",
            "percentunit",
            {"retracted": _RETRACTED_SHARE},
        ),
    ],
)

_ALERTS: Final[Row] = (
    "Alerts",
    [
        graph("Alerts of an hour, by kind", "What they are about.", "short", _raised("kind"), stacked=True),
        graph(
            "Alerts of an hour, by severity",
            "More than five in a day, and more than a tenth of a year's budget, make a ticket.",
            "short",
            _raised("severity"),
            stacked=True,
            runbooks=["VoltefaceAlertFlood"],
        ),
        graph(
            "Alerts of the past year, and what the budget allows",
            "In event time. The budget is what would be raised about that many sellers were nobody to cheat; it is kept"
            " cautiously, so honest markets stay far below it.",
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
            "Evidence of the sellers, by quantile",
            "ln R: the odds that a seller began to buy, against the best innocent story. Each line is the highest of"
            f" the tasks'. The top may pass {_THRESHOLD}, where the default budget of {_BUDGET:g} raises an alert."
            " If the 0.99 comes near it, the norm does not fit.",
            "none",
            _of_tasks("volteface_evidence_log_odds", _family("sellers")),
            limits={_THRESHOLD: "orange"},
        ),
        graph(
            "Evidence of the staff, by quantile",
            "ln R: the odds that a member of staff began to sell look-ups or removals, by what all tasks have told, as"
            f" each day ends. From {_STAFF_THRESHOLD} on, with the budget's default, it is an alert.",
            "none",
            _of_tasks("volteface_evidence_log_odds", _family("staff")),
            limits={_STAFF_THRESHOLD: "orange"},
        ),
        graph(
            "How unusual the flips' patterns are, by quantile",
            "HalfSpaceTrees' score of the flips so far, from 0 (usual) to 1. It raises no alert by itself; a median"
            " that moves is a market that changes its ways.",
            "none",
            _of_tasks("volteface_pattern_score"),
        ),
    ],
)

_KNOWN: Final[Row] = (
    "What is known",
    [
        graph(
            "Open critical reviews, by task",
            "Reviews at risk of a flip: the bulk of a task's memory and of its restore.",
            "short",
            {"task {{task}}": f"sum by (task) ({task('volteface_at_risk_reviews')})"},
            stacked=True,
        ),
        graph(
            "Sellers, staff and products known",
            "Those without an event for two years are forgotten, at the turn of a month.",
            "short",
            {family: _of_family("volteface_subjects", family) for family in _FAMILIES}
            | {"products": f"sum({task('volteface_products')})"},
        ),
    ],
)

_INPUT: Final[Row] = (
    "The input",
    [
        graph(
            "Records refused, by reason",
            "What could not be used; `volteface dlq list` shows each with a sentence. Of what is refused nothing is"
            " known, so its sellers are watched less well.",
            "recps",
            {"{{reason}}": rate("reason", task("volteface_dead_letters_total"))},
            stacked=True,
            runbooks=["VoltefaceDeadLetterBurst"],
        ),
        graph(
            "Events out of the ordinary, by outcome",
            "Applied, but: overtaken_review was told after its own edit or deletion; unseen_edit and unseen_deletion"
            " are of reviews never told; known_review was told twice; foreign_review is another seller's;"
            " unmatched_outreach and unmatched_access concern no open critical review. removed (by the platform) and"
            " retired (followed for two years) are in order. Much of the others is a stream behind its neighbours, or"
            " lost events.",
            "eps",
            {
                "{{outcome}}": f"{rate('outcome', _OUT_OF_THE_ORDINARY)}"
                # An outcome is told from its first event on: before that, a line at 0.
                f' or on() label_replace(0 * {_AT_RISK}, "outcome", "none", "", "")'
            },
        ),
    ],
)

ROWS: Final = (_AT_A_GLANCE, _TURNS, _ALERTS, _EVIDENCE, _KNOWN, _INPUT)
