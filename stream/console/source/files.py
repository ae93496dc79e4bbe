"""A replay's outcome as the console's cases: from files of alerts and events, without Kafka.

Invariant: cases follow from the alerts and from all events of cases, in the order of event time, by the worker's rules.
A decision is in the decisions' file, on the disk, before it is in a case.
"""

from __future__ import annotations

import datetime as dt
import gzip
import os
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

from stream.config import Settings
from stream.console.source.read_model import ReadModel
from stream.console.source.rows import Changes, RecordedEvent
from stream.contract.alerts import Alert
from stream.contract.events import CaseEvent, Verdicts
from stream.core.cases.book import CONCLUDED_SUBJECTS, CaseBook
from stream.core.cases.rules import CaseRules
from stream.ops import cases
from stream.ops.event_files import lines
from stream.ops.output_records import NotAnAlertError, decode_alert

_event = msgspec.json.Decoder(Verdicts)
#: What a line of an event of a case begins with is not fixed, but it holds one of these.
_CASE_EVENTS: Final = (b'"verdict.', b'"case.')


class _Time(msgspec.Struct):
    """The time of any event."""

    occurred_at: dt.datetime


_time = msgspec.json.Decoder(_Time)


class UnusableFileError(OSError):
    """A file that the console cannot use; the message is one line for a person."""


def decisions_file(events: Path) -> Path:
    """Return where the decisions about a file of events go: beside it."""
    name = events.name
    for end in (".gz", ".jsonl"):
        name = name.removesuffix(end)
    return events.with_name(f"{name}.decisions.jsonl")


class FileCases:
    """Cases of a replay: both what fills the read model, and what takes decisions.

    Args:
        settings: The rules of cases, and what an event must satisfy.
        read_model: Where cases go.
        alerts, events: The replay's alerts, and the events that it read.
        on_change: Called with the ids of the cases that a decision has changed.
    """

    problem: str | None = None
    lag = 0
    refused = 0

    def __init__(
        self,
        settings: Settings,
        read_model: ReadModel,
        alerts: Path,
        events: Path,
        on_change: Callable[[Sequence[str]], None],
    ) -> None:
        self._settings, self._read_model, self._on_change = settings, read_model, on_change
        self._alerts, self._events = alerts, events
        self.decisions = decisions_file(events)
        read_model.on_damage = self._rebuild
        self._lock = Lock()
        self._begun_at = time.monotonic()
        self._end = dt.datetime.min.replace(tzinfo=dt.UTC)

    def load(self) -> None:
        """Read the files.

        Raises:
            UnusableFileError: A line of the alerts is no alert, or a decision is no event of a case.
        """
        self._book = CaseBook(CaseRules.of_texts(self._settings.four_eyes, self._settings.case_due_days), Counter())
        self._offset = 0
        try:
            alerts = _read_alerts(self._alerts)
            events = [*self._read_events(), *self._read_decisions()]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnusableFileError(
                f"{self._alerts} or {self._events} cannot be read to its end: a .gz file is cut or damaged ({error})"
            ) from None
        self._read_model.begin_from({"alerts": str(self._alerts), "events": str(self._events), "at": str(time.time())})
        steps: list[tuple[dt.datetime, int, Alert | CaseEvent]] = [
            *((alert.raised_at, 0, alert) for alert in alerts),
            *((event.occurred_at, 1, event) for event in events),
        ]
        for _, _, step in sorted(steps, key=lambda each: each[:2]):
            if isinstance(step, Alert):
                self._on_alert(step)
            else:
                self._book.on_event(step)
        self._end = max([self._end, *(at for at, _, _ in steps)])
        self._book.close_and_forget(self._end.timestamp(), ("seller", *CONCLUDED_SUBJECTS))
        self._write(events, alerts)

    def _rebuild(self) -> None:
        """Fill the read model again, whose file was damaged."""
        with self._lock:
            self._read_model.renew()
            self.load()

    def _on_alert(self, alert: Alert) -> None:
        if alert.subject.type == "product":
            seller = next((link.id for link in alert.evidence.linked if link.type == "seller"), None)
            if seller is not None:
                self._book.on_alert(alert, seller)
        else:
            self._book.on_alert(alert)

    def _read_events(self) -> list[CaseEvent]:
        found: list[CaseEvent] = []
        is_event = is_text = False
        with lines(str(self._events)) as file:
            for line in file:
                is_text = is_text or bool(line.strip())
                try:
                    self._end = max(self._end, _time.decode(line).occurred_at)
                    if any(name in line for name in _CASE_EVENTS):
                        found.append(_event.decode(line))
                    is_event = True
                except (msgspec.DecodeError, TypeError):  # another event, or one that the replay refused
                    continue
        if is_text and not is_event:
            raise UnusableFileError(f"{self._events} has no event: give the file that `volteface replay` has read")
        return found

    def _read_decisions(self) -> list[CaseEvent]:
        if not self.decisions.exists():
            return []
        found: list[CaseEvent] = []
        with self.decisions.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    found.append(_event.decode(line))
                except msgspec.DecodeError as error:
                    raise UnusableFileError(
                        f"{self.decisions}, line {number}, is no event of a case ({error}): repair or remove the line"
                    ) from None
        return found

    def _write(self, events: Iterable[CaseEvent], alerts: list[Alert]) -> list[str]:
        changed = {name: (case, time.time()) if case is not None else None for name, case in self._book.take_changed()}
        recorded: list[RecordedEvent] = []
        for event in events:
            recorded.append(RecordedEvent(event, 0, self._offset, event.occurred_at))
            self._offset += 1
        self._read_model.write(Changes(changed, recorded, alerts, {}))
        return sorted(changed)

    def record(self, event: CaseEvent) -> None:
        """Write a decision to its file, and apply it.

        Raises:
            UnusableEventError: A worker would refuse the event; nothing was written.
        """
        cases.check(self._settings, event)
        with self._lock:
            with self.decisions.open("ab") as file:
                file.write(msgspec.json.encode(event) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._book.on_event(event)
            changed = self._write([event], [])
        self._on_change(changed)

    def start(self) -> None:
        """Nothing changes by itself."""

    def stop(self) -> None:
        """Nothing has begun."""

    def complete_since(self, at: float) -> bool:  # the interface
        """Return that every decision is known."""
        return True

    def behind_seconds(self) -> float:
        """Return no time: the read model is complete."""
        return 0.0

    def market_now(self) -> dt.datetime:
        """Return the end of the events, and the time since the console began: decisions come one after the other."""
        return self._end + dt.timedelta(seconds=time.monotonic() - self._begun_at)


def _read_alerts(path: Path) -> list[Alert]:
    found: list[Alert] = []
    with lines(str(path)) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    found.append(decode_alert(line))
                except NotAnAlertError as error:
                    raise UnusableFileError(
                        f"{path}, line {number}, is no alert ({error}): give the file of `volteface replay --alerts`"
                    ) from None
    return found
