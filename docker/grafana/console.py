"""The row of *Operations* about the analysts' consoles.

Invariant: it shows all consoles: the variable "Worker" chooses none of them.
"""

from __future__ import annotations

from typing import Final

from panels import Row, app, graph, rate, yes_no

_JOB: Final = 'job="volteface-console"'
_REQUESTS: Final = "volteface_console_request_seconds"
#: What people wait for; programs ask for the others.
_PAGES: Final = 'route!~"/health/.*|/metrics|/static"'
_REFUSED_LOGINS: Final = ('route=~"/login.*"', 'status="4xx"')


def _count(*matchers: str) -> str:
    return app(f"{_REQUESTS}_count", *matchers)


def _quantile(share: float) -> str:
    buckets = app(f"{_REQUESTS}_bucket", _PAGES)
    return f"histogram_quantile({share}, sum by (le) (rate({buckets}[5m])))"


_CONSOLE: Final[Row] = (
    "Console",
    [
        yes_no(
            "Consoles up, and up to date",
            "A console that is not up to date shows old cases. It keeps nothing: cases and decisions are in Kafka.",
            {
                "{{instance}} is up": app("up", _JOB),
                "{{instance}} is up to date": app("volteface_console_ready"),
            },
            runbooks=["VoltefaceConsoleDown", "VoltefaceConsoleBehind"],
        ),
        graph(
            "Time since a console was complete",
            "Since its read model held all that was written before. A few seconds are normal. More than 60 s for three"
            " minutes open a ticket.",
            "s",
            {"{{instance}}": app("volteface_console_behind_seconds")},
            limits={60: "red"},
            runbooks=["VoltefaceConsoleBehind"],
        ),
        graph(
            "Records that a console has to read",
            "Cases, alerts and decisions that wait in Kafka, and records that are none of the contract, which are"
            " passed over.",
            "short",
            {
                "{{instance}} waits for": app("volteface_console_lag_records"),
                "{{instance}} refused": app("volteface_console_refused_records_total"),
            },
            runbooks=["VoltefaceConsoleBehind"],
        ),
        graph(
            "Decisions in 15 minutes, by outcome",
            "refused: a rule of cases forbids it, as the analyst sees. not_acknowledged: Kafka did not confirm"
            " it, so it may be recorded or not; one opens a ticket.",
            "short",
            {
                "{{kind}} {{outcome}}": (
                    f"round(sum by (kind, outcome) (increase({app('volteface_console_decisions_total')}[15m])))"
                )
            },
            runbooks=["VoltefaceDecisionsNotAcknowledged"],
        ),
        graph(
            "Requests, by status",
            "4xx: refused, such as a missing login or role. 5xx: an error of the console, or Kafka does not answer.",
            "reqps",
            {"{{status}}": rate("status", _count())},
            stacked=True,
        ),
        graph(
            "Time of a request of a person",
            "Pages and forms, without streams. A form waits until Kafka has its event.",
            "s",
            {f"p{100 * share:g}": _quantile(share) for share in (0.5, 0.99)},
            limits={1: "orange"},
        ),
        graph(
            "Logins refused",
            "Answers of the login pages with a status 4xx: unknown or forged answers of the issuer, people without a"
            " role, too many attempts. 0 without the authentication oidc.",
            "reqps",
            {"refused": f"sum(rate({_count(*_REFUSED_LOGINS)}[5m])) or 0 * sum({app('volteface_console_ready')})"},
        ),
        graph(
            "Open pages, by console",
            "Pages that get changes as they come. A console serves 500 of them.",
            "short",
            {"{{instance}}": app("volteface_console_open_pages")},
            stacked=True,
            limits={450: "orange"},
        ),
        graph(
            "Cases in a console, by state",
            "All consoles know the same cases: the lines of each must agree with those of the others.",
            "short",
            {"{{instance}} {{state}}": app("volteface_console_cases")},
        ),
    ],
)

ROWS: Final = (_CONSOLE,)
