"""The timeline of a ring as an SVG picture: one row for each member, with its turned reviews.

Invariant: pure. The picture has no script and no colour: a style sheet gives them by class. Shapes differ in form, not
only in colour. Every text from outside is escaped, and cut at its row's margin.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from stream.contract.alerts import Evidence, Ring, RingMember, TurnedReview
from stream.offline.svg_shapes import Frame, Scale, escaped, x_axis
from stream.texts import counted

_WIDTH: Final = 760
_LEFT: Final = 168
_RIGHT: Final = 20
_TOP: Final = 40
_BOTTOM: Final = 34
_ROW: Final = 26
#: The longest id that is shown whole.
_MAX_LABEL: Final = 22
_RADIUS: Final = 4.5
#: Before the first and after the last time, as a share of the time between, and at least.
_MARGIN: Final = 0.03
_LEAST_MARGIN: Final = dt.timedelta(days=1)


class TimelineRow(NamedTuple):
    """A row of the picture.

    Attributes:
        member: What is known of the seller.
        is_member: Whether it is a member at present.
        reviews: Its turned reviews that the alert lists.
        listed: How many reviews the alert lists, of all members; 0 if the seller is no member in the alert.
    """

    member: RingMember
    is_member: bool
    reviews: list[TurnedReview]
    listed: int = 0


def timeline_rows(ring: Ring, evidence: Evidence) -> list[TimelineRow]:
    """Return a row for each member at present, then one for each member of the latest alert that is one no more.

    Args:
        ring: The ring at present.
        evidence: The evidence of the latest alert.
    """
    present = {member.seller_id: member for member in ring.members}
    alerted = {} if evidence.ring is None else {one.seller_id: one for one in evidence.ring.members}
    reviews: dict[str, list[TurnedReview]] = {}
    for review in evidence.reviews:
        reviews.setdefault(review.seller_id or "", []).append(review)
    return [
        TimelineRow(
            member,
            seller_id in present,
            reviews.get(seller_id, []),
            len(evidence.reviews) if seller_id in alerted else 0,
        )
        for seller_id, member in (present | {name: one for name, one in alerted.items() if name not in present}).items()
    ]


def draw_timeline(rows: Sequence[TimelineRow], title: str, style: str = "") -> str:
    """Return the picture.

    Args:
        rows: At least one.
        title: What the picture shows, in a few words.
        style: A style sheet for a picture that stands alone, which then shows its title.
    """
    top = _TOP + _ROW if style else _TOP
    frame = Frame(_WIDTH, top + _ROW * len(rows) + _BOTTOM, _LEFT, top, _RIGHT, _BOTTOM)
    first, last = _limits(rows)
    has_members = any(row.is_member for row in rows)
    x_of = Scale(first.timestamp(), last.timestamp(), frame.left, frame.end)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="timeline" viewBox="0 0 {frame.width} {frame.height}" '
        'role="img" aria-labelledby="timeline-title timeline-desc">',
        f'<title id="timeline-title">{escaped(title)}</title>',
        f'<desc id="timeline-desc">{escaped(" ".join(map(_in_words, rows)))}</desc>',
        f'<style>{style}</style><text class="title" x="2" y="20">{escaped(title)}</text>' if style else "",
        *_key(frame),
        *x_axis(frame, first, last, x_of),
        *(
            shape
            for number, row in enumerate(rows)
            for shape in _row(row, top + _ROW * (number + 0.5), x_of, frame, " (left)" if has_members else "")
        ),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _limits(rows: Iterable[TimelineRow]) -> tuple[dt.datetime, dt.datetime]:
    times = [
        at
        for row in rows
        for at in (row.member.since, row.member.until, row.member.joined_at, *(review.at for review in row.reviews))
    ]
    margin = max(_MARGIN * (max(times) - min(times)), _LEAST_MARGIN)
    return min(times) - margin, max(times) + margin


def _key(frame: Frame) -> list[str]:
    """Return what each shape means, above the rows."""
    y, x = frame.top - _TOP / 2, frame.left
    return [
        _upgraded(x + 5, y),
        _deleted(x + 105, y),
        _joined(x + 195, y),
        f'<line class="span" x1="{x + 312}" y1="{y}" x2="{x + 334}" y2="{y}"/>',
        *(
            f'<text x="{x + at}" y="{y + 4}">{name}</text>'
            for at, name in ((16, "upgraded"), (116, "deleted"), (206, "joined the ring"), (340, "flips that count"))
        ),
    ]


def _row(row: TimelineRow, y: float, x_of: Scale, frame: Frame, left: str) -> list[str]:
    """Return a row; `left` is added to the name of a seller that is no member any more."""
    member, name, left = row.member, row.member.seller_id, "" if row.is_member else left
    room = _MAX_LABEL - len(left)
    shown = f"{name if len(name) <= room else f'{name[: room - 1]}…'}{left}"
    since, until = (x_of(at.timestamp()) for at in (member.since, member.until))
    return [
        f'<line class="grid" x1="{frame.left}" y1="{y}" x2="{frame.end}" y2="{y}"/>',
        # An inner picture cuts what is wider than the margin.
        f'<svg x="0" y="{y - _ROW / 2}" width="{frame.left - 10}" height="{_ROW}">'
        f'<text class="{"member" if row.is_member else "former"}" x="2" y="{_ROW / 2 + 4}">{escaped(shown)}'
        f"<title>{escaped(name)}</title></text></svg>",
        f'<line class="span" x1="{since:.1f}" y1="{y}" x2="{until:.1f}" y2="{y}">'
        f"<title>{escaped(_flips(member))}</title></line>",
        *(_review(review, x_of(review.at.timestamp()), y) for review in row.reviews),
        _joined(x_of(member.joined_at.timestamp()), y, f"{name} joined on {_day(member.joined_at)}"),
    ]


def _review(review: TurnedReview, x: float, y: float) -> str:
    name, before, day = review.review_id, review.stars_before, _day(review.at)
    if review.stars_after is None:
        return _deleted(x, y, f"{name} was deleted on {day} ({counted(before, 'star')} before)")
    return _upgraded(x, y, f"{name} was upgraded on {day} (from {before} to {review.stars_after} stars)")


def _upgraded(x: float, y: float, text: str = "") -> str:
    return f'<circle class="upgraded" cx="{x:.1f}" cy="{y}" r="{_RADIUS}">{_named(text)}</circle>'


def _deleted(x: float, y: float, text: str = "") -> str:
    arm = _RADIUS - 0.5
    cross = f"M{x - arm:.1f},{y - arm:.1f} l{2 * arm},{2 * arm} m0,{-2 * arm} l{-2 * arm},{2 * arm}"
    return f'<path class="deleted" d="{cross}">{_named(text)}</path>'


def _joined(x: float, y: float, text: str = "") -> str:
    """Return a line across the row with a flag at its top."""
    top, flag = y - _ROW / 2 + 2, 6
    shape = f"M{x:.1f},{y + _ROW / 2 - 3} V{top} l{flag},{flag / 2} l{-flag},{flag / 2}"
    return f'<path class="joined" d="{shape}">{_named(text)}</path>'


def _named(text: str) -> str:
    return f"<title>{escaped(text)}</title>" if text else ""


def _in_words(row: TimelineRow) -> str:
    """Return a row in a sentence."""
    deleted = sum(review.stars_after is None for review in row.reviews)
    if row.reviews:
        shown = f"{len(row.reviews) - deleted} upgraded and {deleted} deleted reviews are shown"
    elif row.listed:
        shown = f"none of its reviews is among the {row.listed} latest that the alert keeps"
    else:
        shown = "none of its reviews is in the latest alert"
    joined = f"joined on {_day(row.member.joined_at)}" if row.is_member else "no member any more"
    return f"{row.member.seller_id}: {shown}; {_flips(row.member)}; {joined}."


def _flips(member: RingMember) -> str:
    return f"{counted(member.flips, 'flip')} from {_day(member.since)} to {_day(member.until)}"


def _day(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%d %b %Y}"
