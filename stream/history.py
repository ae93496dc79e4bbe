"""A platform's own past, as stories of reviews whose labels can be dealt anew.

Rule of this room: a permutation changes who a review belongs to, who looked it up and who removed it, and nothing else:
what happened to the review, and when, moves with it. Labels change places only among comparable reviews: as many stars
when first told of, in the same calendar month (UTC); removers among all removals of a month. So everybody keeps as many
reviews of each kind as there were.

A story is what became of one critical review. Reviews that never were critical cannot flip and are left out, but for
their removal by the platform, with which the removal of critical ones is compared. Outreach that names no review is
told once to each review that its reviewer had written for its seller by then, as the core would understand it. An
event that gives a review to another seller than the first is left out, as in the core.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np

from stream.config import Settings
from stream.events import (
    CRITICAL_STARS,
    STREAMS,
    ContactAccessed,
    Event,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
)
from stream.intake.decode import Intake
from stream.intake.refusal import Refused
from stream.ops.lines import head, lines, stream_of

#: The stream of each event type: its rank where two events share a time.
_RANK: Final = {kind: rank for rank, kinds in enumerate(STREAMS.values()) for kind in kinds}


class Stratum(NamedTuple):
    """Reviews that are comparable."""

    stars: int
    year: int
    month: int


class Story:
    """One review, as first told of; `number` among the critical ones, None while it has never been one."""

    __slots__ = ("number", "seller_id", "stratum")

    def __init__(self, seller_id: str, stratum: Stratum) -> None:
        self.seller_id = seller_id
        self.stratum = stratum
        self.number: int | None = None


class Scene(NamedTuple):
    """An event of a story."""

    at: float
    story: Story
    event: Event


def read(settings: Settings, source: str) -> tuple[list[tuple[float, Event]], int]:
    """A file's events in the order of event time, all in memory, and how many lines were refused."""
    intake, refused = Intake(settings, partitions=1), 0
    found: list[tuple[float, int, int, Event]] = []
    with lines(source) as file:
        for raw in file:
            line = raw.rstrip(b"\r\n")
            if not line:
                continue
            try:
                event = intake.read(stream_of(head(line).type), line)
                at = intake.dated(event, time.time())
            except Refused:
                refused += 1
            else:
                found.append((at, _RANK[type(event)], len(found), event))
    found.sort()
    return [(at, event) for at, _, _, event in found], refused


class History:
    """The stories of a file's critical reviews."""

    def __init__(self, events: Iterable[tuple[float, Event]]) -> None:
        scenes, stories = _told(events)
        #: Events of reviews that are or become critical, and removals of others, in the order of event time.
        self.scenes = [scene for scene in scenes if scene.story.number is not None or _removes_uncritical(scene.event)]
        self.sellers = [story.seller_id for story in stories]
        self.strata = [story.stratum for story in stories]
        self.end = self.scenes[-1].at if self.scenes else 0.0
        self._of_sellers = _alike(self.strata)
        #: Of each scene the member of staff in it, if any, and what it is comparable with.
        self._hands = [_hand(scene) for scene in self.scenes]
        hands = [hand for hand in self._hands if hand is not None]
        self._actors = [actor_id for actor_id, _ in hands]
        self._of_actors = _alike([stratum for _, stratum in hands])

    def comparable(self) -> float:
        """The share of reviews that can go to another seller at all."""
        movable = sum(len(each) for each in self._of_sellers if len({self.sellers[place] for place in each}) > 1)
        return movable / max(len(self.sellers), 1)

    def permuted(self, chance: np.random.Generator) -> Iterator[tuple[float, Event]]:
        """The events, with sellers dealt anew to reviews, and staff to look-ups and removals."""
        sellers = _dealt(self.sellers, self._of_sellers, chance)
        actors = iter(_dealt(self._actors, self._of_actors, chance))
        for (at, story, event), hand in zip(self.scenes, self._hands, strict=True):
            seller_id = event.seller_id if story.number is None else sellers[story.number]
            if hand is not None:
                yield at, msgspec.structs.replace(event, seller_id=seller_id, actor_id=next(actors))
            elif event.seller_id != seller_id:
                yield at, msgspec.structs.replace(event, seller_id=seller_id)
            else:
                yield at, event


def _told(events: Iterable[tuple[float, Event]]) -> tuple[list[Scene], list[Story]]:
    """Each event with its review's story, and the stories of the reviews that were critical at some time."""
    stories: dict[str, Story] = {}
    of_reviewer: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    scenes: list[Scene] = []
    critical: list[Story] = []
    for at, event in events:
        if isinstance(event, ReviewCreated | ReviewEdited):
            story = stories.get(event.review_id)
            if story is None:
                when = event.occurred_at.astimezone(dt.UTC)
                story = stories[event.review_id] = Story(event.seller_id, Stratum(event.rating, when.year, when.month))
                of_reviewer[event.seller_id, event.reviewer_id].append(event.review_id)
            if event.rating <= CRITICAL_STARS and story.number is None and story.seller_id == event.seller_id:
                story.number = len(critical)
                critical.append(story)
        for review_id, copy in _concerned(event, of_reviewer):
            story = stories.get(review_id)
            if story is not None and story.seller_id == event.seller_id:
                scenes.append(Scene(at, story, copy))
    return scenes, critical


def _concerned(event: Event, of_reviewer: dict[tuple[str, str], list[str]]) -> Iterator[tuple[str, Event]]:
    """The reviews that an event is about, and what each is told."""
    if not isinstance(event, OutreachSent):
        assert isinstance(event, ReviewCreated | ReviewEdited | ReviewDeleted | ContactAccessed), "the contract's types"
        yield event.review_id, event
    elif event.review_id is not None:
        yield event.review_id, event
    else:
        # By name, for two reviews of one reviewer may come to one seller who contacted only the author of the other.
        for number, review_id in enumerate(of_reviewer.get((event.seller_id, event.reviewer_id), ())):
            event_id = f"{event.event_id}/{number}"
            yield review_id, msgspec.structs.replace(event, review_id=review_id, event_id=event_id)


def _removes_uncritical(event: Event) -> bool:
    if not isinstance(event, ReviewDeleted) or event.deleted_by != "platform":
        return False
    return event.rating is not None and event.rating > CRITICAL_STARS


def _hand(scene: Scene) -> tuple[str, Stratum] | None:
    """The member of staff who looks up or removes a review. Whether it is critical is what a remover chooses."""
    event = scene.event
    if isinstance(event, ContactAccessed):
        return event.actor_id, scene.story.stratum
    if isinstance(event, ReviewDeleted) and event.deleted_by == "platform" and event.actor_id is not None:
        when = event.occurred_at.astimezone(dt.UTC)
        return event.actor_id, Stratum(0, when.year, when.month)
    return None


def _alike(strata: list[Stratum]) -> list[list[int]]:
    """The places of each stratum."""
    places: defaultdict[Stratum, list[int]] = defaultdict(list)
    for place, stratum in enumerate(strata):
        places[stratum].append(place)
    return list(places.values())


def _dealt(names: list[str], alike: list[list[int]], chance: np.random.Generator) -> list[str]:
    """The names, each at a place of its own stratum."""
    dealt = list(names)
    for places in alike:
        for place, other in zip(places, chance.permutation(len(places)).tolist(), strict=True):
            dealt[place] = names[places[other]]
    return dealt
