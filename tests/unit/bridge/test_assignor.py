"""How the bridge's group shares partitions out."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from stream.bridge.assignor import NumberAssignor


class _Cluster:
    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._counts[topic])) if self._counts[topic] else None


_COUNTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 7), min_size=1)


@given(counts=_COUNTS, members=st.integers(1, 5), fewer=st.integers(0, 2))
def test_each_partition_has_one_owner_and_a_number_has_one_owner_in_all_topics(
    counts: dict[str, int], members: int, fewer: int
) -> None:
    topics = sorted(counts)
    group = {f"m{number}": NumberAssignor.metadata(topics) for number in range(members)}
    if len(topics) > 1:  # members with an older mapping
        group |= {f"old{number}": NumberAssignor.metadata(topics[1:]) for number in range(fewer)}
    found = NumberAssignor.assign(_Cluster(counts), group)
    assert found.keys() == group.keys()
    owners: dict[tuple[str, int], str] = {}
    for member, assignment in found.items():
        for topic, numbers in assignment.assignment:
            for number in numbers:
                assert owners.setdefault((topic, number), member) == member
    assert owners.keys() == {(topic, number) for topic, count in counts.items() for number in range(count)}
    by_number: dict[int, set[str]] = {}
    for (_, number), member in owners.items():
        by_number.setdefault(number, set()).add(member)
    assert all(len(its) == 1 for its in by_number.values())
    assert not any(member.startswith("old") for member in owners.values())
    shares = [sum(owner == name for owner in (min(its) for its in by_number.values())) for name in group]
    assert max(shares) <= -(-len(by_number) // members)
