"""`make simulate`: as many seeds as wanted; the first that goes wrong is told, and ends it.

Rule of this room: what is printed is enough to run a seed again and to see the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.markets import SIZES
from tests.simulation.run import Ran, run

#: Seeds between two lines of progress.
_EVERY = 100


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--first", type=int, default=1, help="the first one (default 1)")
    parser.add_argument("--scenario", choices=sorted(SIZES), help="this one only, else the seed says which")
    return parser.parse_args()


def _tell_failure(seed: int, scenario: str | None, what: str) -> None:
    again = f"python -m tests.simulation --seeds 1 --first {seed}" + (f" --scenario {scenario}" if scenario else "")
    _say(f"seed {seed} fails: {what}\nagain: {again}")


def _tried(seed: int, scenario: str | None) -> Ran | None:
    """Run a seed; None, and it is told, if it goes wrong."""
    ran = run(seed, scenario)
    if ran.wrong:
        feed = "a live feed" if ran.live else "a backlog"
        _tell_failure(seed, scenario, "\n  ".join([f"market {ran.market}, {feed}", *ran.wrong]))
        return None
    return ran


def main() -> int:
    """The exit code."""
    wanted, begun = _arguments(), time.monotonic()
    happened: Counter[str] = Counter()
    for done in range(wanted.seeds):
        ran = _tried(wanted.first + done, wanted.scenario)
        if ran is None:
            return 1
        happened.update(ran.happened)
        happened[f"scenario {ran.market.partition(' ')[0]}, {'live' if ran.live else 'backlog'}"] += 1
        if (done + 1) % _EVERY == 0:
            _say(f"{done + 1} of {wanted.seeds} seeds, {(done + 1) / (time.monotonic() - begun):.1f} a second")
    for what, count in sorted(happened.items()):
        _say(f"{count:8,} {what}")
    _say(f"all {wanted.seeds} seeds are right, {wanted.seeds / (time.monotonic() - begun):.1f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
