"""The read model of the console: cases and the events of analysts, in SQLite.

Invariant: rows and the positions in the topics that they follow from change in one transaction, so a console that was
killed goes on where its rows end. The file can be thrown away: it is built again from the topics.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from stream.console.source.rows import (
    SCHEMA,
    SCHEMA_VERSION,
    TABLES,
    Changes,
    RecordedEvent,
    recorded,
    write_rows,
)
from stream.contract.alerts import Subject
from stream.contract.cases import Case

_case = msgspec.json.Decoder(Case)
#: The most rings that are shown of a subject.
_MAX_RINGS: Final = 20
#: SQLite's codes for a file that is no database, is damaged, or cannot be read.
_DAMAGE: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR})


class ReadModel:
    """Cases and events in SQLite: one thread writes, any thread reads.

    Args:
        path: The file; it is created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        #: Connections that no thread uses at the moment; at most as many as threads have read at the same time.
        self._idle: list[sqlite3.Connection] = []
        weakref.finalize(self, _close_all, self._idle)
        #: Counts the files; a connection to a former one is not used again.
        self._generation = 0
        #: Whether a statement has found the file damaged since it was created.
        self.damaged = False
        #: Called at the first such statement.
        self.on_damage: Callable[[], None] = lambda: None
        if self._version() != SCHEMA_VERSION:
            self._create()

    def _version(self) -> int:
        if not self._path.exists():
            return 0
        try:
            version = int(self._rows("PRAGMA user_version")[0][0])
            # A damaged page would fail only when it is read, again and again.
            return version if self._rows("PRAGMA quick_check(1)")[0][0] == "ok" else -1
        except sqlite3.DatabaseError:  # no database, or a damaged one
            return -1

    def _create(self) -> None:
        """Create the tables in a new file."""
        _close_all(self._idle)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        with self._connection() as connection:
            connection.executescript(f"{SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection to the calling thread."""
        try:
            with self._lent() as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE and not self.damaged:
                self.damaged = True
                self.on_damage()
            raise

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        generation = self._generation
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _connect(self._path)
        try:
            yield connection
        finally:
            if generation == self._generation:
                self._idle.append(connection)
            else:
                connection.close()

    def renew(self) -> None:
        """Begin with an empty file in place of a damaged one; whoever fills the read model reads everything again."""
        with self._writing:
            self._generation += 1
            self._create()
            self.damaged = False

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._connection() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing, self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                with suppress(sqlite3.DatabaseError):  # of a damaged file the first error is the one that says so
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def begin_from(self, origin: dict[str, str]) -> None:
        """Keep the rows if they follow from this origin; throw them away if they follow from another one.

        Args:
            origin: What the rows follow from: the ids of the topics by name, or the names of files.
        """
        if {row["name"]: row["value"] for row in self._rows("SELECT name, value FROM origin")} == origin:
            return
        with self._transaction() as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")
            connection.executemany("INSERT INTO origin VALUES (?, ?)", origin.items())

    def positions(self) -> dict[tuple[str, int], int]:
        """Return the offset after the last record that was read, by topic and partition."""
        rows = self._rows("SELECT topic, partition, next_offset FROM positions")
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    def write(self, changes: Changes) -> None:
        """Write what a batch of records changes, all of it or nothing."""
        with self._transaction() as connection:
            write_rows(connection, changes)

    def case(self, case_id: str) -> Case | None:
        """Return a case."""
        rows = self._rows("SELECT document FROM documents WHERE case_id = ?", (case_id,))
        return _case.decode(rows[0]["document"]) if rows else None

    def cases_of(self, subjects: Iterable[str]) -> dict[str, list[Case]]:
        """Return the cases of some subjects, by the subject's id, the latest first."""
        names = sorted(set(subjects))
        rows = self._rows(
            "SELECT document FROM cases JOIN documents USING (case_id) "
            f"WHERE subject_id IN ({_places(names)}) ORDER BY updated_at DESC",
            names,
        )
        found: dict[str, list[Case]] = {}
        for row in rows:
            case = _case.decode(row["document"])
            found.setdefault(case.subject.id, []).append(case)
        return found

    def rings_of(self, subject: Subject) -> list[Case]:
        """Return the latest cases of rings that name a seller or a staff member, the latest first."""
        rows = self._rows(
            "SELECT document FROM ring_subjects JOIN cases USING (case_id) JOIN documents USING (case_id) WHERE "
            "ring_subjects.subject_type = ? AND ring_subjects.subject_id = ? ORDER BY updated_at DESC LIMIT ?",
            (subject.type, subject.id, _MAX_RINGS),
        )
        return [_case.decode(row["document"]) for row in rows]

    def select(self, where: str, order: str, values: Sequence[Any], limit: int, offset: int = 0) -> list[Case]:
        """Return the cases that a condition selects; `where` and `order` are texts of this program only."""
        # The narrow rows are searched and sorted first: documents of all cases would be a hundred times as much.
        rows = self._rows(
            f"SELECT case_id FROM cases WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?", (*values, limit, offset)
        )
        names = [row["case_id"] for row in rows]
        documents = self._rows(f"SELECT case_id, document FROM documents WHERE case_id IN ({_places(names)})", names)
        found = {row["case_id"]: row["document"] for row in documents}
        return [_case.decode(found[name]) for name in names if name in found]

    def count(self, where: str, values: Sequence[Any]) -> int:
        """Return how many cases a condition selects; `where` is a text of this program only."""
        return int(self._rows(f"SELECT count(*) FROM cases WHERE {where}", values)[0][0])

    def counts(self, *columns: str) -> list[sqlite3.Row]:
        """Return how many cases there are for each combination of values of some columns, as the column `n`."""
        names = ", ".join(columns)
        return self._rows(f"SELECT {names}, count(*) AS n FROM cases GROUP BY {names}")

    def events_of(self, case_id: str) -> list[RecordedEvent]:
        """Return all events of a case, in the order of their records."""
        query = "SELECT * FROM events WHERE case_id = ? ORDER BY recorded_at, record_offset"
        return list(map(recorded, self._rows(query, (case_id,))))

    def event(self, event_id: str) -> RecordedEvent | None:
        """Return an event."""
        rows = self._rows("SELECT * FROM events WHERE event_id = ?", (event_id,))
        return recorded(rows[0]) if rows else None

    def findings_since(self, at: dt.datetime) -> int:
        """Return how many findings had their first alert since a time."""
        return int(self._rows("SELECT count(*) FROM findings WHERE raised_at >= ?", (at.timestamp(),))[0][0])

    def latest(self) -> tuple[dt.datetime, float] | None:
        """Return the time of the newest event of a case that is not closed, and the time of its record."""
        rows = self._rows(
            "SELECT updated_at, written_at FROM cases WHERE state != 'closed' AND written_at >= 0 "
            "ORDER BY updated_at DESC, written_at DESC LIMIT 1"
        )
        return (dt.datetime.fromtimestamp(rows[0]["updated_at"], dt.UTC), rows[0]["written_at"]) if rows else None


def _connect(path: Path) -> sqlite3.Connection:
    """Return a connection that one thread at a time uses."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    # A file that a crash of the machine has damaged is built again.
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;")
    return connection


def _places(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()
