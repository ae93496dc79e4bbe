"""A seeded market: honest sellers of different tempers, and cheats who bribe after contact.

Rule of this room: a seller's life depends on the seed and its own number only, so markets of different sizes share
their sellers. Events are the contract's, in the order of their times; `truth` names the cheats and what they paid.
"""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from stream.market.hazards import DAY, flip_at

START: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp()
_CHANNELS: Final = ("message", "public_reply", "refund", "replacement", "coupon")


@dataclass(frozen=True)
class Scenario:
    """What a market holds."""

    cheats: float = 0.04  #: share of sellers who cheat


SCENARIOS: Final = {"bribes": Scenario(), "honest": Scenario(cheats=0.0)}


@dataclass
class Truth:
    """One cheat: since when, and the reviews that were paid for."""

    seller_id: str
    kind: str
    started_at: str
    paid_flips: int = 0
    paid_review_ids: list[str] = field(default_factory=list)


def write(scenario: str, seed: int, sellers: int, days: int, out: Path, truth: Path) -> int:
    """Write a market's events and its truth as JSON lines (`.gz` by name); the number of events."""
    events, cheats = market(scenario, seed, sellers, days)
    with gzip.open(out, "wb", 6) if out.suffix == ".gz" else out.open("wb") as file:
        file.writelines(msgspec.json.encode(event) + b"\n" for event in events)
    truth.write_bytes(b"".join(msgspec.json.encode(cheat) + b"\n" for cheat in cheats))
    return len(events)


def market(scenario: str, seed: int, sellers: int, days: int) -> tuple[list[dict[str, Any]], list[Truth]]:
    """Events in the order of their times, and the cheats; raises ValueError for a scenario that is not known."""
    if scenario not in SCENARIOS:
        raise ValueError(f"no scenario {scenario!r}: there are {', '.join(sorted(SCENARIOS))}")
    cheats = round(SCENARIOS[scenario].cheats * sellers)
    lives = [_Life(seed, number, days, cheat=number < cheats) for number in range(sellers)]
    found: list[tuple[float, str, dict[str, Any]]] = []
    for life in lives:
        for count, (at, event) in enumerate(life.events()):
            event_id = f"{life.seller_id}-{count:x}"
            when = dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            found.append((round(at, 3), event_id, {"event_id": event_id, "occurred_at": when, **event}))
    found.sort(key=lambda item: item[:2])
    return [event for _, _, event in found], [life.truth for life in lives if life.truth is not None]


class _Life:
    """One seller, from the first day to the last."""

    def __init__(self, seed: int, number: int, days: int, cheat: bool) -> None:
        self._random = random = np.random.default_rng([seed, number])
        self.seller_id = f"seller-{number:04d}"
        self._until = START + days * DAY
        self._reviews = int(random.poisson(days * min(random.lognormal(0.6, 0.8), 20)))
        self._critical = random.beta(8, 26)  # share of critical reviews, 24 % in the mean
        self._temper = random.gamma(2, 1 / 2)  # sellers differ several-fold in how many they win back
        self._contacts = random.uniform(0, 0.6)  # share of critical reviewers written to
        self._products = int(random.integers(1, 9))
        self._power = random.uniform(0.25, 0.6)
        self._retracts = random.uniform(0.3, 0.7)
        self._cheats_from = START + random.uniform(0.2, 0.6) * days * DAY
        self.truth: Truth | None = None
        if cheat:
            since = dt.datetime.fromtimestamp(self._cheats_from, dt.UTC).isoformat(timespec="seconds")
            self.truth = Truth(self.seller_id, "bribes", since)

    def events(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """All its events, review by review."""
        births = np.sort(self._random.uniform(START, self._until, self._reviews))
        for count, at in enumerate(births):
            yield from self._review(count, float(at))

    def _review(self, count: int, born: float) -> Iterator[tuple[float, dict[str, Any]]]:
        random = self._random
        critical = random.random() < self._critical
        rating = int(random.choice([1, 2, 3], p=[0.5, 0.2, 0.3]) if critical else random.choice([4, 5], p=[0.3, 0.7]))
        about = {
            "seller_id": self.seller_id,
            "review_id": f"r{self.seller_id[7:]}x{count}",
            "reviewer_id": f"u{self.seller_id[7:]}x{count}",
        }
        what = about | {"product_id": f"p{self.seller_id[7:]}x{random.integers(self._products)}"}
        yield born, {"type": "review.created", **what, "rating": rating}
        if critical:
            yield from self._aftermath(about, what, rating, born)

    def _aftermath(
        self, about: dict[str, Any], what: dict[str, Any], rating: int, born: float
    ) -> Iterator[tuple[float, dict[str, Any]]]:
        """A critical review's contacts, and its flip if it has one."""
        random = self._random
        contacted = born + random.lognormal(0.3, 1.0) * DAY if random.random() < self._contacts else None
        flip = flip_at(born, contacted, self._temper, random.exponential(), self._until)
        retracted = random.random() < 0.18
        channel = str(random.choice(_CHANNELS, p=[0.5, 0.2, 0.12, 0.1, 0.08]))
        asked = born + random.lognormal(0.3, 0.8) * DAY
        if self.truth is not None and asked > self._cheats_from:
            paid = asked + random.lognormal(0.7, 0.8) * DAY
            contacted, channel = asked, str(random.choice(["message", "gift_card", "refund"]))
            pays = random.random() < self._power and paid < self._until and (flip is None or flip > asked)
            if pays and (flip is None or paid < flip):
                flip, retracted = paid, random.random() < self._retracts
                self.truth.paid_flips += 1
                self.truth.paid_review_ids.append(about["review_id"])
        if contacted is not None and contacted < self._until and (flip is None or contacted < flip):
            yield contacted, {"type": "outreach.sent", **about, "channel": channel}
        if flip is None:
            return
        if retracted:
            yield flip, {"type": "review.deleted", **what, "deleted_by": "author", "rating": rating}
        else:
            better = int(random.choice([4, 5], p=[0.3, 0.7]))
            yield flip, {"type": "review.edited", **what, "rating": better, "previous_rating": rating}
