"""Markets through workers that are killed, frozen, ended and joined, on a broker that comes and goes.

Each round has a market, a group and topics of its own; when it is done, state, alerts and sums must be those of a clean
replay. The first round that differs ends the run with its seed. It lasts MINUTES (30); SEED (1) chooses what happens.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from stream.config import KafkaSettings
from stream.market import simulate
from stream.ops.broker import Broker
from tests.faults.trouble import Trouble, end_all, idle
from tests.kafka.group import Group, Worker, replay

MINUTES: Final = float(os.environ.get("MINUTES", "30"))
SEED: Final = int(os.environ.get("SEED", "1"))
#: With late, repeated and disordered events; and with staff whose clients lie in several tasks.
_SCENARIOS: Final = ("dirty", "access", "dirty", "removals")


def round_of(number: int, broker: Broker, trouble: Trouble, folder: Path) -> int:
    """One market, a part of it fed when all before it is done; the number of its events."""
    scenario, seed = _SCENARIOS[number % len(_SCENARIOS)], SEED + number
    events, parts = folder / "market.jsonl", (folder / "backlog.jsonl", folder / "rest.jsonl")
    total = simulate.write(scenario, seed, 100, 160, events, folder / "truth.jsonl")
    # Events in disorder are put right while the stream goes on; a cut in their midst would be no replay's.
    _split(events, parts, total if scenario == "dirty" else total * (number % 3 + 6) // 10)
    expected, ids = replay(events, folder)
    group = Group(f"faults-{number}", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), folder)
    try:
        struck = 0
        for part in parts:
            # All of a part is there before any of it is read: of a feed faster than life no order is promised.
            end_all(group)
            group.command("feed", "--input", str(part))
            Worker(group)
            struck += _strike_until_idle(group, trouble)
        group.settle(expected)
        end_all(group)
        group.assert_equals(expected, ids)
        dead = [json.loads(line) for line in group.command("dlq", "list").splitlines()]
        assert len(dead) == expected["dead"]
    finally:
        for worker in group.workers:
            worker.kill()
    outcome = f"{total:,} events, {struck} faults, {len(ids)} alerts: as a replay"
    _say(f"round {number + 1}, {scenario}, seed {seed}: {outcome}")
    return total


def _split(events: Path, parts: tuple[Path, Path], first: int) -> None:
    with events.open() as lines, parts[0].open("w") as backlog, parts[1].open("w") as rest:
        for number, line in enumerate(lines):
            (backlog if number < first else rest).write(line)


def _strike_until_idle(group: Group, trouble: Trouble) -> int:
    """Trouble until all is read; how often."""
    struck = 0
    while not idle(group) or struck < 2:
        trouble.pause()
        trouble.strike(group)
        struck += 1
    return struck


def main() -> int:
    """Until the minutes are over; the exit code."""
    until, number, events = time.monotonic() + 60 * MINUTES, 0, 0
    with tempfile.TemporaryDirectory(prefix="volteface-faults-") as name, Broker(data=Path(name) / "kafka") as broker:
        trouble = Trouble(SEED, broker)
        while time.monotonic() < until:
            folder = Path(name) / str(number)
            folder.mkdir()
            try:
                events += round_of(number, broker, trouble, folder)
            except AssertionError as error:
                log = (folder / "worker.log").read_text().splitlines()[-30:]
                _say("\n".join([*log, f"round {number + 1}, SEED={SEED}: {error}", f"so far {dict(trouble.counts)}"]))
                return 1
            number += 1
    _say(f"\n{number} rounds, {events:,} events, {trouble.counts.total()} faults; at work again after, in seconds:")
    for kind, count in trouble.counts.most_common():
        seconds = trouble.recovered_seconds[kind]
        _say(f"{kind:30} {count:>4}  median {statistics.median(seconds):5.1f}  longest {max(seconds):5.1f}")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
