"""Rows of *Operations* about the service levels: availability, and the latency of alerts.

Invariant: a share that missed its service level is shown with the limits at which the alert rules fire.
"""

from __future__ import annotations

from typing import Final

from panels import Row, app, graph, or_zero, quantiles, yes_no

#: Limits of the alert rules. 0.5 % of the time and 1 % of the alerts may miss their level. 14.4 times that rate pages.
#: A ticket opens at 6 times the rate for availability, and at the rate itself for alerts.
_UNAVAILABLE_PAGES, _UNAVAILABLE_TICKET = 0.072, 0.03
_SLOW_PAGES, _SLOW_TICKET = 0.144, 0.01


def _slow_alerts(window: str) -> str:
    return or_zero(app(f"app_id:volteface_slow_alerts:ratio_rate{window}"), app("app_id:volteface_partitions:max"))


_SERVICE_LEVELS: Final[Row] = (
    "Service levels",
    [
        yes_no(
            "Available",
            "Service level: during 99.5 % of the time every partition has a running task, and no task with records"
            " stalls for two minutes. It is about what is processed: a backfill is a backlog, and no outage.",
            {"available": app("app_id:volteface_available:bool")},
            runbooks=["VoltefaceNotReady"],
        ),
        graph(
            "Share of the time unavailable",
            f"0.5 % is allowed. {_UNAVAILABLE_PAGES:.1%} over an hour pages: this rate uses a month's error budget in"
            f" two days. {_UNAVAILABLE_TICKET:.1%} over six hours opens a ticket: this rate uses it in five days.",
            "percentunit",
            {
                "last hour": app("app_id:volteface_unavailable:ratio1h"),
                "last six hours": app("app_id:volteface_unavailable:ratio6h"),
            },
            limits={_UNAVAILABLE_TICKET: "orange", _UNAVAILABLE_PAGES: "red"},
            runbooks=["VoltefaceAvailabilityBurnsFast", "VoltefaceAvailabilityBurnsSlowly"],
        ),
        graph(
            "Share of alerts slower than 30 s",
            "Alerts about live input, that is about events that occurred at most an hour before they were sent."
            f" 1 % is allowed. More over three days opens a ticket. {_SLOW_PAGES:.1%} over six hours pages. 0 without"
            " alerts.",
            "percentunit",
            {"last six hours": _slow_alerts("6h"), "last three days": _slow_alerts("3d")},
            limits={_SLOW_TICKET: "orange", _SLOW_PAGES: "red"},
            runbooks=["VoltefaceAlertsSlow"],
        ),
        graph(
            "Event to alert",
            "Time from the trigger's record in Kafka to the alert in Kafka, over the last hour. It includes the"
            " allowed lateness of 10 s. Each point is the exemplar of one alert, with its id: it links the alert. An"
            " alert about a backfill waits as long as its events. Empty without alerts.",
            "s",
            {
                f"{legend}, {input_}": expression
                for input_ in ("live", "backfill")
                for legend, expression in quantiles(
                    "volteface_event_to_alert_seconds", "1h", f'input="{input_}"'
                ).items()
            },
            limits={30: "red"},
            runbooks=["VoltefaceAlertsSlow"],
            exemplars=True,
            drill_down=True,
        ),
    ],
)

ROWS: Final = (_SERVICE_LEVELS,)
