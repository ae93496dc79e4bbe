"""`feed --check`: what is wrong with a file, without Kafka."""

from __future__ import annotations

import codecs
import gzip
import json
from pathlib import Path

import pytest

from stream.config import KafkaSettings, Settings, SettingsError
from stream.feed import feed
from stream.market.simulate import simulate
from tests.unit.cli.conftest import Invoke


@pytest.fixture
def lines() -> list[bytes]:
    return [line.rstrip(b"\n") for line in simulate("bribes", 1, 6, 30).lines]


def _write(lines: list[bytes]) -> None:
    Path("events.jsonl").write_bytes(b"\n".join(lines))


def test_a_clean_file_has_no_findings(lines: list[bytes], invoke: Invoke) -> None:
    _write(lines)
    done = invoke("feed", "--check", "--input", "events.jsonl")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (found["lines"], found["events"], found["late"], found["valid"]) == (len(lines), len(lines), 0, True)


@pytest.mark.parametrize(("sellers", "days", "partitions"), [(6, 30, 1), (24, 100, 4), (40, 100, 1), (24, 600, 4)])
def test_a_check_and_a_replay_agree_on_sellers_and_days(
    sellers: int, days: int, partitions: int, invoke: Invoke
) -> None:
    _write([line.rstrip(b"\n") for line in simulate("bribes", 1, sellers, days).lines])
    options = ("--partitions", str(partitions), "--input", "events.jsonl")
    checked = invoke("feed", "--check", *options)
    replayed = json.loads(invoke("replay", *options).stdout)
    reasons = [text for text in replayed["reasons"] if "flips a year" not in text]
    assert json.loads(checked.stdout)["reasons"] == reasons
    assert bool(reasons) == (sellers < 40)
    assert checked.exit_code == 0


def test_refused_lines_are_counted_by_reason_with_the_first_of_each(lines: list[bytes], invoke: Invoke) -> None:
    _write([b"event_id;rating", b"", lines[0].replace(b'"rating":', b'"rating":1'), b"x", *lines])
    done = invoke("feed", "--check", "--input", "events.jsonl")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert [(one["reason"], one["count"], one["line"]) for one in found["refused"]] == [
        ("undecodable", 2, 1),
        ("bad_value", 1, 3),
    ]
    assert done.stderr.startswith("undecodable: 2 lines; the first is line 1: ")
    assert not found["valid"]
    assert len(found["reasons"]) == 1  # three lines are few, but so are the days


def test_lines_out_of_order_are_found_and_sorting_repairs_them(lines: list[bytes], invoke: Invoke) -> None:
    _write(lines[::-1])
    done = invoke("feed", "--check", "--input", "events.jsonl")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["late"] > 0.9 * len(lines)
    done = invoke("feed", "--check", "--sort", "--input", "events.jsonl")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["late"] == 0


def test_events_of_different_partitions_need_no_order(invoke: Invoke) -> None:
    """A topic that was read partition by partition."""
    event = (
        b'{"type":"review.created","event_id":"%d","occurred_at":"2025-01-%02dT00:00:00Z","seller_id":"s%d",'
        b'"review_id":"r","product_id":"p","reviewer_id":"u","rating":1}'
    )
    _write([event % (100 * seller + day, day, seller) for seller in range(1, 4) for day in range(1, 29)])
    counts = [
        json.loads(invoke("feed", "--check", "--partitions", number, "--input", "events.jsonl").stdout)["late"]
        for number in ("1", "1000")
    ]
    assert counts == [54, 0]  # the last day is not behind


def test_partitions_are_known_without_a_check(invoke: Invoke) -> None:
    _write([])
    done = invoke("feed", "--partitions", "4", "--input", "events.jsonl")
    assert done.exit_code == 2
    assert "--check" in done.stderr


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("sort", [[], ["--sort"]])
def test_compressed_files_and_byte_order_marks_are_known_by_their_bytes(
    name: str, packed: bool, mark: bytes, sort: list[str], lines: list[bytes], invoke: Invoke
) -> None:
    content = mark + b"\n".join(lines[:20])
    Path(name).write_bytes(gzip.compress(content) if packed else content)
    done = invoke("feed", "--check", *sort, "--input", name)
    if name.endswith(".gz") and not packed:
        assert "Not a gzipped file" in done.stderr
    else:
        assert json.loads(done.stdout)["events"] == 20


@pytest.mark.parametrize(("name", "refused"), [("cloudevents", 3), ("access=cloudevents,outreach=outbox", 1)])
def test_a_feed_sends_nothing_to_topics_of_another_format(
    name: str, refused: int, lines: list[bytes], invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker would refuse every line."""
    monkeypatch.setenv("VOLTEFACE_INPUT_FORMAT", name)
    _write(lines)
    with pytest.raises(SettingsError) as found:
        feed(Settings(), KafkaSettings(), "events.jsonl", None, lambda sent: None)
    assert f"VOLTEFACE_INPUT_FORMAT={name}: a feed writes JSON" in str(found.value)
    assert str(found.value).count("(cloudevents)") == refused
    assert invoke("feed", "--check", "--input", "events.jsonl").exit_code == 0
