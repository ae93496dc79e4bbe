"""Grafana's dashboards, as code: `python docker/grafana/dashboards.py [FOLDER]` writes them as JSON.

Rule of this room: equal sources give equal bytes, so a test can tell whether the JSON beside it is of these sources.
"""

from __future__ import annotations

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
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from panels import DATASOURCE, Panel, Row, app, query

_TAG: Final = "volteface"
_GRID: Final = 24


def built(name: str, text: str, since: str, rows: Sequence[Row]) -> str:
    """A dashboard's JSON."""
    board = (
        dashboard.Dashboard(f"Volteface {name}")
        .uid(f"volteface-{name.lower()}")
        .description(text)
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
            .placement("")  # beside the variables; else the SDK puts it into a menu
        )
    )
    for title, panels in rows:
        board.with_row(dashboard.Row(title))
        for panel in _placed(panels):
            board.with_panel(panel)
    model = board.build()
    for number, placed in enumerate(model.panels or (), start=1):
        placed.id_val = number
    return JSONEncoder(sort_keys=True, indent=2).encode(model) + "\n"


def _placed(panels: Sequence[Panel]) -> Iterator[Panel]:
    """Lines of at most three graphs, or of eight numbers, as equally long as can be."""
    most, height = (8, 4) if isinstance(panels[0], stat.Panel) else (3, 9)
    lines = -(-len(panels) // most)
    rest = iter(panels)
    for line in range(lines):
        count = len(panels) // lines + (line < len(panels) % lines)
        for _ in range(count):
            yield next(rest).span(_GRID // count).height(height)


def _variables() -> Iterator[dashboard.DatasourceVariable | dashboard.QueryVariable]:
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    yield _chosen("app_id", "App", "volteface_build_info").sort(VariableSort.ALPHABETICAL_ASC)
    for name, label, metric, order in (
        ("task", "Task", app("volteface_checkpoint_age_seconds"), VariableSort.NUMERICAL_ASC),
        ("instance", "Worker", app("volteface_build_info"), VariableSort.ALPHABETICAL_ASC),
    ):
        every = VariableOption(selected=True, text=["All"], value=["$__all"])
        # ".*", not a list of all: a task or worker that comes later, or was there before, is shown, too.
        yield _chosen(name, label, metric).multi(True).include_all(True).all_value(".*").current(every).sort(order)


def _chosen(label_name: str, label: str, metric: str) -> dashboard.QueryVariable:
    question = f"label_values({metric}, {label_name})"
    return (
        dashboard.QueryVariable(label_name)
        .label(label)
        .datasource(DATASOURCE)
        .query(question)
        .definition(question)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def _annotations() -> Iterator[dashboard.AnnotationQuery]:
    builds, by = app("volteface_build_info"), "version,model_version"
    appeared = f"group by ({by}) ({builds}) unless group by ({by}) ({builds} offset 5m)"
    yield _marked("Deployments", "blue", appeared, by).title_format("Volteface {{version}}, model {{model_version}}")
    firing = app("ALERTS", 'alertstate="firing"', 'alertname=~"Volteface.*"')
    # As tags, which are left out where an alert has no such label; in a text their names would stay.
    yield _marked("Firing alerts", "red", firing, "severity,topic,task,instance").title_format("{{alertname}}")


def _marked(name: str, colour: str, expression: str, tags: str) -> dashboard.AnnotationQuery:
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
    ("Operations", "Is it up, is it keeping up, is it right, is it finding?", "3h", operations.ROWS),
    ("Integrity", "What the market does, and what Volteface makes of it.", "24h", integrity.ROWS),
)


def main() -> None:
    """Write every dashboard to the folder named, or to the one beside this file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards"
    for name, text, since, rows in DASHBOARDS:
        (folder / f"{name.lower()}.json").write_text(built(name, text, since, rows))


if __name__ == "__main__":
    main()
