"""`make screenshots` still finds what it takes pictures of."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import screenshots

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.long
def test_both_pictures_are_taken_and_small(browser: Browser, tmp_path: Path) -> None:
    paths = screenshots.take(tmp_path, browser)
    assert [path.name for path in paths] == ["console-queue.png", "console-case.png"]
    for path in paths:
        picture = path.read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert int.from_bytes(picture[16:20], "big") == 1280
        assert 20_000 < len(picture) <= screenshots.MAX_BYTES
