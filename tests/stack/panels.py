"""The dashboards' panels, with what Grafana would put in for their variables."""

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
    #: Expression and legend.
    questions: list[tuple[str, str]]


def filled(expression: str) -> str:
    """An expression that Prometheus understands."""
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def panels(dashboard: str) -> Iterator[Panel]:
    """The panels of a committed dashboard, in order."""
    board: dict[str, Any] = json.loads((DOCKER / "grafana" / "dashboards" / f"{dashboard}.json").read_bytes())
    row = ""
    for panel in board["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
            continue
        questions = [(filled(target["expr"]), target.get("legendFormat", "")) for target in panel["targets"]]
        yield Panel(row, panel["title"], panel["type"], panel["fieldConfig"]["defaults"]["unit"], questions)


def expressions() -> list[tuple[str, str]]:
    """Title and expression of everything that both dashboards ask."""
    return [(panel.title, expression) for name in NAMES for panel in panels(name) for expression, _ in panel.questions]
