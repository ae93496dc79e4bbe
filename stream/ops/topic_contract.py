"""The contract of every topic: what `topics create` sets, and what `topics check` and a worker's start require.

Invariant: `topics()` is the only list of topics and of their configurations. What it creates fulfils what it requires.
An unfulfilled requirement is an error if records would be lost or refused, and otherwise a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from stream.config import Settings

_HOUR_MS: Final = 3600 * 1000
_DAY_MS: Final = 24 * _HOUR_MS
#: The least of `retention.bytes` with which a reader can be slow or start again: some 100,000 events.
_LEAST_BYTES: Final = 64 * 1024 * 1024
#: A usual batch: the default `batch.size` of Kafka's producers, and a batch's overhead.
_USUAL_BATCH_BYTES: Final = 16_384 + 4096
#: The largest batch of a checkpoint (`checkpoint_store`): Kafka compares a batch with `max.message.bytes`.
BATCH_BYTES: Final = 1024 * 1024
#: The largest dead letter or state row (`checkpoint_store`): it may be larger than the record that it comes from.
RECORD_BYTES: Final = 4 * 1024 * 1024
#: Kafka's own default of `max.message.bytes`.
_DEFAULT_BYTES: Final = BATCH_BYTES + 12
#: What a batch of one event has beside the event: its header, key, and headers such as those of a trace.
_OVERHEAD_BYTES: Final = 4096
#: A review is followed for two years: a new state can use events of that time.
_FOLLOWED_DAYS: Final = 730

#: A topic's configuration: values by name.
Configs = Mapping[str, str]


class Requirement(NamedTuple):
    """One configuration of a topic.

    Attributes:
        config: The configuration's name.
        created: The value that `topics create` sets and that the advice names.
        holds: Whether a topic's configuration is good enough. It is called only if Kafka reports `config`.
        otherwise: What happens if it does not hold.
        is_error: Whether records would be lost or refused.
    """

    config: str
    created: str
    holds: Callable[[Configs], bool]
    otherwise: str
    is_error: bool


class TopicContract(NamedTuple):
    """One topic.

    Attributes:
        name: The topic.
        partitions: Its number of partitions; None if it needs as many as the inputs.
        requirements: Its configuration. Of several requirements on one configuration the first unfulfilled one counts.
    """

    name: str
    partitions: int | None
    requirements: tuple[Requirement, ...]

    @property
    def created(self) -> dict[str, str]:
        """The configuration that `topics create` sets."""
        return {each.config: each.created for each in self.requirements}

    def unfulfilled(self, configs: Configs) -> list[Requirement]:
        """Return the requirements that a topic's configuration does not fulfil, at most one for each name."""
        found: dict[str, Requirement] = {}
        for each in self.requirements:
            if each.config in configs and each.config not in found and not each.holds(configs):
                found[each.config] = each
        return list(found.values())


def topics(settings: Settings, sources: Sequence[str] = ()) -> list[TopicContract]:
    """Return the contracts of all topics; of those that a bridge reads (`sources`), the dead-letter topics."""
    event_bytes = settings.max_event_bytes + _OVERHEAD_BYTES
    # Offsets are committed once an event has left the merge, so a restart reads the allowed lateness again.
    least_ms = _HOUR_MS + int(1000 * (settings.allowed_lateness_seconds + settings.max_idle_seconds))
    inputs = (
        _policy("delete", "events are deleted before they are read: compaction keeps one event of each seller"),
        _at_least(
            "max.message.bytes",
            _USUAL_BATCH_BYTES,
            "Kafka refuses usual batches of producers, and their events are lost",
            created=_DEFAULT_BYTES,
            is_error=True,
        ),
        _at_least(
            "max.message.bytes",
            event_bytes,
            "Kafka refuses events that VOLTEFACE_MAX_EVENT_BYTES allows",
            created=_DEFAULT_BYTES,
        ),
        _complete("events"),
        *_kept_until_read(least_ms, "events", _FOLLOWED_DAYS),
        *_kept(365, _FOLLOWED_DAYS, "a state that is built again lacks the events before that time"),
        Requirement(
            "message.timestamp.type",
            "LogAppendTime",
            _has_append_times,
            "retention counts from times that producers set, so that a backfill with old times is deleted at once",
            is_error=False,
        ),
    )
    evidence = (
        _policy("delete", "messages between tasks are deleted before they are read"),
        _fits_batches(_DEFAULT_BYTES),
        _complete("messages between tasks"),
        *_kept_until_read(least_ms, "messages between tasks", 30),
        *_kept(30, 30, "a worker that is away for longer misses messages of other tasks"),
    )
    state = (
        # `compact,delete` deletes rows by age, too.
        _policy("compact", "rows of the state are deleted by age"),
        _complete("rows of the state"),
        _fits_batches(RECORD_BYTES),
        _at_least("max.message.bytes", RECORD_BYTES, "Kafka refuses large rows, and their task stops"),
        # Replaced and deleted rows disappear within the compaction lag and a day, even if little is written: some of
        # them hold ids of reviewers who asked for erasure. A restore that takes longer than the day would miss
        # deletions.
        Requirement(
            "max.compaction.lag.ms",
            str(7 * _DAY_MS),
            lambda configs: int(configs["max.compaction.lag.ms"]) <= 7 * _DAY_MS,
            "ids of erased reviewers stay for longer than a week",
            is_error=False,
        ),
        _at_least("delete.retention.ms", _DAY_MS, "a restore that takes longer misses deletions of rows"),
        Requirement(
            "min.cleanable.dirty.ratio",
            "0.1",
            lambda configs: float(configs["min.cleanable.dirty.ratio"]) <= 0.5,
            "restores read many replaced rows",
            is_error=False,
        ),
    )
    dead_letters = (
        _policy("delete", "dead letters are deleted, and letters without a key are refused"),
        # No error: a worker leaves out the parts of a dead letter that do not fit.
        _at_least("max.message.bytes", RECORD_BYTES, "parts of larger dead letters are left out"),
        _complete("dead letters"),
        *_kept_until_read(_HOUR_MS, "dead letters", 30),
        *_kept(7, 30, "dead letters disappear before somebody can send them again"),
    )
    alerts = (
        _policy("delete", "all but the latest alert of each subject are deleted"),
        _fits_batches(_DEFAULT_BYTES),
        _complete("alerts"),
        *_kept_until_read(_HOUR_MS, "alerts", _FOLLOWED_DAYS),
        *_kept(365, _FOLLOWED_DAYS, "`volteface alerts` lacks the alerts before that time"),
    )
    cases = (
        _policy("compact", "cases are deleted by age, although they may still be open"),
        _complete("cases"),
        _fits_batches(_DEFAULT_BYTES),
    )
    audit = (
        _policy("delete", "audit records have no key and are refused"),
        _complete("audit records"),
        *_kept_until_read(_HOUR_MS, "audit records", None),
        *_kept(None, None, "audit records disappear"),
    )
    return [
        *(TopicContract(name, None, inputs) for name in settings.input_topics),
        *(
            TopicContract(settings.dead_letter_topic(name), 1, dead_letters)
            for name in (*settings.read_topics, *sources)
        ),
        TopicContract(settings.evidence_topic, None, evidence),
        TopicContract(settings.alerts_topic, None, alerts),
        TopicContract(settings.cases_topic, None, cases),
        TopicContract(settings.audit_topic, 1, audit),
        TopicContract(settings.state_topic, None, state),
    ]


