"""Cases as lines of text: the queue, one case, and the measured precision.

Invariant: no line is wider than asked for, whatever ids and notes hold. Texts from outside are literal.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.cells import cell_len, chop_cells, set_cell_size

from stream.contract.alerts import EvidencePart, Ring, TurnedReview
from stream.contract.cases import Case, CaseVerdict, Effect
from stream.offline import ring_words
from stream.offline.extortion_words import extorted_sentence, named_no_more
from stream.offline.memberships import Membership
from stream.ops.case_report import CaseReport, PrecisionRow
from stream.ops.statement import odds
from stream.texts import counted, literal

#: Narrower than this, lines would be cut anywhere.
LEAST_WIDTH: Final = 80
_EFFECTS: Final[dict[Effect, str]] = {
    "in_force": "in force",
    "waits_for_second": "waits for a second analyst",
    "same_analyst": "without effect: another analyst is needed",
    "outdated": "without effect: older than its case or the verdict in force",
    "newer_evidence": "without effect: given before the latest alert was seen",
    "superseded": "superseded by a later one",
}


def fold(text: str, width: int, indent: int = 2, first: str = "") -> list[str]:
    """Return a text as lines; a word that is wider than a line is divided.

    Args:
        text: The text.
        width: Of the lines, in cells.
        indent: Spaces before every line.
        first: What stands in the first line in place of these spaces.
    """
    room = width - indent
    lines: list[str] = []
    for word in map(literal, text.split()):
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines += chop_cells(word, room)
    head = first.ljust(indent)
    return [(head if number == 0 else " " * indent) + line for number, line in enumerate(lines or [""])]


def queue(cases: Sequence[Case], digits: int, width: int) -> list[str]:
    """Return the table of cases, two or three lines for each.

    Args:
        cases: The cases, in their order.
        digits: How many digits of a case id distinguish it.
        width: Of the lines, at least LEAST_WIDTH.
    """
    longest = max((cell_len(literal(_who(case))) for case in cases), default=0)
    sizes = digits, min(max(width - digits - 48, 8), max(longest, 8)), 10, 10, 10, 8
    lines = [_row(("case", "who", "since", "due", "by", "state"), sizes)]
    for case in cases:
        by = "nobody" if case.assignee is None else case.assignee
        cells = (case.case_id[:digits], _who(case), _day(case.evidence.since), _day(case.due_at), by, case.state)
        found = case.evidence
        flips = counted(found.flips, "flip")
        why = f"{case.kind}, {case.severity}: {flips}, {found.expected:.1f} expected, odds {odds(found.odds)}"
        more = [why]
        if case.waits_for_second:
            more.append("waits for a second analyst")
        if case.reopened is not None:
            more.append(f"open again: {case.reopened}")
        lines += [_row(cells, sizes), *(f"  {_cell(text, width - 2)}".rstrip() for text in more)]
    return lines


def _who(case: Case) -> str:
    return ring_words.subject_name(case.subject, ring_words.ring_at_present(case))


def _row(cells: Sequence[str], sizes: Sequence[int]) -> str:
    return "  ".join(_cell(cell, size) for cell, size in zip(cells, sizes, strict=True)).rstrip()


def _cell(text: str, size: int) -> str:
    """Return a text that fills a cell; what does not fit is cut, and the cut is shown."""
    shown = literal(text)
    return set_cell_size(shown, size) if cell_len(shown) <= size else f"{set_cell_size(shown, size - 1)}…"


def page(case: Case, width: int, rings: Iterable[Membership] = ()) -> list[str]:
    """Return everything about a case in sections; a section without content is left out.

    Args:
        case: The case.
        width: Of the lines, at least LEAST_WIDTH.
        rings: What rings have to do with its subject.
    """
    sections: dict[str, Iterable[str]] = {
        "Claim": _claim(case, width),
        "The ring": (line for one in ring_words.ring_sentences(case) for line in fold(one, width)),
        ring_words.members_title(case): (line for one in ring_words.member_lines(case) for line in fold(one, width, 4)),
        "Rings": (line for one in rings for line in fold(membership_line(one), width)),
        "For the seller": (
            line
            for one in (*(extorted_sentence(one, case) for one in case.extorted), named_no_more(case))
            if one is not None
            for line in fold(one, width)
        ),
        "Why the odds are what they are": _parts(
            case.evidence.parts, case.evidence.odds, width, case.evidence.ring
        ),
        "Marks of payment": [] if case.evidence.payment is None else _parts(
            case.evidence.payment.parts, case.evidence.payment.odds, width
        ),
        "Reviews that turned": (line for one in case.evidence.reviews for line in _review(one, width)),
        "Linked subjects": (
            line
            for link in case.linked
            for line in fold(f"{link.type} {link.id}: {counted(link.flips, 'flip')}", width, 4)
        ),
        "Questions for a person": (line for one in case.checks for line in fold(one, width, 4, "  -")),
        "Alerts": (
            line
            for one in case.alerts
            for line in fold(
                f"{_time(one.raised_at)} {one.kind}, {one.severity}, odds {odds(one.odds)} {one.alert_id}", width, 4
            )
        ),
        "Verdicts": (line for one in case.verdicts for line in _verdict(one, width)),
        "Appeals": (
            line
            for one in case.appeals
            for line in (
                *fold(
                    f"{_time(one.appealed_at)} by {one.appellant}, "
                    + ("not answered" if one.answered_by is None else "answered"),
                    width, 4,
                ),
                *_note(one.note, width),
            )
        ),
        "Notes": (
            line
            for one in case.notes
            for line in (*fold(f"{_time(one.noted_at)} {one.author}:", width, 4), *_note(one.note, width))
        ),
    }  # fmt: skip
    lines = _heading(case, width)
    for title, found in sections.items():
        content = list(found)
        if content:
            lines += ["", title, *content]
    patterns = "".join(f", {name} {score:.2f}" for name, score in case.patterns.items())
    return [*lines, "", *fold(f"Model {case.model_version}, settings {case.config_digest}{patterns}.", width, 0)]


def membership_line(one: Membership) -> str:
    """Return what a ring has to do with a subject in one line, with the ring's case."""
    end = one.claim if one.claim.endswith(".") else f"{one.claim}."
    return f"{one.what}: {one.name}, {end} Its case is {one.case.case_id}."


