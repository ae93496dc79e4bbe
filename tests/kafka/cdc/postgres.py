"""A real PostgreSQL as a child process, for tests: one throw-away cluster with logical decoding.

Invariant: on 127.0.0.1 only, over TCP, without a password. Its data end with `close`. It needs Debian's `postgresql`.
Without fsync it survives the end of its processes, `kill` included, but not that of the machine.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, LiteralString

import psycopg

from stream.ops.broker import _die_with_parent, free_port

_START_SECONDS: Final = 30
_STOP_SECONDS: Final = 20
#: Who runs the server if the tests run as root, which PostgreSQL refuses; Debian's package makes this user.
_SERVER_USER: Final = "postgres"
_OWNER: Final = "shop"
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": "12",
    "max_wal_senders": "12",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "fsync": "off",
    "timezone": "UTC",
}


class PostgresError(Exception):
    """PostgreSQL cannot be used; the message says what is missing or where to look."""


class Postgres:
    """A cluster; `start`, `stop` and `kill` can be called repeatedly on the same data."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="volteface-postgres-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connector_settings(self) -> dict[str, str]:
        """Where it is and who may read it, as settings of Debezium's connector."""
        return {
            "database.hostname": "127.0.0.1", "database.port": str(self.port), "database.dbname": "postgres",
            "database.user": _OWNER, "database.password": "unused",
        }  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it answers; raise PostgresError if it does not."""
        if not self._data.exists():
            self._create()
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        command = [_program("postgres"), "-D", str(self._data), f"--port={self.port}", *settings]
        with (self._folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True,
                preexec_fn=_die_with_parent, **_identity(),  # noqa: PLW1509  # one prctl call; no lock is taken in the child
            )  # fmt: skip
        self._wait()

    def _create(self) -> None:
        identity = _identity()
        if identity:
            shutil.chown(self._folder, identity["user"], identity["group"])
        options = ["-A", "trust", "-U", _OWNER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run(
            [_program("initdb"), "-D", str(self._data), *options],
            capture_output=True, text=True, check=False, cwd=self._folder, **identity,
        )  # fmt: skip
        if done.returncode:
            raise PostgresError(f"initdb failed ({done.returncode}): {done.stderr[-2000:]}")

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process is not None and self._process.poll() is None:
            if self.answers():
                return
            time.sleep(0.05)
        log = (self._folder / "postgres.log").read_text(errors="replace")[-2000:]
        self.kill()
        raise PostgresError(f"PostgreSQL did not answer on port {self.port}; the end of its log:\n{log}")

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def connect(self) -> psycopg.Connection:
        """Return a new connection that commits each statement."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=_OWNER, dbname="postgres", autocommit=True, connect_timeout=5
        )

    def execute(self, sql: LiteralString, values: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Run statements in a connection of their own; return the rows of the last one."""
        with self.connect() as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def streams(self, slot: str) -> bool:
        """Return whether somebody follows a replication slot; Debezium does so when its snapshot is complete."""
        return bool(
            self.execute(
                """
                SELECT 1 FROM pg_replication_slots AS slot
                JOIN pg_stat_replication AS reader ON reader.pid = slot.active_pid
                WHERE slot.slot_name = %s AND reader.state = 'streaming'
                """,
                [slot],
            )
        )

    def drop_slot(self, slot: str) -> bool:
        """Drop a replication slot, if there is one; return whether it is gone, and not in use."""
        try:
            self.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", [slot]
            )
        except psycopg.errors.ObjectInUse:
            return False
        return True

    def stop(self) -> None:
        """Stop it as a package's upgrade does: connections end, all data are written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of all its processes."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        if how == signal.SIGKILL:
            os.killpg(process.pid, how)  # its session has no other processes
        else:
            process.send_signal(how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """End it and delete its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Postgres:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs, of the newest version that is installed."""
    versions = [path for path in Path("/usr/lib/postgresql").glob("*") if (path / "bin" / name).exists()]
    if versions:
        return str(max(versions, key=lambda path: float(path.name)) / "bin" / name)
    found = shutil.which(name)
    if found is None:
        raise PostgresError(f"PostgreSQL's {name} is missing: apt-get install postgresql")
    return found


def _identity() -> dict[str, Any]:
    """Return the user of the server's processes as arguments of `subprocess`; nothing if it is the present user."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(_SERVER_USER)
    except KeyError:
        raise PostgresError(
            f"PostgreSQL refuses root, and there is no user {_SERVER_USER}: apt-get install postgresql"
        ) from None
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
