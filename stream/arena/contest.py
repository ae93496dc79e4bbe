"""The contest: every competitor processes every market, event by event.

Invariant: a competitor receives one event at a time, and nothing is evaluated here. A cheat can be found from its first
paid flip on; its earlier scores count neither for nor against the competitor. Sellers that cheat without a paid flip
(they bought removals, or no payment succeeded) count neither as cheats nor as honest.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from stream.arena.competitor import NO_EVIDENCE, Competitor, Factory
from stream.arena.product import Product
from stream.arena.records import Performance, ScoreTrajectory, StaffScore, append, is_simulated, read
from stream.arena.rings import score_rings
from stream.arena.roster import GROUPS
from stream.contract.events import CRITICAL_STARS, AnyEvent, ReviewDeleted, ReviewEdited, SellerEvent, SellerLinked
from stream.market.background import simulate_background
from stream.market.cheats import Cheat, Run
from stream.market.output import Market
from stream.market.simulate import simulate
from stream.market.truth import arranged
from stream.ops import event_files

#: Scenarios with one kind of cheat, one with all kinds and all confounders, and one with confounders only.
KINDS: Final = (
    *("bribes", "leaked", "hidden", "drip", "burst", "ring", "replier", "first_day", "cover", "old"),
    *("cheats", "confounded"),
)
_DECODER: Final = msgspec.json.Decoder(AnyEvent)
_DAY: Final = 86_400.0
_BOUNDS: Final = frozenset(GROUPS["bounds"].values())


def market_runs(kinds: Iterable[str], worlds: Iterable[int], seed: int, sellers: int, days: int) -> list[Run]:
    """Return a run for each kind in each world; a kind is a scenario or a file of real events.

    No two runs share a seed: otherwise the same honest sellers would count twice.
    """
    return [
        Run(kind, seed + 1000 * world + crc32(kind.encode()) % 1000, sellers, days, world)
        for world in worlds
        for kind in kinds
    ]


def as_is_runs(files: Iterable[Path]) -> list[Run]:
    """Return a run for each file of real events whose sellers are all taken as honest."""
    return [Run(str(file), seed=0, sellers=0, days=0, as_is=True) for file in dict.fromkeys(files)]


def run_contest(
    runs: list[Run], competitors: dict[str, Factory], path: Path, log: Callable[[str], None]
) -> list[Performance]:
    """Run the part of a contest that the file of results does not have yet, and append to the file.

    Bounds take no part in markets of real events: the hazards there are not known.

    Returns:
        The performances of all competitors in all runs, old and new.
    """
    results = {(one.run, one.name): one for one in read(path)}
    pairs = [
        (run, name) for run in runs for name in competitors if is_simulated(run) or competitors[name] not in _BOUNDS
    ]
    for number, run in enumerate(runs):
        missing = {name: competitors[name] for each, name in pairs if each == run and (each, name) not in results}
        if not missing:
            continue
        started = time.monotonic()
        market = make_market(run)
        events = sorted_events(market)
        which = "as it is" if run.as_is else f"world {run.world}"
        log(f"{number + 1}/{len(runs)} {run.scenario}, {which}: {len(events):,} events,"
            f" made in {time.monotonic() - started:.0f} s")  # fmt: skip
        for name, make in missing.items():
            performance = perform(run, name, make, market, events)
            append(path, performance)
            results[run, name] = performance
            log(f"  {name}: {performance.micros:.1f} us an event")
    return [results[pair] for pair in pairs]


def make_market(run: Run) -> Market:
    """Make the market of a run; a scenario without an entry is a file of real events, with planted cheats."""
    if run.as_is:
        with event_files.lines(run.scenario) as lines:
            return Market(list(lines), [], {}, run)
    if is_simulated(run):
        return simulate(run.scenario, run.seed, run.sellers, run.days, run.world)
    return simulate_background(Path(run.scenario), run.seed, run.world)


def sorted_events(market: Market) -> list[SellerEvent]:
    """Return the market's events sorted by time, without duplicates."""
    events: dict[str, SellerEvent] = {}
    for line in market.lines:
        event = _DECODER.decode(line)
        events.setdefault(event.event_id, event)
    return sorted(events.values(), key=lambda event: event.occurred_at)


