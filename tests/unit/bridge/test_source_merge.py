"""The order in which a task takes the records of its topics."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.bridge.changes import Ignored
from stream.bridge.mapping import Made
from stream.bridge.source_merge import SourceMerge
from stream.bridge.source_records import Source
from stream.intake.schema_cache import SchemaNeeded

TOPICS = ("a", "b", "c")


def _source(topic: str, offset: int, at: int | None) -> Source:
    return Source(topic, 0, offset, 0, None, b"" if at is None else b"%d" % at, ())


def _events(source: Source) -> list[Made]:
    if not source.value:
        raise Ignored("empty")
    return [Made(0, "s", b"{}", float(source.value), "review.created")]


_TIMES = st.lists(st.none() | st.integers(0, 20), max_size=8)


@given(times=st.tuples(_TIMES, _TIMES, _TIMES), data=st.data())
def test_the_order_is_that_of_times_and_of_offsets_however_records_arrive(
    times: tuple[list[int | None], ...], data: st.DataObject
) -> None:
    """Until its last record has arrived a topic is waited for."""
    records = [
        [_source(topic, offset, at) for offset, at in enumerate(each)]
        for topic, each in zip(TOPICS, times, strict=True)
    ]
    expected = _taken_at_once(records)
    merge = SourceMerge(TOPICS, _events)
    left = {topic: list(each) for topic, each in zip(TOPICS, records, strict=True)}
    taken: list[tuple[str, int]] = []
    while any(left.values()):
        topic = data.draw(st.sampled_from([topic for topic in TOPICS if left[topic]]))
        merge.put(left[topic].pop(0))
        found = merge.take(lambda topic: not left[topic], data.draw(st.integers(1, 5)))
        taken += [(mapped.source.topic, mapped.source.offset) for mapped in found]
    taken += [(mapped.source.topic, mapped.source.offset) for mapped in merge.take(lambda _: True, 1000)]
    assert taken == expected
    for topic, its in zip(TOPICS, times, strict=True):
        assert [offset for name, offset in taken if name == topic] == list(range(len(its)))
    assert not any(merge.bytes_waiting.values())


def _taken_at_once(records: list[list[Source]]) -> list[tuple[str, int]]:
    merge = SourceMerge(TOPICS, _events)
    for source in (source for its in records for source in its):
        merge.put(source)
    return [(mapped.source.topic, mapped.source.offset) for mapped in merge.take(lambda _: True, 1000)]


def test_a_topic_without_records_is_waited_for() -> None:
    merge = SourceMerge(TOPICS[:2], _events)
    merge.put(_source("a", 0, 5))
    assert merge.take(lambda _: False, 10) == []
    merge.put(_source("b", 0, 3))
    assert [mapped.source.topic for mapped in merge.take(lambda _: False, 10)] == ["b"]
    assert [mapped.source.topic for mapped in merge.take(lambda _: True, 10)] == ["a"]


def test_a_schema_that_is_missing_holds_all_back_and_loses_nothing() -> None:
    known: set[int] = set()

    def events(source: Source) -> list[Made]:
        if source.topic == "b" and 7 not in known:
            raise SchemaNeeded(7)
        return _events(source)

    merge = SourceMerge(TOPICS[:2], events)
    merge.put(_source("a", 0, 5))
    merge.put(_source("b", 0, 3))
    assert merge.take(lambda _: True, 10) == []
    assert merge.needed_schemas == {"b": 7}
    known.add(7)
    assert [mapped.source.topic for mapped in merge.take(lambda _: True, 10)] == ["b", "a"]
    assert not merge.needed_schemas


def test_records_that_are_committed_already_are_dropped() -> None:
    merge = SourceMerge(("a",), _events)
    for offset in range(4):
        merge.put(_source("a", offset, offset))
    merge.drop_below("a", 3)
    assert [mapped.source.offset for mapped in merge.take(lambda _: True, 10)] == [3]
