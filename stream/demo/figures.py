"""The demonstration's figures: a worker's /metrics, and how a market's alerts compare with its truth."""

from __future__ import annotations

import urllib.request
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from stream.contract.alerts import Alert
from stream.market.truth import read_truth

#: The rate is that of the latest seconds.
_RATE_SECONDS: Final = 5.0
_WAITING: Final = ("open", "appealed")


class Figures(NamedTuple):
    """Counts of a worker.

    Attributes:
        applied: Events applied.
        lag: Records that are in Kafka and not yet applied.
        flips: Critical reviews that were upgraded or deleted.
        open_cases, decided_cases: Cases that wait for a person, and all others.
    """

    applied: int = 0
    lag: int = 0
    flips: int = 0
    open_cases: int = 0
    decided_cases: int = 0


def read(url: str) -> Figures | None:
    """Return the counts of a /metrics page; None if nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            page = answer.read().decode()
    except OSError:
        return None
    return parse(page)


def parse(page: str) -> Figures:
    """Return the counts of a page of metrics."""
    applied = lag = flips = waiting = decided = 0
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == "volteface_flips_total":
                flips += int(sample.value)
            elif sample.name == "volteface_lag_records":
                lag += int(sample.value)
            elif sample.name == "volteface_events_total" and sample.labels["outcome"] == "applied":
                applied += int(sample.value)
            elif sample.name == "volteface_cases" and sample.labels["state"] in _WAITING:
                waiting += int(sample.value)
            elif sample.name == "volteface_cases":
                decided += int(sample.value)
    return Figures(applied, lag, flips, waiting, decided)


class Rate:
    """Events a second over the latest seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def add(self, at: float, applied: int) -> float:
        """Add a count and return the rate.

        Args:
            at: When it was counted, in seconds.
            applied: Events so far.
        """
        points = self._points
        points.append((at, applied))
        while at - points[0][0] > _RATE_SECONDS:
            points.popleft()
        seconds = at - points[0][0]
        return (applied - points[0][1]) / seconds if seconds > 0 else 0.0


def cheating_sellers(truth: bytes) -> set[str]:
    """Return the cheating sellers of a truth file; its other lines are about staff and groups."""
    return {cheat.seller_id for cheat in read_truth(truth).cheats if cheat.seller_id}


def accused_sellers(alerts: Iterable[Alert]) -> set[str]:
    """Return the sellers that alerts are about."""
    return {alert.subject.id for alert in alerts if alert.subject.type == "seller"}
