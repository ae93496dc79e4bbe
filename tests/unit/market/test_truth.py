"""Truth files: rows about groups come after those about cheats, and readers of cheats are not misled by them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from stream.demo.figures import cheating_sellers
from stream.market import simulate
from stream.market.scenarios import SCENARIOS, Groups
from stream.market.truth import arranged, read_truth

_WITH_GROUPS = ("brokers", "extortion", "families", "lists", "rings")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a market with all groups."""
    folder = tmp_path_factory.mktemp("truth")
    simulate.write("rings", 3, 60, 120, folder / "events.jsonl", folder / "truth.jsonl")
    return folder


@pytest.fixture(scope="module")
def content(folder: Path) -> bytes:
    return (folder / "truth.jsonl").read_bytes()


def test_a_market_with_groups_is_made_again_and_its_truth_read_as_it_was_made(folder: Path, content: bytes) -> None:
    made = simulate.simulate("rings", 3, 60, 120)
    assert b"".join(made.lines) == (folder / "events.jsonl").read_bytes()
    found = read_truth(content)
    assert found == arranged(made.truth, made.groups)
    assert {ring.kind for ring in found.rings} == {"insider", "lists"}
    assert {row.kind for row in found.honest_groups} == {"family", "agency", "desk"}
    assert found.extortionists
    assert {row.run.scenario for row in found.cheats} == {row.run.scenario for row in found.rings} == {"rings"}


def test_rows_about_groups_are_no_cheats(content: bytes) -> None:
    rows = [msgspec.json.decode(line) for line in content.splitlines()]
    first = next(place for place, row in enumerate(rows) if "row" in row)
    assert all("row" not in row and {"seller_id", "actor_id"} & row.keys() for row in rows[:first])
    assert all("row" in row and not {"seller_id", "actor_id"} & row.keys() for row in rows[first:])
    assert cheating_sellers(content) == {row["seller_id"] for row in rows[:first] if "seller_id" in row}


def test_a_line_that_is_no_row_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError):
        read_truth(b'{"row":"rumour"}\n')


def test_scenarios_with_groups_are_few_and_others_have_no_rows(tmp_path: Path) -> None:
    assert sorted(name for name, each in SCENARIOS.items() if each.groups != Groups()) == list(_WITH_GROUPS)
    simulate.write("cheats", 3, 30, 60, tmp_path / "events.jsonl", tmp_path / "truth.jsonl")
    assert b'"row"' not in (tmp_path / "truth.jsonl").read_bytes()


def test_cheats_of_a_market_with_groups_are_valid_for_readers_of_cheats(content: bytes) -> None:
    for cheat in read_truth(content).cheats:
        assert bool(cheat.seller_id) != bool(cheat.actor_id)
        assert cheat.paid_flips == len(set(cheat.paid_review_ids))
