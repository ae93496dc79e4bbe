"""A terminal of 80 columns and a Kafka that is not asked, for commands that run in the process of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream.cli.main import cli
from stream.cli.output import messages, results
from stream.config import KafkaSettings, Settings
from stream.engine import preflight
from stream.ops import access_rights

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Invoke]:
    """Run a command in this process; connecting to Kafka always succeeds, and it allows everything."""

    async def first_connection(kafka: KafkaSettings, on_wait: Callable[[str], None] | None = None) -> None:
        pass

    def has_all_rights(settings: Settings, kafka: KafkaSettings, command: str) -> None:
        pass

    monkeypatch.setattr(preflight, "first_connection", first_connection)
    monkeypatch.setattr(access_rights, "check", has_all_rights)
    monkeypatch.chdir(tmp_path)  # without a developer's .env
    widths = results.width, messages.width
    results.width = messages.width = 80
    yield lambda *arguments: CliRunner().invoke(cli, arguments)
    results.width, messages.width = widths
