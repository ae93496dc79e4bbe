"""Markets processed by workers that crash, freeze, stop and join, on a broker that fails and restarts.

Each round has a market, a group and topics of its own. At its end, state, alerts and event counts must equal those of a
clean replay. The first round that differs ends the run and prints its seed. The environment variable MINUTES sets the
duration (30), SEED (1) the choice of the faults.
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
from tests.faults.fault_schedule import FaultSchedule, is_idle, stop_all
from tests.kafka.group import Group, Worker, replay

MINUTES: Final = float(os.environ.get("MINUTES", "30"))
SEED: Final = int(os.environ.get("SEED", "1"))
#: "dirty" has late, repeated and disordered events; the others have staff whose clients lie in several tasks.
_SCENARIOS: Final = ("dirty", "access", "dirty", "removals")


def run_round(number: int, broker: Broker, faults: FaultSchedule, folder: Path) -> int:
    """Run one market, its second part after the first part is done; return the number of its events."""
    scenario, seed = _SCENARIOS[number % len(_SCENARIOS)], SEED + number
    events, parts = folder / "market.jsonl", (folder / "backlog.jsonl", folder / "rest.jsonl")
    total = simulate.write(scenario, seed, 100, 160, events, folder / "truth.jsonl")
    # At the end of a part the tasks apply all events that they hold for reordering, which a replay does not do.
    _split(events, parts, total if scenario == "dirty" else total * (number % 3 + 6) // 10)
    expected, ids = replay(events, folder)
    group = Group(f"faults-{number}", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), folder)
    try:
        injected = 0
        for part in parts:
            # A part is fed completely before it is read: the order of a feed much faster than real time is undefined.
            stop_all(group)
            group.command("feed", "--input", str(part))
            Worker(group)
            injected += _inject_until_idle(group, faults)
        group.wait_for_state(expected)
        stop_all(group)
        group.assert_equals(expected, ids)
        dead = [json.loads(line) for line in group.command("dlq", "list").splitlines()]
        assert len(dead) == expected["dead"]
    finally:
        for worker in group.workers:
            worker.kill()
    outcome = f"{total:,} events, {injected} faults, {len(ids)} alerts: equal to a replay"
    _print(f"round {number + 1}, {scenario}, seed {seed}: {outcome}")
    return total


def _split(events: Path, parts: tuple[Path, Path], first: int) -> None:
    with events.open() as lines, parts[0].open("w") as backlog, parts[1].open("w") as rest:
        for number, line in enumerate(lines):
            (backlog if number < first else rest).write(line)


def _inject_until_idle(group: Group, faults: FaultSchedule) -> int:
    """Inject faults until all records are read; return their number."""
    injected = 0
    while not is_idle(group) or injected < 2:
        faults.pause()
        faults.inject(group)
        injected += 1
    return injected


def main() -> int:
    """Run rounds until the time is over; return the exit code."""
    until, number, events = time.monotonic() + 60 * MINUTES, 0, 0
    with tempfile.TemporaryDirectory(prefix="volteface-faults-") as name, Broker(data=Path(name) / "kafka") as broker:
        faults = FaultSchedule(SEED, broker)
        while time.monotonic() < until:
            folder = Path(name) / str(number)
            folder.mkdir()
            try:
                events += run_round(number, broker, faults, folder)
            except AssertionError as error:
                log = (folder / "worker.log").read_text().splitlines()[-30:]
                _print("\n".join([*log, f"round {number + 1}, SEED={SEED}: {error}", f"so far {dict(faults.counts)}"]))
                return 1
            number += 1
    _print(
        f"\n{number} rounds, {events:,} events, {faults.counts.total()} faults; seconds until events are applied again:"
    )
    for kind, count in faults.counts.most_common():
        seconds = faults.recovery_seconds[kind]
        _print(f"{kind:30} {count:>4}  median {statistics.median(seconds):5.1f}  longest {max(seconds):5.1f}")
    return 0


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
