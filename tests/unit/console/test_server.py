"""What ends a console's start: in one line that names the setting or the file."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from stream.config import SettingsError
from stream.console.server import ReplayFiles, _folder, _only_console
from stream.console.source.files import UnusableFileError
from tests.browser import Console
from tests.unit.console.running_console import console_settings


def test_two_consoles_do_not_share_a_folder(tmp_path: Path) -> None:
    settings = console_settings(console_data=str(tmp_path / "data"))
    with _folder(settings) as folder:
        assert folder == tmp_path / "data"
        with pytest.raises(SettingsError, match=r"VOLTEFACE_CONSOLE_DATA=.*another console has it"), _folder(settings):
            pass
    with _folder(settings):
        pass


def test_a_folder_that_cannot_be_used_names_the_setting() -> None:
    with (
        pytest.raises(SettingsError, match=r"VOLTEFACE_CONSOLE_DATA='/proc/nope' cannot be used"),
        _folder(console_settings(console_data="/proc/nope")),
    ):
        pass


def test_two_consoles_do_not_share_the_files_of_a_replay(tmp_path: Path) -> None:
    files = ReplayFiles(tmp_path / "alerts.jsonl", tmp_path / "events.jsonl")
    files.events.touch()
    refused = pytest.raises(UnusableFileError, match=r"another console has .*events\.jsonl open")
    with _only_console(files), refused, _only_console(files):
        pass
    with _only_console(files):
        pass


def test_a_file_that_is_cut_is_named(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").write_text("")
    (tmp_path / "events.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 1000)[:-9])
    arguments = ("--alerts", str(tmp_path / "alerts.jsonl"), "--events", str(tmp_path / "events.jsonl.gz"))
    console = Console(tmp_path, {}, *arguments)
    assert console.process.wait(60) == 1
    assert "events.jsonl.gz cannot be read to its end" in console.log.read_text()
