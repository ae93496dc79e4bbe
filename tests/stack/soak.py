"""`make soak MINUTES=30`: a steady feed, while one worker after the other is stopped and started again.

At the end four properties must hold: every event is applied, dropped as a duplicate or dead; no alert occurs twice; the
lag is 0; and memory has grown by no more than the added open reviews need. Memory is compared from the second round of
restarts on: in the first round each worker has all tasks once, and Python does not return the memory to the system.
The plots, and the dashboards' panels over that time, go to docs/figures.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from tests.kafka.group import Worker, wait
from tests.stack.panels import NAMES
from tests.stack.plots import draw
from tests.stack.stack import APP_ID, Stack

_FIGURES: Final = Path(__file__).parents[2] / "docs" / "figures"
#: Rounds of restarts; each stops every worker once.
_ROUNDS: Final = 3
#: The bound of 1 KiB for an open review, and as much for the overhead of Python's allocator.
_BYTES_A_REVIEW: Final = 2 * 1024
#: Growth of caches, buffers and the window of event ids that is allowed after the first rounds.
_SLACK_BYTES: Final = 64 * 2**20
_CURVES: Final = {
    "events applied a second": "sum(rate(app_id_task_outcome:volteface_events:max"
    f'{{app_id="{APP_ID}", outcome="applied"}}[30s]))',
    "lag, records": f'sum(volteface_lag_records{{app_id="{APP_ID}"}})',
    "lag, seconds": f'max(volteface_lag_seconds{{app_id="{APP_ID}"}})',
    "tasks running": f'sum(volteface_tasks{{app_id="{APP_ID}", state="running"}})',
    "resident memory of the workers, MiB": "sum(process_resident_memory_bytes{job='volteface'}) / 2^20",
    "open critical reviews": f'sum(volteface_at_risk_reviews{{app_id="{APP_ID}"}})',
}


def main() -> int:
    """Run, check, draw; return 0 if all properties hold."""
    seconds = 60 * float(os.environ.get("MINUTES", "30"))
    with Stack(feed_seconds=seconds) as stack:
        started = time.time()
        restarts = _restart_in_turn(stack, started, seconds)
        wait(lambda: _now(stack, _done()) >= stack.total, 300, "events are missing, or lag does not return to 0")
        wait(lambda: _now(stack, _CURVES["lag, records"]) == 0, 60, "lag does not return to 0")
        result = _check(stack, started, restarts) | {"minutes": seconds / 60, "restarts": len(restarts)}
        sys.stdout.write(json.dumps(result, indent=1) + "\n")
        _FIGURES.mkdir(exist_ok=True)
        _draw(stack, started, restarts)
        for name in NAMES:
            draw(stack, name, _FIGURES / f"{name}.png", started)
    return 0 if all(result["holds"].values()) else 1


def _done() -> str:
    """Return the query for the number of events applied, duplicate or dead."""
    applied = f'sum(volteface_events_total{{app_id="{APP_ID}", outcome=~"applied|duplicate"}})'
    return f'{applied} + sum(volteface_dead_letters_total{{app_id="{APP_ID}"}})'


def _restart_in_turn(stack: Stack, started: float, seconds: float) -> list[float]:
    """Stop and start every worker in turn, in rounds spread evenly over the time; return the times of the starts."""
    restarts: list[float] = []
    count = _ROUNDS * len(stack.workers)
    for number in range(count):
        time.sleep(max(0.0, started + seconds * (number + 1) / (count + 1) - time.time()))
        index = number % len(stack.workers)
        stack.workers[index].stop()
        stack.workers[index] = Worker(stack.group, stack.workers[index].port)
        restarts.append(time.time())
    time.sleep(max(0.0, started + seconds - time.time()))
    return restarts


def _check(stack: Stack, started: float, restarts: list[float]) -> dict[str, Any]:
    memory, reviews = _series(stack, started, "resident memory of the workers, MiB", "open critical reviews")
    second, last = ((restarts[-len(stack.workers) * back] - started) / 60 for back in (2, 1))
    before = [value for at, value in memory if second <= at < last]
    after = [value for at, value in memory if last <= at]
    grown = (max(after) - max(before)) * 2**20
    opened = reviews[-1][1] - next(value for at, value in reviews if at >= second)
    allowed = _BYTES_A_REVIEW * max(0.0, opened) + _SLACK_BYTES
    ids = [json.loads(line)["alert_id"] for line in stack.group.command("alerts", "--json").splitlines()]
    done = int(_now(stack, _done()))
    return {
        "events": stack.total,
        "with_an_outcome": done,
        "alerts": len(ids),
        "memory_peak_mib": [round(max(before)), round(max(after))],
        "memory_grown_bytes": int(grown),
        "memory_allowed_bytes": int(allowed),
        "holds": {
            "nothing lost": done == stack.total,
            "nothing twice": len(set(ids)) == len(ids),
            "memory flat": grown <= allowed,
        },
    }


def _now(stack: Stack, expression: str) -> float:
    result = stack.query(expression)
    return float(result[0]["value"][1]) if result else -1.0


def _series(stack: Stack, started: float, *names: str) -> list[list[tuple[float, float]]]:
    """Return the points of each curve: minutes since the start, and value."""
    found: list[list[tuple[float, float]]] = []
    for name in names:
        data = stack.get("query_range", query=_CURVES[name], start=str(started), end=str(time.time()), step="5")
        values = data["result"][0]["values"]
        found.append([((float(at) - started) / 60, float(value)) for at, value in values])
    return found


def _draw(stack: Stack, started: float, restarts: list[float]) -> None:
    figure = Figure(figsize=(14, 8), layout="constrained")
    axes = figure.subplots(3, 2).flat
    for plot, (name, values) in zip(axes, zip(_CURVES, _series(stack, started, *_CURVES), strict=True), strict=True):
        plot.plot(*zip(*values, strict=True), linewidth=1)
        plot.set_title(name, fontsize=9)
        plot.set_ylim(bottom=0)
        plot.set_xlabel("minutes; dotted: a worker stopped and started", fontsize=7)
        for at in restarts:
            plot.axvline((at - started) / 60, linestyle=":", linewidth=0.7)
    figure.savefig(_FIGURES / "soak.png", dpi=70)


if __name__ == "__main__":
    sys.exit(main())
