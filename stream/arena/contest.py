"""The contest: every competitor sees every market, event by event.

Rule of this room: nobody sees more than an event at a time, and nothing is judged here. A cheat can be found from its
first paid flip on: what was thought of it before counts neither for it nor against it. Sellers who cheat in ways that
leave no paid flip (they bought removals, or nobody took their money) are neither cheats nor honest, and are left out.
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

from stream.arena.competitor import NOTHING, Competitor, Factory
from stream.arena.product import Product
from stream.arena.records import Course, Performance, Staff, append, take_up
from stream.events import CRITICAL_STARS, AnyEvent, Event, ReviewDeleted, ReviewEdited
from stream.market.background import simulate_background
from stream.market.cheats import Cheat, Run
from stream.market.output import Market
from stream.market.simulate import SCENARIOS, simulate

#: Each kind of cheat alone, all kinds among all confounders, and confounders without a cheat.
KINDS: Final = (
    *("bribes", "leaked", "hidden", "drip", "burst", "ring", "replier", "first_day", "cover", "old"),
    *("cheats", "confounded"),
)
_DECODER: Final = msgspec.json.Decoder(AnyEvent)
_DAY: Final = 86_400.0


def rounds(kinds: Iterable[str], worlds: Iterable[int], seed: int, sellers: int, days: int) -> list[Run]:
    """All kinds, scenarios or files of real events, in all worlds.

    No two have a seed in common, or the same honest sellers would be counted twice.
    """
    return [
        Run(kind, seed + 1000 * world + crc32(kind.encode()) % 1000, sellers, days, world)
        for world in worlds
        for kind in kinds
    ]


def hold(where: list[Run], who: dict[str, Factory], path: Path, say: Callable[[str], None]) -> list[Performance]:
    """Hold what is missing of a contest, line by line into a file; all performances that were asked for."""
    there = {(one.run, one.name): one for one in take_up(path)}
    for number, ground in enumerate(where):
        missing = {name: make for name, make in who.items() if (ground, name) not in there}
        if not missing:
            continue
        begun = time.monotonic()
        market = made(ground)
        events = in_order(market)
        say(f"{number + 1}/{len(where)} {ground.scenario}, world {ground.world}: {len(events):,} events,"
            f" made in {time.monotonic() - begun:.0f} s")  # fmt: skip
        for name, make in missing.items():
            performance = perform(ground, name, make, market, events)
            append(path, performance)
            there[ground, name] = performance
            say(f"  {name}: {performance.micros:.1f} us an event")
    return [there[ground, name] for ground in where for name in who]


def made(ground: Run) -> Market:
    """The market; what is no scenario is a file of real events, among which cheats are planted."""
    if ground.scenario in SCENARIOS:
        return simulate(ground.scenario, ground.seed, ground.sellers, ground.days, ground.world)
    return simulate_background(Path(ground.scenario), ground.seed, ground.world)


def in_order(market: Market) -> list[Event]:
    """The market's events by their times, each once."""
    events: dict[str, Event] = {}
    for line in market.lines:
        event = _DECODER.decode(line)
        events.setdefault(event.event_id, event)
    return sorted(events.values(), key=lambda event: event.occurred_at)


def perform(ground: Run, name: str, make: Factory, market: Market, events: list[Event]) -> Performance:
    """Show a competitor all events."""
    competitor = make(market)
    cheats = {cheat.seller_id: _Watched(cheat) for cheat in market.truth if cheat.seller_id}
    best: dict[str, float] = {}
    begun = time.process_time()  # whatever else the machine is busy with
    _show(competitor, events, cheats, best)
    seconds = time.process_time() - begun
    everybody = set.intersection(*map(set, market.befallen.values())) if market.befallen else set()
    befallen = {who: sorted({*what} - everybody) for who, what in market.befallen.items() if who in best}
    performance = Performance(
        run=ground,
        name=name,
        events=len(events),
        days=(events[-1].occurred_at - events[0].occurred_at).total_seconds() / _DAY if events else 0.0,
        micros=seconds / max(len(events), 1) * 1e6,
        honest=best,
        befallen={who: what for who, what in befallen.items() if what},
        cheats={seller_id: one.course for seller_id, one in cheats.items() if one.course.paid_flips},
    )
    if isinstance(competitor, Product):
        performance.accused = sorted(who for what, who in competitor.accused if what == "seller")
        performance.staff = _staff(competitor, market)
    return performance


def _show(competitor: Competitor, events: list[Event], cheats: dict[str, _Watched], best: dict[str, float]) -> None:
    """Let it learn event by event, and keep how cheats' scores rise and the best of all others."""
    learn, score_of = competitor.learn_one, competitor.score_one
    for event in events:
        learn(event)
        score = score_of(event)
        seller_id = event.seller_id
        cheat = cheats.get(seller_id)
        if cheat is not None:
            cheat.see(event, score)
        elif score > best.get(seller_id, -math.inf):
            best[seller_id] = score


class _Watched:
    """A cheat whose score is watched."""

    def __init__(self, cheat: Cheat) -> None:
        self.course = Course(cheat.kind, cheat.paid_flips, [])
        self._since = dt.datetime.fromisoformat(cheat.started_at).timestamp()
        self._to_come = set(cheat.paid_review_ids)
        self._best = -math.inf
        self._so_far = 0

    def see(self, event: Event, score: float) -> None:
        """An event of its own, and its score after that."""
        paid = _flipped(event)
        if paid in self._to_come:
            self._to_come.remove(paid)
            self._so_far += 1
        if self._so_far and score > self._best:
            self._best = score
            days = (event.occurred_at.timestamp() - self._since) / _DAY
            self.course.steps.append((round(days, 3), score, self._so_far))


def _flipped(event: Event) -> str:
    """The review that flips by this event, if it was critical; else nothing."""
    if isinstance(event, ReviewEdited):
        return event.review_id if event.rating > CRITICAL_STARS else ""
    return event.review_id if isinstance(event, ReviewDeleted) and event.deleted_by == "author" else ""


def _staff(product: Product, market: Market) -> dict[str, Staff]:
    """What it says of all staff, and what they sold."""
    rogues = {cheat.actor_id: cheat for cheat in market.truth if cheat.actor_id}
    told: dict[str, Staff] = {}
    for name in sorted({*product.staff, *rogues}):
        one = told[name] = Staff(product.staff.get(name, NOTHING), ("staff", name) in product.accused)
        if name in rogues:
            one.sold, one.paid_flips = rogues[name].kind, rogues[name].paid_flips
    return told
