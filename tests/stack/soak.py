"""`make soak MINUTES=30`: a steady feed, one worker after the other stopped and started again; what should not change.

Judged at the end: every event is applied, dropped as a duplicate or dead; no alert is there twice; lag is back at 0;
and memory has grown by no more than the open reviews that were added. That is judged from the second round of restarts
on: in the first each worker comes to hold all tasks for once, and Python keeps for itself what it has held. The plots,
and the dashboards' panels over that time, are kept in docs/figures.
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
from tests.stack.pictures import draw
from tests.stack.stack import APP_ID, Stack

_FIGURES: Final = Path(__file__).parents[2] / "docs" / "figures"
#: Each round stops every worker once.
_ROUNDS: Final = 3
#: The bound on an open review, with as much again for what Python's allocator keeps.
_BYTES_A_REVIEW: Final = 2 * 1024
#: What caches, buffers and the window of event ids may still take after the first rounds.
_SLACK_BYTES: Final = 64 * 2**20
_CURVES: Final = {
    "events applied a second": f'sum(rate(volteface_events_total{{app_id="{APP_ID}", outcome="applied"}}[30s]))',
    "lag, records": f'sum(volteface_lag_records{{app_id="{APP_ID}"}})',
    "lag, seconds": f'max(volteface_lag_seconds{{app_id="{APP_ID}"}})',
    "tasks running": f'sum(volteface_tasks{{app_id="{APP_ID}", state="running"}})',
    "resident memory of the workers, MiB": "sum(process_resident_memory_bytes) / 2^20",
    "open critical reviews": f'sum(volteface_at_risk_reviews{{app_id="{APP_ID}"}})',
}


def main() -> int:
    """Run, judge, draw; 0 if all holds."""
    seconds = 60 * float(os.environ.get("MINUTES", "30"))
    with Stack(feed_seconds=seconds) as stack:
        begun = time.time()
        restarts = _restart_in_turn(stack, begun, seconds)
        wait(lambda: _now(stack, _done()) >= stack.total, 300, "events are missing, or lag does not return to 0")
        wait(lambda: _now(stack, _CURVES["lag, records"]) == 0, 60, "lag does not return to 0")
        told = _judge(stack, begun, restarts) | {"minutes": seconds / 60, "restarts": len(restarts)}
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
        _FIGURES.mkdir(exist_ok=True)
        _draw(stack, begun, restarts)
        for name in NAMES:
            draw(stack, name, _FIGURES / f"{name}.png", begun)
    return 0 if all(told["holds"].values()) else 1


def _done() -> str:
    """Events with an outcome."""
    applied = f'sum(volteface_events_total{{app_id="{APP_ID}", outcome=~"applied|duplicate"}})'
    return f'{applied} + sum(volteface_dead_letters_total{{app_id="{APP_ID}"}})'


def _restart_in_turn(stack: Stack, begun: float, seconds: float) -> list[float]:
    """Stop and start every worker in turn, in rounds spread evenly over the time; when each was back."""
    restarts: list[float] = []
    count = _ROUNDS * len(stack.workers)
    for number in range(count):
        time.sleep(max(0.0, begun + seconds * (number + 1) / (count + 1) - time.time()))
        turn = number % len(stack.workers)
        stack.workers[turn].stop()
        stack.workers[turn] = Worker(stack.group, stack.workers[turn].port)
        restarts.append(time.time())
    time.sleep(max(0.0, begun + seconds - time.time()))
    return restarts


def _judge(stack: Stack, begun: float, restarts: list[float]) -> dict[str, Any]:
    memory, reviews = _series(stack, begun, "resident memory of the workers, MiB", "open critical reviews")
    second, last = ((restarts[-len(stack.workers) * back] - begun) / 60 for back in (2, 1))
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


def _series(stack: Stack, begun: float, *names: str) -> list[list[tuple[float, float]]]:
    """Of each curve, minutes since the beginning and value."""
    found: list[list[tuple[float, float]]] = []
    for name in names:
        data = stack.get("query_range", query=_CURVES[name], start=str(begun), end=str(time.time()), step="5")
        values = data["result"][0]["values"]
        found.append([((float(at) - begun) / 60, float(value)) for at, value in values])
    return found


def _draw(stack: Stack, begun: float, restarts: list[float]) -> None:
    figure = Figure(figsize=(14, 8), layout="constrained")
    axes = figure.subplots(3, 2).flat
    for each, (name, values) in zip(axes, zip(_CURVES, _series(stack, begun, *_CURVES), strict=True), strict=True):
        each.plot(*zip(*values, strict=True), linewidth=1)
        each.set_title(name, fontsize=9)
        each.set_ylim(bottom=0)
        each.set_xlabel("minutes; dotted: a worker stopped and started", fontsize=7)
        for at in restarts:
            each.axvline((at - begun) / 60, linestyle=":", linewidth=0.7)
    figure.savefig(_FIGURES / "soak.png", dpi=70)


if __name__ == "__main__":
    sys.exit(main())
