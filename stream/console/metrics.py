"""The console's Prometheus metrics, under `volteface_console_`: requests, the read model, decisions, open pages.

Invariant: every label has a bounded number of values: templates of paths in place of paths, and no ids. A page of
metrics costs one short query, at most every few seconds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.console.access.roles import User
from stream.console.change_stream import ChangeStream
from stream.console.decisions import Decisions, Done, RefusedError
from stream.console.routes import RULES
from stream.console.source.read_model import ReadModel
from stream.contract.cases import CaseState
from stream.ops.exposition import exposition

if TYPE_CHECKING:
    from stream.console.services import CaseSource

DecisionKind = Literal["verdict", "assign", "note", "appeal"]
#: What became of a decision: in the log; refused by a rule; or not confirmed, so that it may be in the log or not.
DecisionOutcome = Literal["recorded", "refused", "not_acknowledged"]

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS: Final = frozenset(("GET", "HEAD", "POST"))
_STATIC: Final = "/static"
_OTHER: Final = "other"
_COUNT_EVERY_SECONDS: Final = 5.0
_PATHS: Final = {rule.path: compile_path(rule.path)[0] for rule in RULES}


class ConsoleMetrics:
    """All metrics of one console.

    Args:
        read_model: The cases.
        source: What keeps the read model up to date.
        live: The open pages.
        clock: The time, in seconds.
    """

    def __init__(
        self, read_model: ReadModel, source: CaseSource, live: ChangeStream, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read_model, self._source, self._clock = read_model, source, clock
        self._counting = Lock()
        self._counted_at = float("-inf")
        self._cases: dict[str, int] | None = None
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        Info("volteface_console_build", "What runs", registry=self.registry).info({"version": version("volteface")})
        self._requests = Histogram(
            "volteface_console_request_seconds",
            "Time of a request, without the streams of open pages",
            ["route", "method", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._decisions = Counter(
            "volteface_console_decisions",
            "What analysts decided, by what became of it",
            ["kind", "outcome"],
            registry=self.registry,
        )
        for kind in get_args(DecisionKind):  # from zero, so that the first one is an increase
            for outcome in get_args(DecisionOutcome):
                self._decisions.labels(kind, outcome)
        self._gauge("ready", "1 while the cases are up to date", lambda: source.problem is None)
        self._gauge("lag_records", "Records that wait to be read into the read model", lambda: source.lag)
        self._gauge(
            "behind_seconds", "Time since the read model held all that was written before", source.behind_seconds
        )
        self._gauge("open_pages", "Pages that get changes as they come", lambda: live.open_pages)
        self.registry.register(self)

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(f"volteface_console_{name}", text, registry=self.registry).set_function(value)

    def requested(self, path: str, method: str, status: str, seconds: float) -> None:
        """Count a request.

        Args:
            path: The path, as it was asked for.
            method: The method, as it was asked for.
            status: The class of the answer's status, such as "2xx".
            seconds: The time until the answer was sent.
        """
        known = method if method in _METHODS else _OTHER
        self._requests.labels(route_of(path), known, status).observe(seconds)

    def decided(self, kind: DecisionKind, outcome: DecisionOutcome) -> None:
        """Count a decision."""
        self._decisions.labels(kind, outcome).inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return the page for Prometheus and its content type; `accept` is the request's Accept header."""
        return exposition(self.registry, accept)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not read the read model."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the samples that follow from the read model and its source."""
        yield CounterMetricFamily(
            "volteface_console_refused_records", "Records that are none of the contract", self._source.refused
        )
        cases = GaugeMetricFamily("volteface_console_cases", "Cases in the read model, by state", labels=["state"])
        counted = self._count()
        if counted is not None:
            for state in get_args(CaseState):
                cases.add_metric([state], counted.get(state, 0))
        yield cases

    def _count(self) -> dict[str, int] | None:
        """Return the cases by state; None if the read model cannot be read."""
        with self._counting:
            if self._clock() - self._counted_at >= _COUNT_EVERY_SECONDS:
                try:
                    self._cases = {row["state"]: row["n"] for row in self._read_model.counts("state")}
                except sqlite3.Error:
                    self._cases = None
                self._counted_at = self._clock()
            return self._cases


def route_of(path: str) -> str:
    """Return the template of a path; "other" for a path that no route has."""
    if path.startswith(f"{_STATIC}/"):
        return _STATIC
    return next((template for template, pattern in _PATHS.items() if pattern.match(path)), _OTHER)


class MeasuredRequests:
    """Measures every request; the outermost part, so that what is refused counts, too.

    Args:
        app: What serves the request.
        metrics: Where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: ConsoleMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = time.perf_counter()
        status, is_stream = "5xx", False  # an error of the program may come before an answer

        async def noted(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status, is_stream = f"{message['status'] // 100}xx", _is_stream(message)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if not is_stream:  # it lasts as long as its page is open
                self._metrics.requested(scope["path"], scope["method"], status, time.perf_counter() - started_at)


def _is_stream(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in start["headers"]
    )


class CountedDecisions:
    """Takes decisions, and counts what becomes of them.

    Args:
        decisions: What writes them.
        metrics: Where they are counted.
    """

    def __init__(self, decisions: Decisions, metrics: ConsoleMetrics) -> None:
        self._decisions, self._metrics = decisions, metrics

    def verdict(self, user: User, case_id: str, form: Mapping[str, str]) -> Done:
        """Record a verdict, as `Decisions.verdict` does."""
        return self._counted("verdict", lambda: self._decisions.verdict(user, case_id, form))

    def assign(self, user: User, case_id: str, form: Mapping[str, str]) -> Done:
        """Give a case to somebody, as `Decisions.assign` does."""
        return self._counted("assign", lambda: self._decisions.assign(user, case_id, form))

    def note(self, user: User, case_id: str, form: Mapping[str, str]) -> Done:
        """Write a note, as `Decisions.note` does."""
        return self._counted("note", lambda: self._decisions.note(user, case_id, form))

    def appeal(self, user: User, case_id: str, form: Mapping[str, str]) -> Done:
        """Record an appeal, as `Decisions.appeal` does."""
        return self._counted("appeal", lambda: self._decisions.appeal(user, case_id, form))

    def _counted(self, kind: DecisionKind, decide: Callable[[], Done]) -> Done:
        outcome: DecisionOutcome = "not_acknowledged"
        try:
            done = decide()
            outcome = "recorded"
        except RefusedError:
            outcome = "refused"
            raise
        finally:
            self._metrics.decided(kind, outcome)
        return done