def _heading(case: Case, width: int) -> list[str]:
    due = "" if case.due_at is None else f", due {_time(case.due_at)}"
    with_whom = "nobody has it" if case.assignee is None else f"{case.assignee} has it"
    second = "; a verdict waits for a second analyst" if case.waits_for_second else ""
    muted = "" if case.muted_until is None else f"; no alerts until {_time(case.muted_until)}"
    lines = [
        f"Case {case.case_id}",
        *fold(f"{case.subject.type} {case.subject.id}", width, 0),
        *fold(f"{case.state}, {case.severity}, priority {case.priority:.2f}; {with_whom}{second}{muted}", width, 0),
        *fold(f"opened {_time(case.opened_at)}, updated {_time(case.updated_at)}{due} (UTC)", width, 0),
    ]
    return lines if case.reopened is None else [*lines, *fold(f"Open again: {case.reopened}", width, 0)]


def _claim(case: Case, width: int) -> Iterator[str]:
    yield from fold(f"{case.kind} since {_time(case.evidence.since)}:", width)
    yield from fold(case.explanation, width)
    yield from fold(f"Advice: {case.recommended_action.replace('_', ' ')}. Volteface executes nothing.", width)


def _parts(parts: Sequence[EvidencePart], found: float, width: int, ring: Ring | None = None) -> Iterator[str]:
    """Yield what each part adds to the log odds, and the sum."""
    for part in parts:
        yield from fold(ring_words.part_text(part, ring), width, 10, f"  {part.log_odds:+6.2f}")
    if parts:
        yield from fold(f"together: {odds(found)} to 1", width, 10, f" ={math.log(max(found, 1e-300)):+6.2f}")


def _review(review: TurnedReview, width: int) -> Iterator[str]:
    stars = (
        f"{review.stars_before}, then gone"
        if review.stars_after is None
        else f"{review.stars_before} to {review.stars_after}"
    )
    seller = "" if review.seller_id is None else f", {review.seller_id}"
    what = f"{_time(review.at)} stars {stars}: {review.review_id} of product {review.product_id}{seller}"
    yield from fold(what, width, 4)
    before = []
    if review.contact is not None:
        contact = review.contact
        amount = f" {contact.incentive_value:g} {contact.currency or ''}" if contact.incentive_value is not None else ""
        before.append(f"{contact.channel or 'contact'}{amount} {contact.hours_before:.0f} hours before")
    if review.looked_up_by:
        before.append(f"looked up by {', '.join(review.looked_up_by)}")
    if before:
        yield from fold("; ".join(before), width, 8)


def _verdict(verdict: CaseVerdict, width: int) -> Iterator[str]:
    story = "" if verdict.story is None else f" ({verdict.story})"
    second = "" if verdict.second_analyst_id is None else f" and {verdict.second_analyst_id}"
    who = f"{verdict.analyst_id}{second}"
    what = f"{_time(verdict.recorded_at)} {verdict.verdict}{story} by {who}: {_EFFECTS[verdict.effect]}"
    yield from fold(what, width, 4)
    yield from _note(verdict.note, width)


def _note(note: str | None, width: int) -> list[str]:
    return [] if note is None else fold(note, width, 8)


def precision(found: CaseReport, width: int) -> list[str]:
    """Return measured precision as a table, and the innocent stories."""
    sizes = 20, 8, 9, 9, 9, 15
    lines = [_row(("kind", "severity", "confirmed", "explained", "dismissed", "precision, 90 %"), sizes)]
    for row in found.rows:
        name = row.kind or "all", row.severity or "all"
        lines.append(_row((*name, str(row.confirmed), str(row.explained), str(row.dismissed), _precision(row)), sizes))
    left_out = f"Not counted: {found.inconclusive} inconclusive, {found.undecided} without a verdict in force."
    stories = ", ".join(f"{name} {count}" for name, count in found.stories.items())
    return [*lines, *fold(left_out, width, 0), *fold(f"Innocent stories: {stories}.", width, 0)]


def _precision(row: PrecisionRow) -> str:
    limits = f"{100 * row.low:.0f}–{100 * row.high:.0f}"
    return f"unknown ({limits})" if row.precision is None else f"{100 * row.precision:.0f} % ({limits})"


def _day(at: dt.datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d}"


def _time(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
