"""The line of health above the queue: lag, dead letters, findings against the budget, measured precision.

Invariant: a page never waits for it. A thread asks the workers' metrics; what they do not answer is shown as unknown.
"""

from __future__ import annotations

import datetime as dt
import logging
import socket
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from prometheus_client.parser import text_string_to_metric_families

from stream.config import ConsoleSettings
from stream.console.source.read_model import ReadModel
from stream.ops.case_report import interval

log = logging.getLogger(__name__)

_EVERY_SECONDS: Final = 5.0
_TIMEOUT_SECONDS: Final = 2.0
_MAX_WORKERS: Final = 64
_NO_VERDICTS: Final = "no verdicts yet"
#: Metrics of the workers that the line shows.
_NAMES: Final = frozenset(
    ("volteface_lag_records", "volteface_dead_letters_total", "volteface_alerts_allowed_per_year")
)


class Item(NamedTuple):
    """One figure of the line.

    Attributes:
        is_well: None if the figure is not known.
        link: Its panel in Grafana.
    """

    name: str
    text: str
    is_well: bool | None
    link: str | None


class Health:
    """Keeps the figures.

    Args:
        console: The settings.
        read_model: The cases.
        market_now: Returns the present time in the market's event time.
        has_workers: False over a replay's files.
    """

    def __init__(
        self,
        console: ConsoleSettings,
        read_model: ReadModel,
        market_now: Callable[[], dt.datetime],
        has_workers: bool = True,
    ) -> None:
        self._console, self._read_model, self._market_now = console, read_model, market_now
        self._has_workers = has_workers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._figures: Counter[str] | None = None
        self._precision = _NO_VERDICTS
        self._findings = 0

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._has_workers:
                self._figures = _read(self._console.console_metrics_urls.split(","))
            try:
                self._count()
            except Exception:
                log.exception("health_failed")
            self._stop.wait(_EVERY_SECONDS)

    def _count(self) -> None:
        answers: Counter[str] = Counter()
        for row in self._read_model.counts("verdict"):
            answers[row["verdict"] or ""] += row["n"]
        confirmed = answers["confirmed"]
        self._precision = _precision(confirmed, confirmed + answers["explained"] + answers["dismissed"])
        now = self._market_now()
        self._findings = self._read_model.findings_since(now - dt.timedelta(days=365))

    def line(self) -> list[Item]:
        """Return the figures."""
        figures = self._figures
        allowed = None
        if figures is None and not self._has_workers:
            known = []
        elif figures is None:
            known = [Item("lag", "unknown: no worker answers", None, self._panel("operations"))]
        else:
            lag, letters = figures["volteface_lag_records"], figures["volteface_dead_letters_total"]
            allowed = figures["volteface_alerts_allowed_per_year"]
            known = [
                Item("lag", f"{lag:,.0f} events wait", lag < 10_000, self._panel("operations")),
                Item("dead letters", f"{letters:,.0f}", letters == 0, self._panel("operations")),
            ]
        budget = "" if allowed is None else f", the budget allows {allowed:,.1f} false ones"
        return [
            *known,
            Item("findings of a year", f"{self._findings:,}{budget}", None, self._panel("integrity")),
            Item("precision", self._precision, None, self._panel("integrity")),
        ]

    def _panel(self, dashboard: str) -> str | None:
        base = self._console.grafana_url
        return None if base is None else f"{base.rstrip('/')}/d/volteface-{dashboard}"


def _precision(confirmed: int, answered: int) -> str:
    if not answered:
        return _NO_VERDICTS
    low, high = interval(confirmed, answered)
    return f"{confirmed:,} of {answered:,} confirmed (90 %: {100 * low:.0f} to {100 * high:.0f} %)"


def _read(urls: Iterable[str]) -> Counter[str] | None:
    """Return the sums of the workers' metrics; None if no worker answers."""
    found: Counter[str] = Counter()
    answered = False
    for url in list(_addresses(url.strip() for url in urls if url.strip()))[:_MAX_WORKERS]:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
                page = answer.read().decode()
        except (OSError, ValueError):
            continue
        answered = True
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name in _NAMES:
                    found[sample.name] += sample.value  # type: ignore[assignment]  # counts of records are whole
    return found if answered else None


def _addresses(urls: Iterable[str]) -> Iterable[str]:
    """Yield an address for each host that a name stands for."""
    for url in urls:
        parts = urlsplit(url)
        try:
            hosts = {one[4][0] for one in socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)}
        except OSError:
            continue
        for host in sorted(map(str, hosts)):
            name = f"[{host}]" if ":" in host else host
            yield urlunsplit(parts._replace(netloc=f"{name}:{parts.port or 80}"))
