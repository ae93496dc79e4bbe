"""The dashboard *Integrity*: flips, evidence and alerts of the market, and the quality of the input.

Invariant: a panel of flips or of alerts also shows the expected number or the allowed number.
"""

from __future__ import annotations

from typing import Final

from panels import Row, app, graph, held, number, or_zero, rate, task, total, worker

_FLIPS = "app_id_task_kind:volteface_flips:max"
_AT_RISK = f"sum({held('volteface_at_risk_reviews')})"
_FAMILIES = ("sellers", "staff")
_PAST_YEAR = f"sum({held('volteface_alerts_past_year', 'task, family')})"
_ALLOWED = f"sum({held('volteface_alerts_allowed_per_year', 'task, family')})"
_EXPECTED = f"sum(rate({task('volteface_expected_flips_total')}[$__rate_interval]))"

_WAITING = 'state=~"open|appealed"'
_CONFIRMED = app("app_id_kind_severity:volteface_confirmed_verdicts:sum")
_DECISIVE = app("app_id_kind_severity:volteface_decisive_verdicts:sum")

_RETRACTED = total(_FLIPS, 'kind="retracted"')
_RETRACTED_SHARE = or_zero(f"sum(rate({_RETRACTED}[6h])) / sum(rate({total(_FLIPS)}[6h]))", _AT_RISK)


def _of_tasks(metric: str, *matchers: str) -> dict[str, str]:
    """Return quantiles over all tasks: tasks expose their own quantiles, and the panel shows the highest of them."""
    return {"quantile {{quantile}}": f"max by (quantile) ({task(metric, *matchers)})"}


def _of_family(metric: str, family: str) -> str:
    return f"sum({held(metric, 'task', _family(family))})"


