"""From which share of late events on, and below how many sellers and flips a task, cheats are missed.

`python -m tests.bench.trust late 3` and `... size 6 120` (markets, sellers) print the tables of
docs/decisions/0035-doubtful-outcomes.md, without Kafka. Reviews that are never critical are left out of the markets:
they give no evidence about sellers.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.contract.events import AnyEvent, Event
from stream.market.cheats import Cheat
from stream.market.simulate import simulate
from stream.offline.local_bus import LocalTasks
from stream.offline.replay import replay
from stream.ops.memory import collect_less_often

_DAYS: Final = 240
_LARGE: Final = 20
_SMALLER: Final = 8
_decode = msgspec.json.Decoder(AnyEvent).decode


def _market(kind: str, seed: int, sellers: int) -> tuple[list[bytes], list[Cheat]]:
    """Return the lines of all reviews that are critical at some time, in order, and the cheats."""
    made = simulate(kind, seed, sellers, _DAYS)
    uses = Counter(msgspec.json.decode(line).get("review_id") for line in made.lines)

    def counts(event: dict[str, Any]) -> bool:
        return event["type"] != "review.created" or event["rating"] <= 3 or uses[event["review_id"]] > 1

    return [line for line in made.lines if counts(msgspec.json.decode(line))], made.truth


def _found(alerts: Iterable[Alert], truth: list[Cheat]) -> Counter[str]:
    """Count the cheats that were accused, by size, and the sellers that were accused falsely."""
    accused = {alert.subject.id for alert in alerts if alert.subject.type == "seller"}
    count = Counter[str]()
    for cheat in truth:
        size = "large" if cheat.paid_flips >= _LARGE else "smaller" if cheat.paid_flips >= _SMALLER else "small"
        if cheat.seller_id is not None:
            count[f"{size} planted"] += 1
            count[f"{size} found"] += cheat.seller_id in accused
    count["false"] = len(accused - {cheat.seller_id for cheat in truth})
    return count


def _delayed(lines: list[bytes], share: float, days: float, seed: int) -> list[bytes]:
    """Let a share of the events arrive later, by an exponential delay with this mean.

    0 days shuffle all events for a share of 1, and else bring the share of the latest events first: the past after live
    events.
    """
    chance = random.Random(seed)
    if share >= 1:
        return chance.sample(lines, len(lines))
    if not days:
        live = int((1 - share) * len(lines))
        return lines[live:] + lines[:live]
    times = [_decode(line).occurred_at.timestamp() for line in lines]
    arrival = [at + (chance.expovariate(1 / (86400 * days)) if chance.random() < share else 0) for at in times]
    return [lines[number] for number in sorted(range(len(lines)), key=arrival.__getitem__)]


def _late(seeds: Iterable[int]) -> Iterator[str]:
    yield "| events delayed | mean delay | late | large found | smaller found | false sellers |"
    yield "|---|---|---|---|---|---|"
    markets = [_market("bribes", seed, 150) for seed in seeds]
    cases = [(0.0, 1.0), *((share, days) for days in (1.0, 30.0) for share in (0.01, 0.05, 0.1, 0.2, 0.5))]
    cases += [(0.02, 0.0), (0.25, 0.0), (1.0, 0.0)]
    for share, days in cases:
        count, late, events = Counter[str](), 0, 0
        for seed, (lines, truth) in enumerate(markets):
            alerts: list[Alert] = []
            with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
                file.write(b"".join(line.rstrip(b"\n") + b"\n" for line in _delayed(lines, share, days, seed)))
                file.flush()
                result = replay(Settings(), file.name, 1, alerts.append)
            late, events = late + result.late, events + result.events
            count += _found(alerts, truth)
        delay = f"{days:g} days" if days else "shuffled" if share == 1 else "latest events first"
        yield f"| {share:.0%} | {delay} | {late / events:.1%} | {_columns(count)} |"


def _size(seeds: Iterable[int]) -> Iterator[str]:
    yield "| sellers | tasks | sellers a task | flips a task | large found | smaller found | false sellers |"
    yield "|---|---|---|---|---|---|---|"
    markets: list[tuple[list[tuple[Event, float]], list[Cheat]]] = []
    size = int(sys.argv[3])
    for seed in seeds:
        lines, truth = _market("cheats", seed, size)
        events = [_decode(line) for line in lines]
        markets.append(([(event, event.occurred_at.timestamp()) for event in events], truth))
    for tasks in (1, 4, 8, 16, 32):
        count, sellers, flips = Counter[str](), 0, 0
        for market, truth in markets:
            run = LocalTasks(3.0, "", tasks)
            alerts = [alert for event, at in market for alert in run.apply(event, at)]
            sellers += sum(len(task.state.sellers) for task in run.tasks)
            flips += sum(task.state.baseline.total_flips for task in run.tasks)
            count += _found(alerts, truth)
        runs = tasks * len(markets)
        yield f"| {size} | {tasks} | {sellers / runs:.0f} | {flips / runs:.0f} | {_columns(count)} |"


def _columns(count: Counter[str]) -> str:
    found = [f"{count[f'{size} found']} of {count[f'{size} planted']}" for size in ("large", "smaller")]
    return " | ".join([*found, str(count["false"])])


def main() -> None:
    """Print one table."""
    collect_less_often()
    table = {"late": _late, "size": _size}[sys.argv[1]]
    for line in table(range(int(sys.argv[2]))):
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
