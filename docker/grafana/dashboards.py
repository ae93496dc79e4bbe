"""Grafana's dashboards as code: `python docker/grafana/dashboards.py [FOLDER]` writes them as JSON.

RUNBOOKS_URL in the environment is the address of docker/runbooks.md, for the links of the panels.

Invariant: equal sources give equal bytes. A test compares the committed JSON with the output of this program;
`make dashboards` writes it again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import integrity
import operations
from grafana_foundation_sdk.builders import dashboard, stat
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from panels import DATASOURCE, Panel, Row, app, query

_TAG: Final = "volteface"
_GRID: Final = 24
#: The bridges have no model, and are no workers.
_WORKERS: Final = app("volteface_build_info", 'model_version!=""')
_RUNBOOKS: Final = os.environ.get("RUNBOOKS_URL", "docker/runbooks.md")


def dashboard_json(name: str, description: str, since: str, rows: Sequence[Row]) -> str:
    """Return a dashboard's JSON.

    Args:
        name: The title without "Volteface".
        description: One sentence.
        since: The default time range, such as "3h".
        rows: The rows and their panels, in order.
    """
    board = (
        dashboard.Dashboard(f"Volteface {name}")
        .uid(f"volteface-{name.lower()}")
        .description(description)
        .tags([_TAG])
        .time(f"now-{since}", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables(list(_variables()))
        .annotations(list(_annotations()))
        .link(
            dashboard.DashboardLink("Volteface")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .include_vars(True)
            .keep_time(True)
            .placement("")  # beside the variables; the SDK's default is a menu
        )
    )
    for title, panels in rows:
        board.with_row(dashboard.Row(title))
        for panel in _with_grid_positions(panels):
            board.with_panel(panel)
    model = board.build()
    for number, panel_model in enumerate(model.panels or (), start=1):
        panel_model.id_val = number
    return JSONEncoder(sort_keys=True, indent=2).encode(model) + "\n"


def _with_grid_positions(panels: Sequence[Panel]) -> Iterator[Panel]:
    """Set widths and heights: lines of at most three graphs or eight numbers, with as equal counts as possible."""
    max_per_line, height = (8, 4) if isinstance(panels[0], stat.Panel) else (3, 9)
    lines = -(-len(panels) // max_per_line)
    remaining = iter(panels)
    for line in range(lines):
        count = len(panels) // lines + (line < len(panels) % lines)
        for _ in range(count):
            yield next(remaining).span(_GRID // count).height(height)


def _variables() -> Iterator[dashboard.DatasourceVariable | dashboard.QueryVariable | dashboard.TextBoxVariable]:
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    yield _runbooks()
    yield _label_variable("app_id", "App", "volteface_build_info").sort(VariableSort.ALPHABETICAL_ASC)
    for name, label, metric, order in (
        ("task", "Task", app("volteface_checkpoint_age_seconds"), VariableSort.NUMERICAL_ASC),
        ("instance", "Worker", _WORKERS, VariableSort.ALPHABETICAL_ASC),
    ):
        every = VariableOption(selected=True, text=["All"], value=["$__all"])
        # ".*" and not a list of all values: it also matches tasks and workers that started later or are gone.
        variable = _label_variable(name, label, metric).sort(order)
        yield variable.multi(True).include_all(True).all_value(".*").current(every)


def _runbooks() -> dashboard.TextBoxVariable:
    # A text box: `?var-runbooks=` in the address of a dashboard replaces the value for one reader.
    chosen = VariableOption(selected=True, text=_RUNBOOKS, value=_RUNBOOKS)
    hidden = VariableHide.HIDE_VARIABLE
    return dashboard.TextBoxVariable("runbooks").default_value(_RUNBOOKS).current(chosen).hide(hidden)


def _label_variable(label_name: str, title: str, metric: str) -> dashboard.QueryVariable:
    expression = f"label_values({metric}, {label_name})"
    return (
        dashboard.QueryVariable(label_name)
        .label(title)
        .datasource(DATASOURCE)
        .query(expression)
        .definition(expression)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def _annotations() -> Iterator[dashboard.AnnotationQuery]:
    builds, by = _WORKERS, "version,model_version"
    appeared = f"group by ({by}) ({builds}) unless group by ({by}) ({builds} offset 5m)"
    deployments = _annotation("Deployments", "blue", appeared, by)
    yield deployments.title_format("Volteface {{version}}, model {{model_version}}")
    firing = app("ALERTS", 'alertstate="firing"', 'alertname=~"Volteface.*"')
    # Tags, because Grafana omits a tag if an alert lacks that label; a title format would show the label's name.
    yield _annotation("Firing alerts", "red", firing, "severity,topic,task,instance").title_format("{{alertname}}")


def _annotation(name: str, colour: str, expression: str, tags: str) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color(colour)
        .target(query("Anno", expression).interval("60s"))
        .tag_keys(tags)
    )


DASHBOARDS: Final = (
    ("Operations", "Availability, throughput, correctness and alerts of the service.", "3h", operations.ROWS),
    ("Integrity", "Flips, evidence and alerts of the market, and the quality of the input.", "24h", integrity.ROWS),
)


def main() -> None:
    """Write every dashboard to the folder in the first argument, or to `dashboards/` beside this file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards"
    for name, description, since, rows in DASHBOARDS:
        (folder / f"{name.lower()}.json").write_text(dashboard_json(name, description, since, rows))


if __name__ == "__main__":
    main()
