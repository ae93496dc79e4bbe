"""Names on the wire are frozen: a rename in the code must not change a topic, header, row, setting or metric."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from stream.bridge.metrics import BridgeMetrics
from stream.config import BridgeSettings, KafkaSettings, Settings, variable
from stream.contract.events import CaseNoted, CaseSubject
from stream.core.aggregation.aggregator import Progress
from stream.core.aggregation.conclusions_in_force import ConclusionsInForce
from stream.core.baseline.day_sums import DaySums
from stream.core.baseline.market_totals import MarketTotals
from stream.core.messages.conclusions import Conclusion, NamedReviewer, RingMembers, WatchedReviewer
from stream.core.messages.reports import (
    ClientReport,
    DayReport,
    LinkedReport,
    ReportedFlip,
    ReviewerReport,
    StaffReport,
)
from stream.core.messages.wire import DayRequest, Forget, ForwardedCaseEvent, decode_message
from stream.core.model.decisions import HeldCaseEvent
from stream.core.model.flips import Flip
from stream.core.reviewers.pending_reviewers import PendingReviewers
from stream.core.reviewers.reviewer_history import ReviewerHistory
from stream.core.rings.connectors import Connector, TiedSeller
from stream.core.staff.history import EvidenceHistory, StaffHistory
from stream.core.state import codec
from stream.core.state.model_version import model_of
from stream.core.state.rows import MetaRow
from stream.engine.checkpoint import POSITION
from stream.engine.deciding_settings import deciding_settings
from stream.engine.records import app_id_header
from stream.intake.dead_letters import DeadLetter, LeftOut, outgoing
from stream.intake.refusal import Refusal
from stream.intake.settlements import settlement
from stream.ops.metrics import Metrics

_FLIP = Flip(
    1.0, 0.5, "r1", "p1", 4.0, True, False, 2.0, 4, ("a1",), True, 1, None, "message", 5.0, "USD", ((6.0, False),), True
)  # fmt: skip
_SUMS = b'{"flips":1,"retracted":2,"looked_up_flips":3.0,"looked_up_expected":4.0,"written":5,"removed":6,'
_SUMS += b'"critical":7,"marks":[8.0]}'
_HISTORY = b'{"count":1,"retracted":2,"expected":3.0,"expected_long":4.0,"history":[[1.0]],"latest":[]}'


_NOTED = CaseNoted(
    event_id="e1", occurred_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), case_id="c1",
    subject=CaseSubject("staff", "a1"), analyst_id="ana", note="Asked.",
)  # fmt: skip


def _instance(kind: type[msgspec.Struct], *values: object) -> msgspec.Struct:
    """Return an instance with these values in the order of its fields, independent of their names."""
    return kind(**dict(zip(kind.__struct_fields__, values, strict=True)))


@pytest.mark.parametrize(
    ("value", "document"),
    [
        (
            _instance(
                StaffReport, "a1", 5.0, 6, 7, 8.0, 9.0, 10.0, 11.0,
                [_instance(ReportedFlip, "s1", "e1", 0.5, _FLIP)],
                12, 13, [], [_instance(ClientReport, "s1", 2, 3.0, 4.0, 5.0, 6.0)],
            ),
            b'{"actor_id":"a1","first_seen":5.0,"flips":6,"retracted":7,'
            b'"expected":8.0,"expected_long":9.0,"looked_up_flips":10.0,"looked_up_expected":11.0,'
            b'"latest":[["s1","e1",0.5,[1.0,0.5,"r1","p1",4.0,true,false,2.0,4,["a1"],true,1,null,"message",5.0,"USD",[[6.0,false]],true]]],'
            b'"removed":12,"critical":13,'
            b'"latest_removed":[],"clients":[["s1",2,3.0,4.0,5.0,6.0]]}',
        ),
        (_instance(DaySums, 1, 2, 3.0, 4.0, 5, 6, 7, [8.0]), _SUMS),
        (
            _instance(
                DayReport, 1, 2, 3, _instance(DaySums, 1, 2, 3.0, 4.0, 5, 6, 7, [8.0]), [],
                [_instance(LinkedReport, "s1", {"k1": "owner"}, 2, 3.0, 4.0, 5.0, 6.0, [])],
                [_instance(ReviewerReport, "u1", 2, [], 3)], 7,
            ),
            b'{"type":"day","writer":1,"day":2,"through":3,"sums":' + _SUMS
            + b',"staff":[],"linked":[["s1",{"k1":"owner"},2,3.0,4.0,5.0,6.0,[]]],'
            b'"reviewers":[["u1",2,[],3]],"part":7}',
        ),
        (_instance(DayRequest, 1, 2), b'{"type":"request","reporter":1,"day":2}'),
        (
            _instance(
                Conclusion, 2, [(3, "a1", None)], [(4, "a2")], [_instance(RingMembers, 5, "g1", ["s1"], ["s1"])],
                [_instance(WatchedReviewer, 6, "u1", True)], [_instance(NamedReviewer, 7, "u2", True, [("s1", "r1")])],
            ),
            b'{"type":"judged","day":2,"accused":[[3,"a1",null]],"withdrawn":[[4,"a2"]],'
            b'"rings":[[5,"g1",["s1"],["s1"]]],"watched":[[6,"u1",true]],"reviewers":[[7,"u2",true,[["s1","r1"]]]]}',
        ),
        (
            _instance(ForwardedCaseEvent, _NOTED, 4),
            b'{"type":"case","event":' + msgspec.json.encode(_NOTED) + b',"day":4}',
        ),
        (_instance(Forget, "u1"), b'{"type":"forget","reviewer_id":"u1"}'),
        (_instance(EvidenceHistory, 1, 2, 3.0, 4.0, [[1.0]], []), _HISTORY),
        (
            _instance(
                StaffHistory, 1, "a1", 2.0, _instance(EvidenceHistory, 1, 2, 3.0, 4.0, [[1.0]], []),
                _instance(EvidenceHistory, 1, 2, 3.0, 4.0, [[1.0]], []), 3.0, 4.0, 5.0, 6.0,
                [None, 1.0], {"k": 1.0}, None, ["s1"], 7.0, True, 8.0,
            ),
            b'{"version":1,"actor_id":"a1","first_seen":2.0,"flips":' + _HISTORY + b',"removals":' + _HISTORY
            + b',"looked_up_flips":3.0,"looked_up_expected":4.0,"removed":5.0,"critical":6.0,"log_odds":[null,1.0],'
            b'"alerted_at":{"k":1.0},"finding":null,"accused":["s1"],"verdict_at":7.0,'
            b'"confirmed":true,"muted_until":8.0}',
        ),
        (
            _instance(MarketTotals, 1, 2, 9, 3.0, 4.0, 5.0, 6.0, [7.0]),
            b'{"flips":1,"retracted":2,"written":9,"looked_up_flips":3.0,"looked_up_expected":4.0,"removed":5.0,'
            b'"critical":6.0,'
            b'"marks":[7.0]}',
        ),
        (
            _instance(
                Progress, 1, {0: 2}, 3, _instance(MarketTotals, 1, 2, 9, 3.0, 4.0, 5.0, 6.0, [7.0]),
                [HeldCaseEvent(4, _NOTED)],
            ),
            b'{"version":1,"through":{"0":2},"judged":3,"market":{"flips":1,"retracted":2,"written":9,"looked_up_flips":3.0,'
            b'"looked_up_expected":4.0,"removed":5.0,"critical":6.0,"marks":[7.0]},'
            b'"decisions":[[4,' + msgspec.json.encode(_NOTED) + b"]]}",
        ),
        (
            _instance(
                ConclusionsInForce, 1, 2, 3, {"a1": None}, [(4, "a2", "s1")], [(5, "a3")],
                {"g1": _instance(RingMembers, 5, "g1", ["s1"], ["s1"])}, [],
                _instance(
                    PendingReviewers, [_instance(WatchedReviewer, 6, "u1", True)],
                    [_instance(NamedReviewer, 7, "u2", False, [])],
                ),
            ),
            b'{"version":1,"began":2,"heard":3,"accused":{"a1":null},"coming":[[4,"a2","s1"]],"withdrawn":[[5,"a3"]],'
            b'"rings":{"g1":[5,"g1",["s1"],["s1"]]},"pending_rings":[],'
            b'"reviewers":{"pending_watched":[[6,"u1",true]],"pending":[[7,"u2",false,[]]]}}',
        ),
        (
            _instance(
                Connector, 1, "link", "k1", "owner", {"s1": _instance(TiedSeller, 1, 2.0, 3.0, 4.0, 5.0, 6.0)},
                8.5, [], 9, 10.0, 11.0, True, "staff/a1", 12.0, None, {"s1": 13.0}, ["s1"], {"k": 14.0}, None, None,
                0.0, True,
            ),
            b'{"version":1,"type":"link","connector_id":"k1","relation":"owner","members":{"s1":[1,2.0,3.0,4.0,5.0,6.0]},'
            b'"log_level":8.5,"latest":[],"last_day":9,"log_odds":10.0,"log_odds_without":11.0,'
            b'"ties_clients":true,"part_of":"staff/a1","named_at":12.0,"fell_apart_at":null,"joined_at":{"s1":13.0},'
            b'"moved":["s1"],"alerted_at":{"k":14.0},"finding":null,"verdict_at":null,"muted_until":0.0,"confirmed":true}',
        ),
        (
            _instance(
                ReviewerHistory, 1, "u1", 2, 3, 4, 5, 6, {7: 8}, [], 9, 10.0, True, False, {"k": 11.0}, None, 12.0, 13.0
            ),
            b'{"version":1,"reviewer_id":"u1","flip_days":2,"last_day":3,"flips":4,"flips_before":5,"excluded":6,'
            b'"critical":{"7":8},"latest":[],"watched_on":9,"log_odds":10.0,"is_named":true,"confirmed":false,'
            b'"alerted_at":{"k":11.0},"finding":null,"verdict_at":12.0,"muted_until":13.0}',
        ),
    ],
)  # fmt: skip
def test_fields_encoded_by_name_keep_their_names(value: msgspec.Struct, document: bytes) -> None:
    assert msgspec.json.encode(value) == document
    assert msgspec.json.decode(document, type=type(value)) == value


def test_a_flip_of_earlier_versions_is_read() -> None:
    earlier = msgspec.json.encode([*msgspec.to_builtins(_FLIP)][:16])
    assert msgspec.json.decode(earlier, type=Flip) == msgspec.structs.replace(_FLIP, look_ups=(), creation_seen=False)


def test_keys_of_state_rows_keep_their_prefixes() -> None:
    prefixes = {name: value for name, value in vars(codec).items() if isinstance(value, bytes)}
    assert sorted(prefixes.values()) == sorted(
        [
            b"c/",
            b"t/",
            b"u/",
            b"m/",
            b"n/",
            b"h/",
            b"g/",
            b"j/",
            b"r/",
            b"s/",
            b"f/",
            b"p/",
            b"d/",
            b"e/",
            b"a/",
            b"w/",
            b"b/",
            b"k/",
            b"q/",
            b"l/",
            b"i/",
        ]
    )
    assert POSITION == b"o"
    assert set(deciding_settings(Settings())) == {
        f"VOLTEFACE_{name}"
        for name in (
            "LIFECYCLE_TOPIC", "OUTREACH_TOPIC", "ACCESS_TOPIC", "EVIDENCE_TOPIC", "ALERTS_TOPIC", "DEAD_LETTER_PREFIX",
            "ALLOWED_LATENESS_SECONDS", "MAX_EVENT_BYTES", "FUTURE_SECONDS", "UNKNOWN_FIELDS", "ALERT_BUDGET",
            "VERDICTS_TOPIC", "CASES_TOPIC", "FOUR_EYES", "CASE_DUE_DAYS", "INPUT_FORMAT", "REVIEWER_WATCH",
        )
    }  # fmt: skip


def test_the_model_in_the_meta_row_keeps_its_names_and_values() -> None:
    row = MetaRow(1, 2.0, 3, 4, {"applied": 5}, model_of("key"))
    assert msgspec.json.encode(row) == (
        b'[1,2.0,3,4,{"applied":5},{"model version":"1","bands of reviews":"690f40c5","watches":"a5b42e9f",'
        b'"columns of evidence":"27/7/60","rows and messages":"9","VOLTEFACE_PSEUDONYM_KEY":"key"},-1]'
    )


def test_evidence_records_keep_their_header_and_types() -> None:
    assert app_id_header(Settings(app_id="ours")) == ("volteface.app_id", b"ours")
    for document in (
        b'{"type":"day","writer":1,"day":2,"through":2,"staff":[{"actor_id":"a1","first_seen":1.0}]}',
        b'{"type":"request","reporter":1,"day":2}',
        b'{"type":"judged","day":2,"accused":[]}',
        b'{"type":"forget","reviewer_id":"u1"}',
        b'{"type":"case","event":{"type":"case.noted","event_id":"e1","occurred_at":"2025-01-01T00:00:00Z",'
        b'"case_id":"c1","subject":{"type":"staff","id":"a1"},"analyst_id":"ana","note":"x"},"day":4}',
    ):
        decode_message(document)


def test_dead_letters_keep_their_headers() -> None:
    letter = DeadLetter(
        topic="t", partition=1, offset=2, key=b"k", value=b"v", headers=((("trace"), b"1"),),
        reason=Refusal.BAD_VALUE, detail="Why.",
    )  # fmt: skip
    assert outgoing(letter) == (
        b"k",
        b"v",
        (
            ("trace", b"1"),
            ("__streams.errors.exception", b"stream.intake.refusal.Refused"),
            ("__streams.errors.message", b"Why."),
            ("__streams.errors.stacktrace", b"stream.intake.refusal.Refused: bad_value: Why."),
            ("__streams.errors.topic", b"t"),
            ("__streams.errors.partition", b"1"),
            ("__streams.errors.offset", b"2"),
            ("volteface.reason", b"bad_value"),
        ),
    )
    bare = msgspec.structs.replace(letter, key=None, value=None, headers=(("\udcff", b"1"),))
    cut = msgspec.structs.replace(bare, left_out={"value": LeftOut(1, "aa")})
    assert outgoing(cut, keyed=True)[0] == b"t/1/2"
    assert outgoing(cut, keyed=True)[2][0] == ("\\xff", b"1")
    assert outgoing(cut, keyed=True)[2][-3:] == (
        ("volteface.left_out", b'{"value":{"bytes":1,"sha256":"aa"}}'),
        ("volteface.header_names", b'{"0":"ff"}'),
        ("volteface.no_key", b"true"),
    )
    assert settlement(3, [7, 5, 6, 9]) == (b"settled/3/5", b"[[5,7],[9,9]]", (("volteface.settled", b"1"),))
    assert [reason.value for reason in Refusal] == [
        "undecodable", "unknown_type", "missing_field", "bad_value", "personal_data", "wrong_key",
        "wrong_partition_count", "future", "too_large", "unknown_schema",
        "incomplete_row", "truncated", "mapping_failed",
    ]  # fmt: skip


SETTINGS = [
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_CLIENT_ID",
    "KAFKA_CLIENT_RACK",
    "KAFKA_MOCK",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_OAUTH_CAFILE",
    "KAFKA_SASL_OAUTH_CLIENT_ID",
    "KAFKA_SASL_OAUTH_CLIENT_SECRET",
    "KAFKA_SASL_OAUTH_SCOPE",
    "KAFKA_SASL_OAUTH_TOKEN_URL",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SSL_CAFILE",
    "KAFKA_SSL_CERTFILE",
    "KAFKA_SSL_KEYFILE",
    "KAFKA_SSL_KEY_PASSWORD",
    "VOLTEFACE_ACCESS_TOPIC",
    "VOLTEFACE_ALERTS_TOPIC",
    "VOLTEFACE_ALERT_BUDGET",
    "VOLTEFACE_ALLOWED_LATENESS_SECONDS",
    "VOLTEFACE_APP_ID",
    "VOLTEFACE_AUDIT_TOPIC",
    "VOLTEFACE_BRIDGE_MAPPING",
    "VOLTEFACE_BRIDGE_ON_REFUSAL",
    "VOLTEFACE_BRIDGE_PORT",
    "VOLTEFACE_CASES_TOPIC",
    "VOLTEFACE_CASE_DUE_DAYS",
    "VOLTEFACE_CHECKPOINT_SECONDS",
    "VOLTEFACE_DEAD_LETTER_PREFIX",
    "VOLTEFACE_EVIDENCE_TOPIC",
    "VOLTEFACE_FOUR_EYES",
    "VOLTEFACE_FUTURE_SECONDS",
    "VOLTEFACE_INPUT_FORMAT",
    "VOLTEFACE_LIFECYCLE_TOPIC",
    "VOLTEFACE_LOG_LEVEL",
    "VOLTEFACE_MAX_EVENT_BYTES",
    "VOLTEFACE_MAX_IDLE_SECONDS",
    "VOLTEFACE_OUTPUT_FORMAT",
    "VOLTEFACE_OUTREACH_TOPIC",
    "VOLTEFACE_PSEUDONYM_KEY",
    "VOLTEFACE_REVIEWER_WATCH",
    "VOLTEFACE_SCHEMA_REGISTRY_CAFILE",
    "VOLTEFACE_SCHEMA_REGISTRY_PASSWORD",
    "VOLTEFACE_SCHEMA_REGISTRY_URL",
    "VOLTEFACE_SCHEMA_REGISTRY_USER",
    "VOLTEFACE_SESSION_TIMEOUT_SECONDS",
    "VOLTEFACE_TRANSACTION_TIMEOUT_SECONDS",
    "VOLTEFACE_UNKNOWN_FIELDS",
    "VOLTEFACE_VERDICTS_TOPIC",
    "VOLTEFACE_WEB_HOST",
    "VOLTEFACE_WEB_PORT",
]
METRICS = [
    "volteface_alert_threshold_log_odds",
    "volteface_alerts",
    "volteface_alerts_allowed_per_year",
    "volteface_alerts_past_year",
    "volteface_at_risk_reviews",
    "volteface_batch_seconds",
    "volteface_blocked",
    "volteface_build",
    "volteface_case_events",
    "volteface_case_verdicts",
    "volteface_cases",
    "volteface_checkpoint_age_seconds",
    "volteface_checkpoint_rows",
    "volteface_checkpoint_seconds",
    "volteface_closed_reviews",
    "volteface_dead_letters",
    "volteface_event_to_alert_seconds",
    "volteface_events",
    "volteface_evidence_log_odds",
    "volteface_exceptional_events",
    "volteface_expected_flips",
    "volteface_expected_flips_per_second",
    "volteface_expired_records",
    "volteface_explained_cases",
    "volteface_flips",
    "volteface_foreign_messages",
    "volteface_foreign_tasks",
    "volteface_group_offsets_resets",
    "volteface_kafka_reachable",
    "volteface_lag_records",
    "volteface_lag_seconds",
    "volteface_last_record_timestamp_seconds",
    "volteface_late_events",
    "volteface_partitions",
    "volteface_pattern_score",
    "volteface_priority_log_loss",
    "volteface_products",
    "volteface_records",
    "volteface_restore_seconds",
    "volteface_restored_rows",
    "volteface_schema_registry_requests",
    "volteface_schema_wait_seconds",
    "volteface_staff_judged_timestamp_seconds",
    "volteface_subjects",
    "volteface_task_failures",
    "volteface_tasks",
    "volteface_topic_problems",
    "volteface_trust_doubtful",
    "volteface_unknown_field_events",
    "volteface_watermark_timestamp_seconds",
]
BRIDGE_METRICS = [
    "volteface_bridge_commit_seconds",
    "volteface_bridge_event_time_seconds",
    "volteface_bridge_events",
    "volteface_bridge_expired_records",
    "volteface_bridge_ignored",
    "volteface_bridge_lag_records",
    "volteface_bridge_records",
    "volteface_bridge_refused",
    "volteface_bridge_task_failures",
    "volteface_bridge_task_running",
    "volteface_bridge_unknown_deleters",
    "volteface_build",
    "volteface_kafka_reachable",
]


def test_settings_keep_their_variables() -> None:
    assert (
        sorted(variable(kind, name) for kind in (Settings, KafkaSettings, BridgeSettings) for name in kind.model_fields)
        == SETTINGS
    )


def test_metrics_keep_their_names() -> None:
    registry = Metrics(dict, dict, lambda: True, {}).registry
    assert sorted(family.name for family in registry.collect() if family.name.startswith("volteface_")) == METRICS


def test_metrics_of_the_bridge_keep_their_names() -> None:
    registry = BridgeMetrics(["orders"], dict, dict, lambda: True, dict).registry
    assert (
        sorted(family.name for family in registry.collect() if family.name.startswith("volteface_")) == BRIDGE_METRICS
    )
