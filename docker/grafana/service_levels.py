"""Rows of *Operations* about what was promised: availability, and alerts in time.

Rule of this room: a share that missed its level stands against the rates at which the alert rules speak.
"""

from __future__ import annotations

from typing import Final

from panels import Row, app, graph, or_zero, quantiles, yes_no

#: Where the alert rules speak. 0.5 % of the time and 1 % of the alerts may miss their level: 14.4 times that pages;
#: 6 times that, of the alerts already that, makes a ticket.
_UNAVAILABLE_PAGES, _UNAVAILABLE_TICKET = 0.072, 0.03
_SLOW_PAGES, _SLOW_TICKET = 0.144, 0.01


def _slow_alerts(window: str) -> str:
    return or_zero(app(f"app_id:volteface_slow_alerts:ratio_rate{window}"), app("app_id:volteface_partitions:max"))


_SERVICE_LEVELS: Final[Row] = (
    "Service levels",
    [
        yes_no(
            "Available",
            "The service level: 99.5 % of the time every partition has a running task and nothing that came more than a"
            " minute ago still waits.",
            {"available": app("app_id:volteface_available:bool")},
            runbooks=["VoltefaceNotReady"],
        ),
        graph(
            "Share of the time unavailable",
            f"0.5 % may be. Over an hour {_UNAVAILABLE_PAGES:.1%} pages: a month's budget is gone in two days."
            f" Over six hours {_UNAVAILABLE_TICKET:.1%} makes a ticket: it is gone in five.",
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
            f"1 % may be. Over three days more makes a ticket; over six hours {_SLOW_PAGES:.1%} pages."
            " 0 where there was no alert.",
            "percentunit",
            {"last six hours": _slow_alerts("6h"), "last three days": _slow_alerts("3d")},
            limits={_SLOW_TICKET: "orange", _SLOW_PAGES: "red"},
            runbooks=["VoltefaceAlertsSlow"],
        ),
        graph(
            "From event to alert",
            "From the trigger's record in Kafka to its alert there, over the last hour; 10 s are the lateness that is"
            " allowed. Every point is one alert and names it. Nothing where there was no alert.",
            "s",
            quantiles("volteface_event_to_alert_seconds", "1h"),
            limits={30: "red"},
            runbooks=["VoltefaceAlertsSlow"],
            exemplars=True,
        ),
    ],
)

ROWS: Final = (_SERVICE_LEVELS,)
