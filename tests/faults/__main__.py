"""Markets processed by workers that crash, freeze, stop and join, on a Kafka that fails and has ordinary troubles.

Each round has a market with verdicts, a group and topics of its own. At its end, state, alerts, cases and dead letters
must equal those of a clean replay of all records that did not expire unread. The first round that differs ends the run
and prints its seed.
The environment variable MINUTES sets the duration (30), SEED (1) the choices, KAFKA_VERSION the broker's version.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from stream.market import simulate
from stream.ops.kafka_distribution import VERSION
from tests.faults.conditions import Conditions
from tests.faults.fault_schedule import FaultSchedule, is_idle, stop_all
from tests.faults.kafka_troubles import KafkaTroubles, reported_gaps
from tests.faults.outcome import assert_equals
from tests.faults.restricted import RestrictedBroker
from tests.faults.round_inputs import RoundInputs, with_garbage, with_verdicts
from tests.faults.summary import Summary
from tests.kafka.cases import by_id
from tests.kafka.group import Group, Worker, replay

MINUTES: Final = float(os.environ.get("MINUTES", "30"))
SEED: Final = int(os.environ.get("SEED", "1"))
KAFKA_VERSION: Final = os.environ.get("KAFKA_VERSION", VERSION)
#: "dirty" has late, repeated and disordered events; the others have staff whose clients lie in several tasks.
_SCENARIOS: Final = ("dirty", "access", "dirty", "removals")
#: A loss comes after at most this many other faults of its round.
_FAULTS_BEFORE_LOSS: Final = 3


class Round:
    """One market in one group.

    Args:
        number: Of the round, from 0; it decides the scenario, and with SEED all choices.
        kafka: The broker.
        faults: The faults of the run.
        folder: For the round's files.
    """

    def __init__(self, number: int, kafka: RestrictedBroker, faults: FaultSchedule, folder: Path) -> None:
        self.scenario, self.seed = _SCENARIOS[number % len(_SCENARIOS)], SEED + number
        self.chance = Random(self.seed)
        self.conditions = Conditions(self.chance)
        self.group = Group(f"faults-{number}", kafka.user, folder)
        self.conditions.apply(self.group, kafka.administrator)
        self.inputs = RoundInputs(self.group, self.chance, self.conditions.odd_headers, self.conditions.draw_codec)
        self.troubles = KafkaTroubles(self.group, self.inputs, kafka, self.chance)
        self._faults = faults
        self._folder = folder
        self._number = number
        self._faults_before_loss = self.chance.randint(1, _FAULTS_BEFORE_LOSS)

    @property
    def drawn(self) -> list[str]:
        """The conditions and the loss of the round."""
        return [*self.conditions.names, *filter(None, [self.conditions.loss])]

    def run(self) -> str:
        """Run the market, its second part after the first part is done; return one line about the outcome."""
        file, truth = self._folder / "market.jsonl", self._folder / "truth.jsonl"
        simulate.write(self.scenario, self.seed, 100, 160, file, truth)
        # A verdict that is late must not be in another part than the ones before it: see below.
        disorder = self.scenario == "dirty"
        events = with_verdicts(file.read_bytes().splitlines(), truth, self.group.settings, self.chance, disorder)
        lines = with_garbage(events, self.chance)
        # At the end of a part the tasks apply all events that they hold for reordering, which a replay does not do.
        first = len(lines) if self.scenario == "dirty" else len(lines) * (self._number % 3 + 6) // 10
        self._faults.max_workers = self.conditions.max_workers
        injected = 0
        try:
            for part in (lines[:first], lines[first:]):
                # A part is fed completely before it is read: the order of a feed much faster than real time is
                # undefined.
                stop_all(self.group)
                self.inputs.send(part)
                for _ in range(self.conditions.first_workers):
                    Worker(self.group)
                injected += self._inject_until_idle()
            outcome = self._compare()
        finally:
            for worker in self.group.workers:
                worker.kill()
        return f"{len(lines):,} records, {injected} faults, {outcome}"

    def _inject_until_idle(self) -> int:
        """Inject faults until all records are read; return their number."""
        injected = 0
        while not is_idle(self.group) or injected < 2:
            self._faults.pause()
            if self.conditions.loss is not None and self._faults_before_loss == 0:
                loss = self.conditions.loss
                self._faults.run(self.group, loss, partial(self.troubles.lose, loss))
            else:
                self._faults.inject(self.group, self.troubles.kinds)
            self._faults_before_loss -= 1
            injected += 1
        return injected

    def _compare(self) -> str:
        stop_all(self.group)
        gaps = [gap for gap in reported_gaps(self.group) if gap["topic"] in self.group.settings.input_topics]
        lost = {(gap["topic"], gap["partition"], offset) for gap in gaps for offset in range(gap["first"], gap["last"])}
        processed = self._folder / "processed.jsonl"
        missing = self.inputs.write_processed(lost, processed)
        assert missing == len(lost), f"{len(lost)} records are reported as expired, {missing} of them were sent"
        expected, ids = replay(processed, self._folder)
        Worker(self.group)
        self.group.wait_for_state(expected)
        stop_all(self.group)
        cases = by_id((self._folder / "cases.jsonl").read_text().splitlines())
        assert_equals(self.group, expected, ids, cases, self.troubles.written_since)
        failed = sum(worker.process.returncode not in (0, -9, -15) for worker in self.group.workers)
        found = f"{len(ids)} alerts, {len(cases)} cases, {missing} records expired unread"
        return f"{found}, {failed} workers ended by themselves"


def main() -> int:
    """Run rounds until the time is over; return the exit code."""
    until, number, summary = time.monotonic() + 60 * MINUTES, 0, Summary()
    kafka = RestrictedBroker(KAFKA_VERSION)
    _print(f"Kafka {KAFKA_VERSION}, SEED={SEED}, {MINUTES:g} minutes")
    with tempfile.TemporaryDirectory(prefix="volteface-faults-") as name, kafka.broker:
        kafka.give_all_rights()
        faults = FaultSchedule(SEED, kafka.broker)
        while time.monotonic() < until:
            folder = Path(name) / str(number)
            folder.mkdir()
            current = Round(number, kafka, faults, folder)
            drawn = ", ".join(current.drawn) or "nothing"
            title = f"round {number + 1}, {current.scenario}, seed {current.seed}, drawn: {drawn}"
            try:
                outcome = current.run()
            except Exception:  # whatever fails ends the run, with the round's choices
                log = (folder / "worker.log").read_text(errors="replace").splitlines()[-40:]
                _print("\n".join([*log, traceback.format_exc(), f"{title}: DIFFERS OR FAILS"]))
                _print(summary.table(faults))
                return 1
            _print(f"{title}: {outcome}: equal to a replay")
            summary.add(current.drawn)
            number += 1
    _print(f"\n{number} rounds, {faults.counts.total()} faults, all equal to a replay\n\n{summary.table(faults)}")
    return 0


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
