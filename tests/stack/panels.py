"""The panels of the dashboards, with values for Grafana's variables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tests.stack.stack import APP_ID, DOCKER

NAMES: Final = ("operations", "integrity")
_VARIABLES: Final = {"$app_id": APP_ID, "$task": ".*", "$instance": ".*", "$__rate_interval": "1m"}


class Panel(NamedTuple):
    """A panel that shows data."""

    row: str
    title: str
    kind: str
    unit: str
    #: Expression and legend of each query.
    queries: list[tuple[str, str]]


def expanded(expression: str) -> str:
    """Replace Grafana's variables, so that Prometheus can evaluate the expression."""
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def panels(dashboard: str) -> Iterator[Panel]:
    """Yield the panels of a committed dashboard, in order."""
    dashboard_json: dict[str, Any] = json.loads((DOCKER / "grafana" / "dashboards" / f"{dashboard}.json").read_bytes())
    row = ""
    for panel in dashboard_json["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
            continue
        queries = [(expanded(target["expr"]), target.get("legendFormat", "")) for target in panel["targets"]]
        yield Panel(row, panel["title"], panel["type"], panel["fieldConfig"]["defaults"]["unit"], queries)


def expressions() -> list[tuple[str, str]]:
    """Return title and expression of every query of both dashboards."""
    return [(panel.title, expression) for name in NAMES for panel in panels(name) for expression, _ in panel.queries]
