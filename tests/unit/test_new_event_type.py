"""A new event type needs the contract, its schema and one handler; nothing else lists the event types."""

from __future__ import annotations

import datetime as dt
from typing import get_args

import msgspec
from pydantic import SecretStr

from stream.config import Settings
from stream.contract.events import STREAMS, AnyEvent, Id, ReviewCreated, SellerEvent
from stream.core.detector import Detector
from stream.intake.pseudonyms import pseudonyms_of
from stream.offline.calibration.history import History
from stream.ops.event_files import stream_of

WHEN = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


class SellerMoved(SellerEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="seller.moved"):
    """An event about no review and no reviewer."""

    place_id: Id


MOVED = SellerMoved(event_id="e2", occurred_at=WHEN, seller_id="s1", place_id="p1")


def test_the_streams_list_every_type_of_the_contract_once() -> None:
    assert [kind for kinds in STREAMS.values() for kind in kinds] == list(get_args(AnyEvent))


def test_every_type_has_a_handler() -> None:
    assert set(Detector(3.0, "digest")._handlers._handlers) == set(get_args(AnyEvent))


def test_every_type_goes_to_its_stream() -> None:
    for stream, kinds in enumerate(STREAMS.values()):
        assert {stream_of(str(kind.__struct_config__.tag)) for kind in kinds} == {stream}
    assert stream_of("unknown.type") == 0


def test_calibration_takes_a_type_that_it_does_not_know() -> None:
    created = ReviewCreated(
        event_id="e1", occurred_at=WHEN, seller_id="s1", review_id="r1", product_id="p1", reviewer_id="u1", rating=1
    )
    history = History([(1.0, created), (2.0, MOVED)])
    assert [each.event for each in history.review_events] == [created]


def test_pseudonyms_take_a_type_without_people() -> None:
    pseudonyms = pseudonyms_of(Settings(pseudonym_key=SecretStr("0123456789abcdef")))
    assert pseudonyms is not None
    before = msgspec.json.encode(MOVED)
    pseudonyms.apply(MOVED)
    assert msgspec.json.encode(MOVED) == before
