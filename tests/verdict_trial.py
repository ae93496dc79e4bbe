"""What verdicts do to later alerts: the same markets with simulated analysts, who err now and then, and without.

Invariant: all variants see the same markets at the same budget. `make verdicts` prints the table; the variables SEEDS
(12), SELLERS (300) and DAYS (360) change the run.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import Final

import msgspec

from stream.arena.analysts import SimulatedAnalysts, answered
from stream.arena.contest import sorted_events
from stream.arena.product import BUDGET
from stream.contract.events import SellerEvent
from stream.market.output import Market
from stream.market.simulate import simulate
from stream.offline.local_bus import LocalTasks

SEEDS: Final = int(os.environ.get("SEEDS", "12"))
SELLERS: Final = int(os.environ.get("SELLERS", "300"))
DAYS: Final = int(os.environ.get("DAYS", "360"))
#: The shares of wrong verdicts; None: there are no analysts.
ERROR_SHARES: Final = (None, 0.0, 0.1, 0.3)
#: A cheat with fewer paid flips counts neither as a cheat nor as honest.
_LEAST_PAID_FLIPS: Final = 8


class Outcome(msgspec.Struct):
    """The alerts of one variant, over all markets.

    Attributes:
        false_alerts, false_sellers: Alerts on honest sellers, and the sellers.
        true_alerts, found: Alerts on cheats, and the cheats with enough paid flips.
        found_staff, false_staff: Insiders and honest staff that were accused.
        verdicts: Recorded verdicts.
    """

    false_alerts: int = 0
    false_sellers: int = 0
    true_alerts: int = 0
    found: int = 0
    found_staff: int = 0
    false_staff: int = 0
    verdicts: int = 0


class Trial:
    """All variants over several markets."""

    def __init__(self) -> None:
        self.outcomes = {share: Outcome() for share in ERROR_SHARES}
        self.cheats = 0
        self.staff = 0
        self.honest_years = 0.0

    def add(self, market: Market, seed: int) -> None:
        """Run all variants on a market."""
        events = sorted_events(market)
        sellers = {cheat.seller_id: cheat.paid_flips for cheat in market.truth if cheat.seller_id}
        staff = {cheat.actor_id for cheat in market.truth if cheat.actor_id}
        self.cheats += len([name for name, paid in sellers.items() if paid >= _LEAST_PAID_FLIPS])
        self.staff += len(staff)
        seen = {event.seller_id for event in events}
        years = (events[-1].occurred_at - events[0].occurred_at).total_seconds() / (365 * 86_400)
        self.honest_years += len(seen - sellers.keys()) * years
        for share in ERROR_SHARES:
            _run(self.outcomes[share], events, sellers, staff, share, seed)


def _run(
    outcome: Outcome,
    events: list[SellerEvent],
    sellers: dict[str, int],
    staff: set[str],
    error_share: float | None,
    seed: int,
) -> None:
    tasks = LocalTasks(BUDGET, "trial", 1)
    alerts = Counter[tuple[str, str]]()
    if error_share is None:
        for one in events:
            for alert in tasks.apply(one, one.occurred_at.timestamp()):
                alerts[alert.subject.type, alert.subject.id] += 1
    else:
        analysts = SimulatedAnalysts({*sellers, *staff}, error_share, seed=seed)
        for event, found in answered(events, tasks, analysts):
            outcome.verdicts += not isinstance(event, SellerEvent)
            for alert in found:
                alerts[alert.subject.type, alert.subject.id] += 1
    for (kind, name), count in alerts.items():
        if kind == "seller" and name in sellers:
            outcome.true_alerts += count
            outcome.found += sellers[name] >= _LEAST_PAID_FLIPS
        elif kind == "seller":
            outcome.false_alerts += count
            outcome.false_sellers += 1
        elif kind == "staff":
            outcome.found_staff += name in staff
            outcome.false_staff += name not in staff


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the trial and print its table."""
    trial = Trial()
    for seed in range(SEEDS):
        trial.add(simulate("cheats", 300 + seed, SELLERS, DAYS, world=seed % 6), seed)
        sys.stderr.write(f"market {seed + 1} of {SEEDS}\n")
    columns = ["verdicts", "recorded", "alerts on honest sellers", "honest sellers accused", "a 1,000 seller-years"]
    columns += [f"cheats found, of {trial.cheats}", "alerts on them", f"insiders, of {trial.staff}", "honest staff"]
    _print("| " + " | ".join(columns) + " |")
    _print("|---" * len(columns) + "|")
    for share, one in trial.outcomes.items():
        name = "none" if share is None else f"{100 * share:.0f} % wrong"
        rate = 1000 * one.false_alerts / trial.honest_years
        values: list[object] = [one.verdicts, one.false_alerts, one.false_sellers, f"{rate:.2f}", one.found]
        values += [one.true_alerts, one.found_staff, one.false_staff]
        _print("| " + " | ".join(map(str, [name, *values])) + " |")


if __name__ == "__main__":
    main()
