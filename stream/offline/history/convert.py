"""`volteface convert`: the rows of queries as a file of events in the order of time.

Invariant: the same files give the same bytes. All rows are checked before anything is written. The external sort bounds
the memory, and the number of rows does not.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec

from stream.config import Settings
from stream.offline.history.columns import EVENTS, column_errors
from stream.offline.history.query import QueryError, query_rows
from stream.offline.history.row_events import RowEvents, rank_of, time_of
from stream.offline.history.row_values import BadRow, TimeCounts
from stream.ops.external_sort import RUN_BYTES, externally_sorted
from stream.ops.whole_file import whole_file

#: Without `skip_bad` the conversion ends after this number of bad rows.
MAX_BAD_ROWS: Final = 10
#: Events of one type and time among which equal ones are looked for. A bound, because a table may have one date only.
_MAX_COMPARED: Final = 200_000
_TYPES: Final = tuple(EVENTS)  # by rank


class SkippedRows(msgspec.Struct, frozen=True):
    """The rows that are no events for one reason in one column.

    Attributes:
        reason: A value of `intake.refusal.Refusal`.
        column: None if it is the whole row.
        count: The number of rows.
        text: The first of them: file, number of the row in the query's result from 1, value, what is wrong.
    """

    reason: str
    column: str | None
    count: int
    text: str


class Conversion(msgspec.Struct, kw_only=True):
    """The result that `volteface convert` prints.

    Attributes:
        rows: Rows of all queries.
        events: Events in the file, by type in `types`.
        identical: Rows that were left out because another row gives the same event.
        all_compared: Whether identical rows were looked for among all events.
        times_without_zone: Rows whose time has no zone; it was taken as UTC.
        dates: Rows whose time is a date; it was taken as its midnight in UTC.
        midnights: Rows whose time is midnight in UTC, dates included.
        skipped: The rows that are no events.
        first, last: The times of the first and the last event.
    """

    rows: int
    events: int
    types: dict[str, int]
    identical: int
    all_compared: bool
    times_without_zone: int
    dates: int
    midnights: int
    skipped: list[SkippedRows]
    first: str
    last: str
    seconds: float


class BadRows(Exception):  # noqa: N818  # what a person has to correct, not an error of the program
    """Rows that are no events.

    Attributes:
        texts: File, row, column, value and reason of each, at most MAX_BAD_ROWS.
        rows: The rows that were read until then.
    """

    def __init__(self, texts: Sequence[str], rows: int) -> None:
        self.texts = list(texts)
        self.rows = rows
        super().__init__(*texts)


def convert(
    settings: Settings,
    queries: Sequence[Path],
    variables: Mapping[str, str],
    out: Path | None,
    now: float,
    *,
    skip_bad: bool = False,
    on_rows: Callable[[int], object] = lambda rows: None,
    run_bytes: int = RUN_BYTES,
) -> Conversion:
    """Write the rows of queries as events.

    Args:
        settings: All settings.
        queries: Files of SQL.
        variables: Variables of the SQL, by name.
        out: The file; None is standard output.
        now: Epoch seconds; an event of the future is no event.
        skip_bad: Whether to leave out rows that are no events.
        on_rows: Called with the number of rows that have been read, after each batch.
        run_bytes: The most bytes of events that are sorted in memory at once.

    Raises:
        QueryError: A query cannot be run, its columns are wrong, or there are no rows.
        BadRows: Rows are no events; with `skip_bad`, if none is.
    """
    started = time.monotonic()
    reader, writer = _Reader(settings, now, skip_bad, on_rows), _Writer()
    with externally_sorted(reader.lines(queries, variables), "q", run_bytes) as in_order:
        standard_output = nullcontext(cast(BinaryIO, sys.stdout.buffer))
        writing: AbstractContextManager[BinaryIO] = standard_output if out is None else whole_file(out)
        with writing as file:
            file.writelines(writer.lines(in_order))
    return Conversion(
        rows=reader.rows,
        events=writer.types.total(),
        types={name: writer.types[rank] for rank, name in enumerate(_TYPES) if writer.types[rank]},
        identical=writer.identical,
        all_compared=writer.all_compared,
        times_without_zone=sum(each.without_zone for each in reader.times),
        dates=sum(each.dates for each in reader.times),
        midnights=sum(each.midnights for each in reader.times),
        skipped=reader.skipped(),
        first=time_of(writer.first),
        last=time_of(writer.last),
        seconds=round(time.monotonic() - started, 3),
    )


class _Reader:
    """Reads the rows of all queries, and counts those that are no events."""

    def __init__(self, settings: Settings, now: float, skip_bad: bool, on_rows: Callable[[int], object]) -> None:
        self.rows = 0
        self.times: list[TimeCounts] = []  # by query
        self._settings = settings
        self._now = now
        self._skip_bad = skip_bad
        self._on_rows = on_rows
        #: By reason and column: the number of rows, and the text of the first.
        self._skipped: dict[tuple[str, str | None], tuple[int, str]] = {}
        self._bad: list[str] = []

    def lines(self, queries: Iterable[Path], variables: Mapping[str, str]) -> Iterator[tuple[int, bytes]]:
        """Yield keys and lines in the order of the queries and of their rows."""
        good = 0
        for path in queries:
            for each in self._lines_of(path, variables):
                good += 1
                yield each
        if self._bad or (self._skipped and not good):
            raise BadRows(self._bad or [each.text for each in self.skipped()][:MAX_BAD_ROWS], self.rows)
        if not self.rows:
            raise QueryError("the result has no rows, so there are no events: look at the conditions of the query")

    def skipped(self) -> list[SkippedRows]:
        """Return the rows that were left out, the most frequent reason first."""
        found = [SkippedRows(reason, column, *each) for (reason, column), each in self._skipped.items()]
        return sorted(found, key=lambda each: -each.count)

    def _lines_of(self, path: Path, variables: Mapping[str, str]) -> Iterator[tuple[int, bytes]]:
        with query_rows(path, variables) as result:
            errors = column_errors(result.columns)
            if errors:
                raise QueryError("\n".join(f"{path}: {error}" for error in errors))
            events = RowEvents(self._settings, [name for name, _ in result.columns], self._now)
            self.times.append(events.times)
            number = 0
            for batch in result.batches:
                for row in batch:
                    number += 1
                    try:
                        yield events.event_line(row)
                    except BadRow as bad:
                        self._note(bad, f"{path}, row {number:,}, {bad}")
                self.rows += len(batch)
                self._on_rows(self.rows)

    def _note(self, bad: BadRow, text: str) -> None:
        if self._skip_bad:
            count, first = self._skipped.get((bad.reason, bad.column), (0, text))
            self._skipped[bad.reason, bad.column] = count + 1, first
            return
        self._bad.append(text)
        if len(self._bad) == MAX_BAD_ROWS:
            raise BadRows(self._bad, self.rows)


class _Writer:
    """Leaves out identical events, and counts what is written."""

    def __init__(self) -> None:
        self.identical = 0
        self.all_compared = True
        self.types: Counter[int] = Counter()  # by rank
        self.first = self.last = 0

    def lines(self, in_order: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
        """Yield lines without their keys. Identical events have one key, so only events of one key are compared."""
        seen: set[bytes] = set()
        for key, line in in_order:
            if key != self.last:
                seen.clear()
                self.last = key
                self.first = self.first or key
            if line in seen:
                self.identical += 1
                continue
            if len(seen) < _MAX_COMPARED:
                seen.add(line)
            else:
                self.all_compared = False
            self.types[rank_of(key)] += 1
            yield line
