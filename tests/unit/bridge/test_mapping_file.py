"""The mapping's file: what is taken, and the one line about what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.bridge.mapping_file import read_mapping
from stream.config import BridgeSettings, SettingsError
from stream.ops.bridge_topics import bridge_topics

_TABLE = '[[table]]\ntopic = "t"\n'


def _read(folder: Path, text: str) -> Path:
    path = folder / "mapping.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Object missing required field `table`"),
        ("table = []", "has 0 tables: write 1 to 100 [[table]]"),
        ("[[table]", "is not TOML"),
        (_TABLE, "table of topic t: write either events or function"),
        (_TABLE + 'events = "reviews"\nfunction = "a:b"', "write either events or function"),
        (_TABLE + 'events = "review"', "events = 'review' is not one of reviews, review.created"),
        (_TABLE + 'events = "verdict.recorded"', "is not one of reviews"),
        (_TABLE + 'event = "reviews"', "unknown field `event`"),
        (
            _TABLE + 'events = "reviews"\ncolumns = { stars = "s" }',
            "columns.stars is no field of reviews: its",
        ),
        (_TABLE + 'events = "reviews"\ncolumns = { ratings = "s" }', "is rating meant?"),
        (_TABLE + 'events = "reviews"\nconstants = { seller = "s" }', "is seller_id meant?"),
        (
            _TABLE + 'events = "outreach.sent"\ndeleted_when = { a = ["b"] }',
            "deleted_when goes with events = 'reviews'",
        ),
        (_TABLE + 'events = "reviews"\nrecord = "row"', "events = 'reviews' needs changes"),
        (_TABLE + 'events = "reviews"\ntime_zone = "Mars"', "time_zone = 'Mars' is no zone"),
        (_TABLE + 'events = "reviews"\ntime_zone = "../x"', "time_zone = '../x' is no zone"),
        (_TABLE + 'events = "reviews"\nvalues = { rating = { 1 = "one" } }', "values.rating gives 'one' for '1'"),
        (_TABLE + 'function = "nowhere"', "function = 'nowhere' is not module:function"),
        (_TABLE + 'function = "a:b"\ncolumns = { a = "b" }', "columns goes with events, not with function"),
        (
            _TABLE + 'events = "reviews"\ncolumns = { seller_id = "a" }\nconstants = { seller_id = "b" }',
            "seller_id is in columns and in constants",
        ),
        ((_TABLE + 'events = "reviews"\n') * 2, "the topic is there 2 times"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as found:
        read_mapping(_read(tmp_path, text))
    line = str(found.value)
    assert line.startswith(f"the mapping {tmp_path}/mapping.toml ")
    assert expected in line
    assert "\n" not in line


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_mapping(tmp_path / "none.toml")


def test_the_topics_are_known_without_the_rest_of_the_mapping(tmp_path: Path) -> None:
    path = _read(tmp_path, _TABLE + 'events = "not known"\n[[table]]\ntopic = "u"\n')
    assert bridge_topics(BridgeSettings(mapping=str(path))) == ("t", "u")
    assert bridge_topics(BridgeSettings()) == ()
