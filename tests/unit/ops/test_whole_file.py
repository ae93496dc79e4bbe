"""A file is there whole or not at all."""

from __future__ import annotations

import gzip
import stat
import time
from pathlib import Path

import pytest

from stream.ops.whole_file import whole_file


def test_the_old_content_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_no_new_file_and_the_old_one(tmp_path: Path) -> None:
    old = tmp_path / "a.jsonl"
    old.write_bytes(b"old")
    for name in ("a.jsonl", "b.jsonl.gz"):
        with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / name) as file:
            file.write(b"half")
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [old] and old.read_bytes() == b"old"


def test_permissions_are_those_of_other_new_files_or_of_the_old_file(tmp_path: Path) -> None:
    path, other = tmp_path / "a.jsonl", tmp_path / "other"
    other.touch()
    for mode in (stat.S_IMODE(other.stat().st_mode), 0o640):
        with whole_file(path):
            pass
        assert stat.S_IMODE(path.stat().st_mode) == mode
        path.chmod(0o640)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "a.jsonl", tmp_path / "link.jsonl"
    link.symlink_to(target)
    with whole_file(link) as file:
        file.write(b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"


def test_a_device_is_written_and_not_replaced() -> None:
    with whole_file(Path("/dev/null")) as file:
        file.write(b"gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_equal_content_gives_equal_bytes_under_another_name_at_another_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"]
    for number, path in enumerate(paths):
        monkeypatch.setattr(time, "time", lambda number=number: 1e9 + number * 1e6)
        with whole_file(path) as file:
            file.write(b"line\n" * 1000)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert gzip.decompress(paths[0].read_bytes()) == b"line\n" * 1000
