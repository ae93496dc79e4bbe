"""Every route of the console with the role that it needs. The one list of what is served, and to whom.

Invariant: a route that is not in this list does not exist.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from stream.console.access.roles import Role


class RouteRule(NamedTuple):
    """A route.

    Attributes:
        endpoint: The name of what answers, as `object.method`. `login` is there only if the console logs users in.
        role: What its user must be at least; None: anybody, also without a login.
    """

    method: str
    path: str
    endpoint: str
    role: Role | None


RULES: Final[tuple[RouteRule, ...]] = (
    RouteRule("GET", "/", "pages.queue", "viewer"),
    RouteRule("GET", "/cases/{case_id}", "pages.case", "viewer"),
    RouteRule("GET", "/cases/{case_id}/statement", "pages.statement", "analyst"),
    RouteRule("GET", "/subjects", "pages.subject", "viewer"),
    RouteRule("GET", "/line", "pages.line", "viewer"),
    RouteRule("GET", "/help", "pages.help", "viewer"),
    RouteRule("GET", "/live", "streams.live", "viewer"),
    RouteRule("GET", "/decisions/{event_id}", "pages.state_of_event", "viewer"),
    RouteRule("GET", "/bulk/{job_id}", "actions.job", "analyst"),
    RouteRule("POST", "/cases/{case_id}/verdict", "actions.verdict", "analyst"),
    RouteRule("POST", "/cases/{case_id}/assign", "actions.assign", "analyst"),
    RouteRule("POST", "/cases/{case_id}/note", "actions.note", "analyst"),
    RouteRule("POST", "/cases/{case_id}/appeal", "actions.appeal", "analyst"),
    RouteRule("POST", "/next", "actions.take_next", "analyst"),
    RouteRule("POST", "/bulk", "actions.bulk", "analyst"),
    RouteRule("POST", "/bulk/{job_id}/undo", "actions.undo", "analyst"),
    RouteRule("GET", "/login", "login.begin", None),
    RouteRule("GET", "/login/return", "login.finish", None),
    RouteRule("POST", "/logout", "login.logout", "viewer"),
    RouteRule("GET", "/logged-out", "login.logged_out", None),
    RouteRule("GET", "/health/live", "streams.alive", None),
    RouteRule("GET", "/health/ready", "streams.ready", None),
    RouteRule("GET", "/metrics", "streams.metrics", None),
)
