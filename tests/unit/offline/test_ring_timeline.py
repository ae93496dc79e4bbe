"""The timeline of a ring: every turned review once, in its member's row, at its time, with a shape for what it did."""

from __future__ import annotations

import datetime as dt
import re
from xml.etree import ElementTree

import msgspec
import pytest

from stream.contract.alerts import Evidence, Ring, RingMember, TurnedReview
from stream.offline.ring_timeline import TimelineRow, draw_timeline, timeline_rows
from tests.sample_cases import fallen_ring_case, ring_case

_SVG = "{http://www.w3.org/2000/svg}"
_AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def _parsed(rows: list[TimelineRow], style: str = "") -> ElementTree.Element:
    return ElementTree.fromstring(draw_timeline(rows, "A ring", style))


def _shapes(picture: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Return the shapes of the rows; that of the key has no title."""
    found = [each for each in picture.iter() if each.get("class") == name]
    return [each for each in found if each.find(f"{_SVG}title") is not None]


def _position(shape: ElementTree.Element) -> tuple[float, float]:
    """Return where the middle of a shape is; of a flag, where its pole is."""
    if shape.tag == f"{_SVG}circle":
        return float(shape.get("cx", "")), float(shape.get("cy", ""))
    path = shape.get("d", "")
    x, y = map(float, re.findall(r"M([\d.]+),([\d.]+)", path)[0])
    arm = re.search(r"l([\d.]+),\1", path)
    return (x + float(arm[1]) / 2, y + float(arm[1]) / 2) if arm and shape.get("class") == "deleted" else (x, y)


def _ring_and_evidence() -> tuple[Ring, Evidence]:
    case = ring_case()
    assert case.ring is not None
    return case.ring, case.evidence


def test_each_review_is_in_the_row_of_its_seller_at_its_time() -> None:
    ring, evidence = _ring_and_evidence()
    rows = timeline_rows(ring, evidence)
    present = [row.member for row in rows if row.is_member]
    assert present == ring.members
    assert evidence.ring is not None
    alerted = {member.seller_id for member in evidence.ring.members}
    assert {row.member.seller_id for row in rows} == {member.seller_id for member in ring.members} | alerted
    assert sum(len(row.reviews) for row in rows) == len(evidence.reviews)
    picture = _parsed(rows)
    shapes = [*_shapes(picture, "upgraded"), *_shapes(picture, "deleted")]
    by_id = {(shape.findtext(f"{_SVG}title") or "").split()[0]: _position(shape) for shape in shapes}
    assert by_id.keys() == {review.review_id for review in evidence.reviews}
    heights = [{by_id[review.review_id][1] for review in row.reviews} for row in rows if row.reviews]
    assert all(len(found) == 1 for found in heights), "a row has one height"
    assert len(set.union(*heights)) == len(heights), "and each row its own"
    in_time = sorted(evidence.reviews, key=lambda review: review.at)
    xs = [by_id[review.review_id][0] for review in in_time]
    assert xs == sorted(xs)
    share = (xs[1] - xs[0]) / (xs[-1] - xs[0])
    times = [review.at.timestamp() for review in in_time]
    assert share == pytest.approx((times[1] - times[0]) / (times[-1] - times[0]), abs=0.002)


def test_upgrades_and_deletions_have_other_shapes() -> None:
    ring, evidence = _ring_and_evidence()
    picture = _parsed(timeline_rows(ring, evidence))
    deleted = [review for review in evidence.reviews if review.stars_after is None]
    assert 0 < len(deleted) < len(evidence.reviews)
    assert {shape.tag for shape in _shapes(picture, "deleted")} == {f"{_SVG}path"}
    assert {shape.tag for shape in _shapes(picture, "upgraded")} == {f"{_SVG}circle"}
    assert len(_shapes(picture, "deleted")) == len(deleted)
    titles = {shape.findtext(f"{_SVG}title") for shape in _shapes(picture, "deleted")}
    assert all("was deleted on" in (title or "") for title in titles)


def test_each_member_has_a_mark_where_it_joined() -> None:
    members = [row.member for row in timeline_rows(*_ring_and_evidence())]
    flags = _shapes(_parsed(timeline_rows(*_ring_and_evidence())), "joined")
    assert [flag.findtext(f"{_SVG}title") for flag in flags] == [
        f"{member.seller_id} joined on {member.joined_at:%d %b %Y}" for member in members
    ]
    joined = [member.joined_at for member in members]
    order = sorted(range(len(flags)), key=lambda number: joined[number])
    xs = [_position(flags[number])[0] for number in order]
    assert xs == sorted(xs)


def test_title_and_description_say_what_the_picture_shows() -> None:
    ring, evidence = _ring_and_evidence()
    rows = timeline_rows(ring, evidence)
    picture = _parsed(rows)
    named = (picture.get("aria-labelledby") or "").split()
    texts = {each.get("id"): each.text or "" for each in picture if each.get("id")}
    assert picture.get("role") == "img"
    assert [name in texts for name in named] == [True, True]
    described = texts[named[1]]
    for row in rows:
        n_deleted = sum(review.stars_after is None for review in row.reviews)
        assert f"{row.member.seller_id}: {len(row.reviews) - n_deleted} upgraded and {n_deleted} deleted" in described


def test_who_is_no_member_any_more_keeps_its_row_below_the_others() -> None:
    case = fallen_ring_case()
    assert case.ring is not None
    fallen = timeline_rows(case.ring, case.evidence)
    assert [row.is_member for row in fallen] == [False] * len(fallen)
    ring, evidence = _ring_and_evidence()
    left, *stayed = ring.members
    rows = timeline_rows(msgspec.structs.replace(ring, members=stayed), evidence)
    gone = [row.member.seller_id for row in rows if not row.is_member]
    assert left.seller_id in gone
    assert [row.member.seller_id for row in rows][len(stayed) :] == gone
    assert draw_timeline(rows, "").count("no member any more") == len(gone)
    assert draw_timeline(rows, "").count(" (left)<") == len(gone)
    assert "(left)" not in draw_timeline(fallen, "")


def test_a_member_of_after_the_alert_has_a_row_without_reviews() -> None:
    ring, evidence = _ring_and_evidence()
    late = msgspec.structs.replace(ring.members[0], seller_id="late")
    rows = timeline_rows(msgspec.structs.replace(ring, members=[*ring.members, late]), evidence)
    assert rows[len(ring.members)] == TimelineRow(late, is_member=True, reviews=[])
    assert "late: none of its reviews is in the latest alert" in draw_timeline(rows, "")


def test_a_member_of_the_alert_whose_reviews_are_older_than_the_listed_ones_says_so() -> None:
    ring, evidence = _ring_and_evidence()
    assert evidence.ring is not None
    name = evidence.ring.members[0].seller_id
    listed = [review for review in evidence.reviews if review.seller_id != name]
    rows = timeline_rows(ring, msgspec.structs.replace(evidence, reviews=listed))
    text = f"{name}: none of its reviews is among the {len(listed)} latest that the alert keeps; "
    assert text in draw_timeline(rows, "")
    assert "is in the latest alert" not in draw_timeline(rows, "")


def _at_once(seller_id: str, review_id: str) -> TimelineRow:
    review = TurnedReview(review_id, "p", _AT, 1, 5, None, [], seller_id=seller_id)
    return TimelineRow(RingMember(seller_id, 1, 0.1, 2.0, _AT, _AT, _AT), is_member=True, reviews=[review])


def test_flips_at_one_instant_are_within_the_picture() -> None:
    picture = _parsed([_at_once("s", "r")])
    ((x, _),) = map(_position, _shapes(picture, "upgraded"))
    assert 168 < x < 740


@pytest.mark.parametrize("hostile", ['"><script>x</script>', "<b>&", "x" * 128, "店" * 128])
def test_ids_are_escaped_and_long_ones_are_cut(hostile: str) -> None:
    picture = _parsed([_at_once(hostile, hostile)])
    tags = {each.tag.removeprefix(_SVG) for each in picture.iter()}
    assert tags <= {"svg", "title", "desc", "line", "text", "circle", "path"}
    (label,) = [each for each in picture.iter(f"{_SVG}text") if each.get("class") == "member"]
    assert label.findtext(f"{_SVG}title") == hostile
    assert len(label.text or "") <= 22


def test_hidden_characters_are_escapes() -> None:
    picture = draw_timeline([_at_once("a\u202eb", "c\u2066d")], "Tied by e\u200ff")
    assert not {"\u202e", "\u2066", "\u200f"} & set(picture)
    assert all(shown in picture for shown in ("a\\u202eb", "c\\u2066d", "e\\u200ff"))


def test_one_flip_is_singular() -> None:
    assert ">1 flip from 01 Mar 2026 to 01 Mar 2026<" in draw_timeline([_at_once("s", "r")], "")


def test_a_picture_that_stands_alone_has_its_style() -> None:
    (style,) = _parsed([_at_once("s", "r")], "text { fill: red; }").iter(f"{_SVG}style")
    assert style.text == "text { fill: red; }"
    assert "style" not in draw_timeline([_at_once("s", "r")], "A ring")
