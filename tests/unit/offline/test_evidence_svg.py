"""The picture of an alert shows the numbers of the alert, and `volteface plot` draws it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli.main import cli
from stream.contract.alerts import Alert
from stream.offline.evidence_svg import draw
from tests import example_rings
from tests.sample_cases import ring_alert

EXAMPLES: Final = Path(__file__).parents[3] / "schemas" / "examples" / "alert.v1.jsonl"
SVG: Final = "{http://www.w3.org/2000/svg}"


def examples() -> list[Alert]:
    decode = msgspec.json.Decoder(Alert).decode
    return [decode(line) for line in EXAMPLES.read_bytes().splitlines() if line]


def corners(picture: ElementTree.Element, name: str) -> list[tuple[float, float]]:
    (line,) = [each for each in picture.iter(f"{SVG}polyline") if each.get("class") == name]
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.get("points", "").split())]


def test_the_lines_end_at_the_flips_and_the_expected_flips() -> None:
    (alert, *_) = [each for each in examples() if each.evidence.series]
    picture = ElementTree.fromstring(draw(alert))
    flips, expected = corners(picture, "flips"), corners(picture, "expected")
    assert flips[0] == expected[0], "both start at nothing"
    assert [x for x, _ in flips] == sorted(x for x, _ in flips)
    base, top, last_expected = flips[0][1], flips[-1][1], expected[-1][1]
    ratio = (base - top) / (base - last_expected)
    last = alert.evidence.series[-1]
    assert ratio == pytest.approx(last.flips / max(last.expected, alert.evidence.expected), rel=0.02)
    texts = "".join(text.text or "" for text in picture.iter(f"{SVG}text"))
    assert f"flips: {alert.evidence.flips}" in texts
    assert f"expected: {alert.evidence.expected:.1f}" in texts
    assert alert.subject.id in texts


def test_ids_are_escaped() -> None:
    (alert, *_) = [each for each in examples() if each.evidence.series]
    odd = msgspec.structs.replace(alert, subject=msgspec.structs.replace(alert.subject, id='<a href="x">&'))
    assert [*ElementTree.fromstring(draw(odd)).iter(f"{SVG}a")] == []


def test_an_alert_without_a_series_is_an_error() -> None:
    (alert, *_) = examples()
    bare = msgspec.structs.replace(alert, evidence=msgspec.structs.replace(alert.evidence, series=[]))
    with pytest.raises(ValueError, match="no evidence over time"):
        draw(bare)


def test_a_ring_is_drawn_as_its_timeline(tmp_path: Path) -> None:
    alerts, picture = tmp_path / "alerts.jsonl", tmp_path / "ring.svg"
    alerts.write_bytes(gzip.decompress(example_rings.ALERTS.read_bytes()))
    ring = ring_alert()
    arguments = ["plot", "--alerts", str(alerts), "--alert-id", ring.alert_id, "--out", str(picture)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    root = ElementTree.fromstring(picture.read_text())
    assert root.find(f"{SVG}style") is not None
    shown = [each for each in root.iter() if each.get("class") in {"upgraded", "deleted"} and len(each)]
    assert len(shown) == len(ring.evidence.reviews)


def test_the_command_draws_the_chosen_alert_and_names_what_is_missing(tmp_path: Path) -> None:
    picture = tmp_path / "alert.svg"
    arguments = ["plot", "--alerts", str(EXAMPLES), "--out", str(picture)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    ElementTree.fromstring(picture.read_text())
    missing = CliRunner().invoke(cli, [*arguments, "--alert-id", "0" * 32])
    assert missing.exit_code == 1
    assert "no alert" in missing.output
    garbage = tmp_path / "garbage.jsonl"
    garbage.write_text("garbage\n")
    wrong = CliRunner().invoke(cli, ["plot", "--alerts", str(garbage), "--out", str(picture)])
    assert wrong.exit_code == 1
    assert "no alert" in wrong.output
