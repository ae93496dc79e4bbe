"""The table of a run: what was drawn and injected, and how long it took until events were applied again."""

from __future__ import annotations

import statistics
from collections import Counter

from tests.faults.fault_schedule import FaultSchedule


class Summary:
    """Counts the rounds that equalled a replay by what was drawn for them."""

    def __init__(self) -> None:
        self._rounds: Counter[str] = Counter()
        self._total = 0

    def add(self, drawn: list[str]) -> None:
        """Count a round that equalled a replay."""
        self._rounds.update(drawn)
        self._total += 1

    def table(self, faults: FaultSchedule) -> str:
        """Return two tables in Markdown: the conditions of rounds, and the faults and troubles within rounds."""
        lines = ["| condition of a round | rounds, equal to a replay |", "|---|---|"]
        lines += [f"| {name} | {count} of {self._total} |" for name, count in sorted(self._rounds.items())]
        lines += ["", "| fault or trouble | times | recovery, median | longest |", "|---|---|---|---|"]
        for name, count in faults.counts.most_common():
            seconds = faults.recovery_seconds[name]
            if seconds:
                times = f"{statistics.median(seconds):.1f} s | {max(seconds):.1f} s"
                lines.append(f"| {name} | {count} | {times} |")
        return "\n".join(lines)