def in_sync_replicas(replicas: int) -> int:
    """Return `min.insync.replicas` for a number of replicas.

    With three replicas one broker may be away, and an acknowledged record is on two disks.
    """
    return 2 if replicas >= 3 else 1


def _policy(policy: str, otherwise: str) -> Requirement:
    return Requirement(
        "cleanup.policy", policy, lambda configs: configs["cleanup.policy"] == policy, otherwise, is_error=True
    )


def _fits_batches(created: int) -> Requirement:
    return _at_least(
        "max.message.bytes",
        BATCH_BYTES,
        "Kafka refuses the batches of a checkpoint, and their task stops",
        created=created,
        is_error=True,
    )


def _at_least(
    config: str, least: int, otherwise: str, *, created: int | None = None, is_error: bool = False
) -> Requirement:
    value = str(least if created is None else created)
    return Requirement(config, value, lambda configs: int(configs[config]) >= least, otherwise, is_error)


def _complete(records: str) -> Requirement:
    """Return the requirement without which a replica that lacks records may become the leader."""
    config = "unclean.leader.election.enable"
    return Requirement(
        config,
        "false",
        lambda configs: configs[config] == "false",
        f"Kafka may choose a leader that is behind, and acknowledged {records} are lost",
        is_error=False,
    )


def _kept_until_read(least_ms: int, records: str, created_days: int | None) -> tuple[Requirement, Requirement]:
    """Return the requirements without which records are lost while their reader is slow or starts again."""
    return (
        Requirement(
            "retention.ms",
            _retention(created_days),
            lambda configs: int(configs["retention.ms"]) == -1 or int(configs["retention.ms"]) >= least_ms,
            f"{records} expire before they are read while a reader starts again or is behind",
            is_error=True,
        ),
        Requirement(
            "retention.bytes",
            "-1",
            lambda configs: int(configs["retention.bytes"]) == -1 or int(configs["retention.bytes"]) >= _LEAST_BYTES,
            f"{records} are deleted by size before they are read while a reader starts again or is behind",
            is_error=True,
        ),
    )


def _retention(days: int | None) -> str:
    """Return `retention.ms` for a number of days; None: without a limit."""
    return "-1" if days is None else str(days * _DAY_MS)


def _kept(least_days: int | None, created_days: int | None, otherwise: str) -> tuple[Requirement, Requirement]:
    """Return the requirements on a topic that keeps records for a number of days; None: without a limit."""
    least = None if least_days is None else least_days * _DAY_MS

    def long_enough(configs: Configs) -> bool:
        found = int(configs["retention.ms"])
        return found == -1 or (least is not None and found >= least)

    return (
        Requirement("retention.ms", _retention(created_days), long_enough, otherwise, is_error=False),
        Requirement(
            "retention.bytes",
            "-1",
            lambda configs: int(configs["retention.bytes"]) == -1,
            f"records are deleted by size, before retention.ms: {otherwise}",
            is_error=False,
        ),
    )


def _has_append_times(configs: Configs) -> bool:
    return configs["message.timestamp.type"] == "LogAppendTime" or configs.get("retention.ms") == "-1"
