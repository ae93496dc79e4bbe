"""Cheats among real reviews: real events stay, and the truth lists the planted flips."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli.main import cli
from stream.market.background import simulate_background
from stream.market.output import Market
from tests.unit.market.test_market import by_review, decoded, flips

_APP_STORE = Path(__file__).parents[2] / "data" / "app_store.jsonl.gz"
_PARTS = 4


@cache
def real(folder: Path) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Return a file with a part of the real events, and these events by id."""
    lines = gzip.decompress(_APP_STORE.read_bytes()).splitlines(keepends=True)[:12_000]
    path = folder / "real.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(lines)))
    return path, {event["event_id"]: event for event in map(msgspec.json.decode, lines)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("background")


@cache
def made(folder: Path, seed: int = 1, world: int = 0) -> Market:
    return simulate_background(real(folder)[0], seed, world, sellers_per_app=_PARTS, cheats_share=0.3)


def test_a_seed_gives_one_market(folder: Path) -> None:
    again = simulate_background(real(folder)[0], 1, sellers_per_app=_PARTS, cheats_share=0.3)
    assert made(folder) == again
    assert made(folder, 2).lines != again.lines
    assert made(folder, 1, 1).truth != again.truth
    none = simulate_background(real(folder)[0], 1, sellers_per_app=_PARTS, cheats_share=0.0)
    assert none.truth == []
    assert len(none.lines) == len(real(folder)[1])


def test_links_of_real_sellers_are_left_out(folder: Path, tmp_path: Path) -> None:
    link = {"type": "seller.linked", "event_id": "l", "occurred_at": "2025-01-01T00:00:00Z", "seller_id": "s"}
    path = tmp_path / "linked.jsonl"
    line = msgspec.json.encode(link | {"link_id": "l", "relation": "owner"}) + b"\n"
    path.write_bytes(line + gzip.decompress(real(folder)[0].read_bytes()))
    assert simulate_background(path, 1, sellers_per_app=_PARTS, cheats_share=0.3) == made(folder)


def test_real_events_do_not_change(folder: Path) -> None:
    events = {event["event_id"]: event for event in map(msgspec.json.decode, made(folder).lines)}
    assert len(events) == len(made(folder).lines)
    paid = {review_id for cheat in made(folder).truth for review_id in cheat.paid_review_ids}
    cheats = {cheat.seller_id for cheat in made(folder).truth}
    assert paid
    reviewers: dict[tuple[str, str], set[str]] = {}
    for event_id, event in real(folder)[1].items():
        if event_id not in events:
            assert event["review_id"] in paid
            continue
        found = events.pop(event_id)
        app, _, part = found["seller_id"].rpartition("-")
        assert 0 <= int(part) < _PARTS
        reviewers.setdefault((app, event["reviewer_id"]), set()).add(part)
        found = found | {"seller_id": app}
        if "product_id" in found:
            found["product_id"] = found["product_id"].removesuffix(f"-{part}")
        assert found == event
    assert all(len(parts) == 1 for parts in reviewers.values())
    # The other events are planted: contacts, and the paid flips.
    assert {event["seller_id"] for event in events.values()} <= cheats
    flipped = [event["review_id"] for event in events.values() if event["type"] != "outreach.sent"]
    assert sorted(flipped) == sorted(paid)


def test_paid_flips_come_before_real_flips(folder: Path) -> None:
    reviews = by_review(decoded(made(folder)))
    without_cheats = by_review(
        decoded(simulate_background(real(folder)[0], 1, sellers_per_app=_PARTS, cheats_share=0.0))
    )
    assert {cheat.kind for cheat in made(folder).truth} >= {"bribes", "hidden"}
    for cheat in made(folder).truth:
        assert cheat.paid_flips == len(cheat.paid_review_ids)
        for review_id in cheat.paid_review_ids:
            (flip,) = flips(reviews[review_id])
            assert flip is reviews[review_id][-1]
            assert flip.seller_id == cheat.seller_id
            assert all(flip.occurred_at < unpaid.occurred_at for unpaid in flips(without_cheats[review_id]))
    times = [event.occurred_at for event in decoded(made(folder))]
    assert times == sorted(times)


def test_the_command_makes_simulated_and_planted_markets(folder: Path) -> None:
    def run(*arguments: str) -> int:
        files = ("--out", str(folder / "out.jsonl"), "--truth", str(folder / "truth.jsonl"))
        return CliRunner().invoke(cli, ["market", "--seed", "1", *files, *arguments]).exit_code

    background = ("--background", str(real(folder)[0]))
    assert run() == run("--scenario", "honest", *background) == run("--scenario", "none of these") == 2
    assert run(*background) == 0
    expected = simulate_background(real(folder)[0], 1)
    assert (folder / "out.jsonl").read_bytes() == b"".join(expected.lines)
    assert run("--scenario", "leaked", "--sellers", "20", "--days", "30", "--world", "1") == 0
    assert b'"world":1' in (folder / "truth.jsonl").read_bytes()