def _threshold(family: str) -> str:
    return f"max({worker('volteface_alert_threshold_log_odds', _family(family))})"


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
            "May be false, at most",
            "False alarms that the budget allows in a year, divided by the alerts of the past year. At 10 % nine of ten"
            " alerts are about real cheats: investigate each. At 100 % chance alone explains their number: look for"
            " evidence that the data lack before you act on one.",
            "percentunit",
            f"clamp_max({or_zero(f'{_ALLOWED} / {_PAST_YEAR}', _PAST_YEAR)}, 1)",
            limits={0.5: "orange"},
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
            "The largest ln R of a seller, minus the alert threshold of the configured budget. From 0 on an alert is"
            " raised.",
            "none",
            f"max({task('volteface_evidence_log_odds', _family('sellers'))}) - {_threshold('sellers')}",
            limits={0: "orange"},
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
            f"sum({held('volteface_products')})",
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
            {"{{kind}}": rate("kind", total(_FLIPS)), "expected, both kinds": _EXPECTED},
        ),
        graph(
            "Flips in six hours, and expected flips",
            "All tasks. Both follow event time, so a backlog of months shows the flips and the expectation of months. 0"
            " flips where more than 20 are expected open a ticket.",
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
            "Alerts by the watch that raised them. A point is the exemplar of one alert, with its id: it links the"
            " alert.",
            "short",
            _alerts_by("kind"),
            stacked=True,
            exemplars=True,
        ),
        graph(
            "Alerts an hour, by severity",
            "A ticket opens if one day of live input brings more than ten alerts, more than one for each thousand"
            " subjects, and more than a tenth of the year's budget.",
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

_CASES: Final[Row] = (
    "Cases",
    [
        graph(
            "Cases that wait, by severity",
            "Cases that are open or appealed. The budget allows few of them to be false; `volteface cases` lists them.",
            "short",
            {"{{severity}}": f"sum by (severity) ({total('app_id_state_severity:volteface_cases:sum', _WAITING)})"},
            stacked=True,
        ),
        graph(
            "Verdicts in force",
            "Cases by the verdict in force.",
            "short",
            {"{{verdict}}": f"sum by (verdict) ({total('app_id_kind_severity_verdict:volteface_case_verdicts:sum')})"},
            stacked=True,
        ),
        graph(
            "Measured precision",
            "Confirmed verdicts divided by confirmed, explained and dismissed ones, with the 90 % interval. Beside it"
            " the precision that the budget promises at least: 1 - allowed false alarms / alerts of the past year.",
            "percentunit",
            {
                "confirmed": f"sum({_CONFIRMED}) / sum({_DECISIVE})",
                "upper end": app("app_id:volteface_precision:upper"),
                "lower end": app("app_id:volteface_precision:lower"),
                "promised": f"clamp_min(1 - {_ALLOWED} / {_PAST_YEAR}, 0)",
            },
            runbooks=["VoltefacePrecisionLow"],
        ),
        graph(
            "Explained cases, by story",
            "Which innocent stories explained the flips of accused subjects.",
            "short",
            {"{{story}}": f"sum by (story) ({held('volteface_explained_cases', 'task, story')})"},
            stacked=True,
        ),
        graph(
            "Log loss of the queue's order",
            "How well a probability foretold the latest verdicts: 0 is perfect, 0.69 is a coin. learned: from the"
            " verdicts, which orders the queue while it is lower. odds: from the evidence alone. The mean of the tasks."
            " Empty before there are enough verdicts.",
            "none",
            {"{{model}}": f"avg by (model) ({held('volteface_priority_log_loss', 'task, model')})"},
            limits={0.69: "orange"},
        ),
    ],
)

_EVIDENCE: Final[Row] = (
    "Evidence",
    [
        graph(
            "Evidence on sellers, by quantile",
            "ln R: the log odds that cheating started, against the best innocent explanation. A line is the highest"
            " quantile of all tasks. Quantile 1 may pass the alert threshold. If quantile 0.99 comes close to it, the"
            " baseline does not fit the market.",
            "none",
            _of_tasks("volteface_evidence_log_odds", _family("sellers")) | {"alert threshold": _threshold("sellers")},
        ),
        graph(
            "Evidence on staff, by quantile",
            "ln R: the log odds that a staff member started to sell look-ups or removals, from the reports of all tasks"
            " at the end of each day.",
            "none",
            _of_tasks("volteface_evidence_log_odds", _family("staff")) | {"alert threshold": _threshold("staff")},
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
            {"task {{task}}": held("volteface_at_risk_reviews")},
            stacked=True,
        ),
        graph(
            "Sellers, staff and products in the state",
            "Subjects that were inactive for two years leave the state at the end of a month.",
            "short",
            {family: _of_family("volteface_subjects", family) for family in _FAMILIES}
            | {"products": f"sum({held('volteface_products')})"},
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
            {"{{reason}}": rate("reason", total("app_id_task_topic_reason:volteface_dead_letters:max"))},
            stacked=True,
            runbooks=["VoltefaceDeadLetterBurst"],
        ),
        graph(
            "Exceptional events, by kind",
            "Applied events with something unusual. overtaken_review: the creation came after an edit or deletion."
            " unseen_edit, unseen_deletion: the creation never came. known_review: a second creation. repeated_change:"
            " an event of a review that was closed later, so a file was fed again. event_id_used_again: the producer"
            " gave two events the same id. dropped_link: a seller has more than 16 links, and one went."
            " unmatched_outreach, unmatched_access: no open critical review matches. A high rate means that one topic"
            " lags behind the others, or that events are lost.",
            "eps",
            {
                "{{kind}}": f"{rate('kind', total('app_id_task_kind:volteface_exceptional_events:max'))}"
                # The series of a kind begins with its first event; until then the panel shows a line at 0.
                f' or on() label_replace(0 * {_AT_RISK}, "kind", "none", "", "")'
            },
        ),
        graph(
            "Reviews closed without a flip, by reason",
            "removed: by the platform. retired: followed for two years. bombed: of a review bomb, so without evidence.",
            "short",
            {"{{reason}}": rate("reason", total("app_id_task_reason:volteface_closed_reviews:max"))},
        ),
    ],
)

ROWS: Final = (_AT_A_GLANCE, _FLIP_PANELS, _ALERTS, _CASES, _EVIDENCE, _STATE, _INPUT)
