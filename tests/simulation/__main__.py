"""`make simulate`: runs seeds and stops at the first seed that fails.

Invariant: the printed command runs a failing seed again with the same result.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.input_markets import MARKET_SPECS
from tests.simulation.seed_run import SeedResult, run

#: Seeds between two lines of progress.
_PROGRESS_SEEDS = 100


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="number of seeds (default 1000)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--scenario", choices=sorted(MARKET_SPECS), help="run only this scenario (default: by seed)")
    return parser.parse_args()


def _print_failure(seed: int, scenario: str | None, problems: str) -> None:
    command = f"python -m tests.simulation --seeds 1 --first {seed}" + (f" --scenario {scenario}" if scenario else "")
    _print(f"seed {seed} fails: {problems}\nagain: {command}")


def _run_seed(seed: int, scenario: str | None) -> SeedResult | None:
    """Run a seed; if it fails, print the failure and return None."""
    result = run(seed, scenario)
    if result.problems:
        feed = "a live feed" if result.live else "a backlog"
        _print_failure(seed, scenario, "\n  ".join([f"market {result.market}, {feed}", *result.problems]))
        return None
    return result


def main() -> int:
    """Run the seeds; return the exit code."""
    arguments, started = _arguments(), time.monotonic()
    counts: Counter[str] = Counter()
    for done in range(arguments.seeds):
        result = _run_seed(arguments.first + done, arguments.scenario)
        if result is None:
            return 1
        counts.update(result.counts)
        counts[f"scenario {result.market.partition(' ')[0]}, {'live' if result.live else 'backlog'}"] += 1
        if (done + 1) % _PROGRESS_SEEDS == 0:
            _print(f"{done + 1} of {arguments.seeds} seeds, {(done + 1) / (time.monotonic() - started):.1f} a second")
    for name, count in sorted(counts.items()):
        _print(f"{count:8,} {name}")
    _print(f"all {arguments.seeds} seeds pass, {arguments.seeds / (time.monotonic() - started):.1f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