def perform(run: Run, name: str, make: Factory, market: Market, events: list[SellerEvent]) -> Performance:
    """Run a competitor over all events of a market."""
    competitor = make(market)
    cheats = {cheat.seller_id: _CheatScores(cheat) for cheat in market.truth if cheat.seller_id}
    best: dict[str, float] = {}
    started = time.process_time()  # other processes do not count
    _score_events(competitor, events, cheats, best)
    seconds = time.process_time() - started
    common = set.intersection(*map(set, market.confounders.values())) if market.confounders else set()
    confounders = {seller: sorted({*names} - common) for seller, names in market.confounders.items() if seller in best}
    performance = Performance(
        run=run,
        name=name,
        events=len(events),
        days=(events[-1].occurred_at - events[0].occurred_at).total_seconds() / _DAY if events else 0.0,
        micros=seconds / max(len(events), 1) * 1e6,
        honest=best,
        confounders={seller: names for seller, names in confounders.items() if names},
        cheats={seller: one.trajectory for seller, one in cheats.items() if one.trajectory.paid_flips},
    )
    performance.seller_days = _seller_days(event for event in events if event.seller_id in best)
    if isinstance(competitor, Product):
        performance.has_alerts = True
        performance.accused = sorted(subject for kind, subject in competitor.accused if kind == "seller")
        performance.staff = _staff_scores(competitor, market)
        if market.groups:
            performance.rings = score_rings(
                arranged(market.truth, market.groups), competitor.named_rings(), competitor.named_reviewers()
            )
    return performance


def _score_events(
    competitor: Competitor, events: list[SellerEvent], cheats: dict[str, _CheatScores], best: dict[str, float]
) -> None:
    """Let the competitor learn all events; record the cheats' trajectories and the best score of all other sellers."""
    learn, score_of = competitor.learn_one, competitor.score_one
    for event in events:
        learn(event)
        score = score_of(event)
        seller_id = event.seller_id
        cheat = cheats.get(seller_id)
        if cheat is not None:
            cheat.add(event, score)
        elif score > best.get(seller_id, -math.inf):
            best[seller_id] = score


def _seller_days(events: Iterable[SellerEvent]) -> float:
    """Return the days from each seller's first event to its last, added up; links do not show that it is active."""
    first: dict[str, dt.datetime] = {}
    last: dict[str, dt.datetime] = {}
    for event in events:
        if not isinstance(event, SellerLinked):
            first.setdefault(event.seller_id, event.occurred_at)
            last[event.seller_id] = event.occurred_at
    return sum((last[seller_id] - since).total_seconds() for seller_id, since in first.items()) / _DAY


class _CheatScores:
    """Records the trajectory of a cheat's score."""

    def __init__(self, cheat: Cheat) -> None:
        self.trajectory = ScoreTrajectory(cheat.kind, cheat.paid_flips, [])
        self._since = dt.datetime.fromisoformat(cheat.started_at).timestamp()
        self._paid_left = set(cheat.paid_review_ids)
        self._best = -math.inf
        self._paid_flips = 0

    def add(self, event: SellerEvent, score: float) -> None:
        """Process an event of the cheat, and the score after it."""
        flipped = _flipped_review(event)
        if flipped in self._paid_left:
            self._paid_left.remove(flipped)
            self._paid_flips += 1
        if self._paid_flips and score > self._best:
            self._best = score
            days = (event.occurred_at.timestamp() - self._since) / _DAY
            self.trajectory.steps.append((round(days, 3), score, self._paid_flips))


def _flipped_review(event: SellerEvent) -> str:
    """Return the id of the review that this event flips if it was critical; otherwise an empty string."""
    if isinstance(event, ReviewEdited):
        return event.review_id if event.rating > CRITICAL_STARS else ""
    return event.review_id if isinstance(event, ReviewDeleted) and event.deleted_by == "author" else ""


def _staff_scores(product: Product, market: Market) -> dict[str, StaffScore]:
    """Return the product's results for all staff members, with what the insiders sold."""
    insiders = {cheat.actor_id: cheat for cheat in market.truth if cheat.actor_id}
    scores: dict[str, StaffScore] = {}
    for name in sorted({*product.staff, *insiders}):
        one = scores[name] = StaffScore(product.staff.get(name, NO_EVIDENCE), ("staff", name) in product.accused)
        if name in insiders:
            one.sold, one.paid_flips = insiders[name].kind, insiders[name].paid_flips
    return scores
