"""The types and the published schemas are one contract, in both directions.

Invariant: intake and the JSON Schema accept the same documents. Besides the examples, the tests draw random documents,
valid and nearly valid ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.config import Settings
from stream.contract import alerts, cases
from stream.contract.events import STREAMS, Event
from stream.intake.identifiers import BLANK, EMAIL, PHONE
from stream.intake.intake import Intake
from stream.intake.json_format import INSTANT
from stream.intake.refusal import Refusal, Refused

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
EXAMPLES: Final = SCHEMAS / "examples"
STREAM_NAMES: Final = tuple(STREAMS)
STREAM_OF: Final = {
    str(kind.__struct_config__.tag): number for number, kinds in enumerate(STREAMS.values()) for kind in kinds
}
KIND_OF: Final[dict[str, type[Event]]] = {
    str(kind.__struct_config__.tag): kind for kinds in STREAMS.values() for kind in kinds
}
INTAKE: Final = Intake(Settings.model_construct(), partitions=1)

Document = dict[str, Any]


def schema_of(name: str) -> Document:
    return dict(json.loads((SCHEMAS / f"{name}.v1.json").read_text("utf-8")))


def validator_of(name: str) -> Any:
    kind = jsonschema.Draft202012Validator
    return kind(schema_of(name), format_checker=kind.FORMAT_CHECKER)


VALIDATORS: Final = {name: validator_of(name) for name in (*STREAM_OF, "alert", "case")}


def intake_accepts(name: str, document: Document) -> bool:
    try:
        INTAKE.read(STREAM_OF[name], json.dumps(document).encode())
    except Refused:
        return False
    return True


def lines_of(path: Path) -> list[Document]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# Values for each field: valid ones, and nearly valid ones.
plain_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_:./-]{0,20}", fullmatch=True)
times = st.builds(
    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{}".format,
    st.integers(1970, 2999),
    st.integers(1, 12),
    st.integers(1, 28),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.sampled_from(["", ".5", ".123456", ".999999999"]),
    st.sampled_from(["Z", "z", "+00:00", "-00:00", "+23:59", "-12:30"]),
)
odd_times = st.sampled_from(
    [
        "2024-05-01 10:00:00Z",
        "2024-05-01t10:00:00Z",
        "2024-05-01T10:00:00+0000",
        "2024-05-01T10:00:00+00",
        "2024-05-01T10:00:00",
        "2024-05-01T10:00Z",
        "2024-05-01T10:00:60Z",
        "2016-12-31T23:59:60Z",
        "2024-05-01T24:00:00Z",
        "2024-02-29T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-05-00T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+10:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+23:59",
        "2999-12-31T23:59:59.999999999-23:59",
        "3000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "2024-05-01T10:00:00.Z",
        "2024-05-01T10:00:00,5Z",
        "2024-05-01T10:00:00.1234567890Z",
        "2024-05-01T10:00:00+24:00",
        "2024-05-01T10:00:00+10:60",
        "2024-05-01",
        "20240501T100000Z",
        "2024-W18-3T10:00:00Z",
        "２０２４-05-01T10:00:00Z",
        "2024-05-01T10:00:00Z\n",
        " 2024-05-01T10:00:00Z",
        "2024-05-01T10:00:00 Z",
        "+2024-05-01T10:00:00Z",
        "1714557600",
        "",
        "now",
    ]
)
addresses = st.sampled_from(
    [
        "jane@example.com",
        "j@x.io",
        "mailto:jane@example.com",
        "a@b.c",
        "a@b.co.",
        "pkg@1.23",
        "@jane.doe",
        "jane@localhost",
        "a@@b.de",
        "jané@exämple.de",
        "x@a.b@c",
        "+15551234567",
        "+1(555)123-4567",
        "+1.555.123.4567",
        "+1 555 123 4567",
        "+123456",
        "+1234567",
        "+123456789012345",
        "+1234567890123456",
        "555-123-4567",
        "555.123.4567",
        "(555)123-4567",
        "(555) 123-4567",
        "(555)-123-4567",
        "5551234567",
        "555-1234-567",
        "555-123-45678",
        "x555-123-4567",
        "+49",
        "555-123-4567\n",
        "978-3-16-148410-0",
    ]
)
# Every character that Python or ECMAScript treats as white space, adjacent control characters, and some others.
blanks = st.sampled_from(
    "\x00\t\n\r\x0b\x0c\x1c\x1f \x7f\x85\xa0\u1680\u180e\u2000\u200a\u200b\u2028\u202f\u205f\u3000\ufeff"
    "\u061c\u200c\u200d\u200e\u200f\u202a\u202e\u2066\u2069"
)
odd_ids = st.one_of(
    addresses,
    st.builds("{}{}{}".format, st.sampled_from(["", "a"]), blanks, st.sampled_from(["", "b"])),
    st.builds(
        lambda character, length: character * length,
        st.sampled_from("aé\U0001f600"),
        st.sampled_from([0, 1, 64, 65, 128, 129]),
    ),
    st.text(max_size=8),
)
odd_numbers = st.one_of(
    st.integers(-1, 7),
    st.sampled_from([0.0, 1.0, 3.0, 3.5, 5.0, 6.0, -0.0, 1e9, 1000000000.5, 1e300, 10**9, 10**30, -1, -0.5, 2**64]),
)
odd_values = st.one_of(
    st.none(),
    st.booleans(),
    odd_numbers,
    odd_ids,
    odd_times,
    times,
    st.sampled_from(
        [
            "author",
            "AUTHOR",
            "message",
            "fax",
            "EUR",
            "eur",
            "EURO",
            "EUR\n",
            "ÄÖÜ",
            "1",
            [],
            ["a"],
            {},
            {"a": 1},
        ]
    ),
    st.sampled_from([64, 65, 256, 257]).map("x".__mul__),
)
VALID_VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "occurred_at": times,
    "rating": st.integers(1, 5),
    "previous_rating": st.integers(1, 5),
    "verified_purchase": st.booleans(),
    "marketplace": st.text(min_size=1, max_size=64),
    "deleted_by": st.sampled_from(["author", "platform"]),
    "channel": st.sampled_from(["message", "refund", "gift_card", "coupon", "replacement", "call", "public_reply"]),
    "incentive_value": st.one_of(st.integers(0, 10**9), st.floats(0, 1e9)),
    "currency": st.sampled_from(["EUR", "USD"]),
    "purpose": st.text(max_size=256),
    "relation": st.sampled_from(["owner", "bank_account", "device", "address", "other"]),
    "subject": st.fixed_dictionaries({"type": st.sampled_from(["seller", "staff"]), "id": plain_ids}),
    "verdict": st.sampled_from(["confirmed", "explained", "dismissed", "inconclusive"]),
    "story": st.sampled_from(["product_fix", "support_practice", "campaign", "review_bomb", "other"]),
    "note": st.text(min_size=1, max_size=2000),
    "muted_until": times,
    "appellant": st.sampled_from(["seller", "staff", "reviewer", "platform"]),
}


@st.composite
def valid(draw: st.DrawFn, name: str) -> Document:
    """Draw a valid document; optional fields are present, null or absent."""
    document: Document = {"type": name}
    for field in msgspec.structs.fields(KIND_OF[name]):
        value = VALID_VALUES.get(field.name, plain_ids)
        if field.required:
            document[field.name] = draw(value)
        elif draw(st.booleans()):
            document[field.name] = draw(st.one_of(st.none(), value))
    return document


@st.composite
def nearly_valid(draw: st.DrawFn, name: str) -> Document:
    """Draw a valid document with one or two fields dropped, replaced or added."""
    document = draw(valid(name))
    fields = [field.name for field in msgspec.structs.fields(KIND_OF[name])]
    for _ in range(draw(st.integers(1, 2))):
        field = draw(st.sampled_from(["type", "extra", *fields]))
        change = draw(st.integers(0, 5))
        if change == 0:
            document.pop(field, None)
        elif change <= 2 and field.endswith("_id"):
            document[field] = draw(odd_ids)
        elif change <= 2 and field == "subject":
            document[field] = draw(
                st.one_of(
                    odd_values,
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "type": st.one_of(st.sampled_from(["seller", "staff"]), odd_values),
                            "id": st.one_of(plain_ids, odd_ids),
                            "extra": plain_ids,
                        },
                    ),
                )
            )
        elif change <= 2 and field in {"occurred_at", "muted_until"}:
            document[field] = draw(odd_times)
        elif change <= 2 and field.endswith(("rating", "value")):
            document[field] = draw(odd_numbers)
        else:
            document[field] = draw(odd_values)
    return document


@pytest.mark.parametrize("name", STREAM_OF)
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_intake_and_schema_accept_a_valid_document(name: str, data: st.DataObject) -> None:
    document = data.draw(valid(name))
    if intake_accepts(name, document) and VALIDATORS[name].is_valid(document):
        return
    # A drawn id may be a telephone number by chance; no other refusal is allowed.
    with pytest.raises(Refused) as refused:
        INTAKE.read(STREAM_OF[name], json.dumps(document).encode())
    assert refused.value.reason is Refusal.PERSONAL_DATA
    assert not VALIDATORS[name].is_valid(document)


@pytest.mark.parametrize("name", STREAM_OF)
@given(data=st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_intake_and_schema_agree_on_nearly_valid_documents(name: str, data: st.DataObject) -> None:
    document = data.draw(nearly_valid(name))
    assert intake_accepts(name, document) == VALIDATORS[name].is_valid(document)


@pytest.mark.parametrize("name", STREAM_OF)
def test_schema_names_the_fields_of_the_type(name: str) -> None:
    schema = schema_of(name)
    fields = msgspec.structs.fields(KIND_OF[name])
    assert set(schema["properties"]) == {"type", *(field.name for field in fields)}
    assert set(schema["required"]) == {"type", *(field.name for field in fields if field.required)}
    assert "additionalProperties" not in schema


@pytest.mark.parametrize("name", STREAM_OF)
def test_schema_repeats_the_patterns_of_intake(name: str) -> None:
    defined = schema_of(name)["$defs"]
    assert [rule["pattern"] for rule in defined["id"]["not"]["anyOf"]] == [BLANK, EMAIL, PHONE]
    assert defined["event_id"]["not"] == defined["id"]["not"]
    assert defined["instant"]["pattern"] == INSTANT


@pytest.mark.parametrize("name", STREAM_OF)
def test_valid_examples(name: str) -> None:
    for document in lines_of(EXAMPLES / f"{name}.v1.jsonl"):
        VALIDATORS[name].validate(document)
        assert intake_accepts(name, document)


@pytest.mark.parametrize("example", lines_of(EXAMPLES / "refused.jsonl"), ids=lambda example: example["why"])
def test_refused_examples(example: Document) -> None:
    number = STREAM_NAMES.index(example["stream"])
    with pytest.raises(Refused) as refused:
        INTAKE.read(number, json.dumps(example["event"]).encode())
    assert refused.value.reason == example["reason"]
    names = [name for name, stream in STREAM_OF.items() if stream == number]
    assert not any(VALIDATORS[name].is_valid(example["event"]) for name in names)


def test_alert_schema_names_the_fields_and_values_of_alerts() -> None:
    schema = schema_of("alert")
    evidence, subject = schema["properties"]["evidence"], schema["properties"]["subject"]
    for part, kind in ((schema, alerts.Alert), (evidence, alerts.Evidence), (subject, alerts.Subject)):
        assert set(part["properties"]) == set(kind.__struct_fields__)
        required = [field.name for field in msgspec.structs.fields(kind) if field.required]
        assert set(part["required"]) == set(required)
    assert set(schema["properties"]["kind"]["enum"]) == set(get_args(alerts.Kind))
    assert set(schema["properties"]["severity"]["enum"]) == set(get_args(alerts.Severity))
    assert set(schema["properties"]["recommended_action"]["enum"]) == set(get_args(alerts.Action))
    assert set(subject["properties"]["type"]["enum"]) == set(get_args(alerts.SubjectType))


def test_alert_examples() -> None:
    for document in lines_of(EXAMPLES / "alert.v1.jsonl"):
        VALIDATORS["alert"].validate(document)
        alert = msgspec.convert(document, alerts.Alert)
        assert json.loads(msgspec.json.encode(alert)) == document


def test_alerts_of_earlier_versions_are_read() -> None:
    """Without every field that is not required: a consumer still reads the alerts of before."""
    for document in lines_of(EXAMPLES / "alert.v1.jsonl"):
        later = {"also", "parts", "payment", "reviews", "products"}
        earlier = document | {"evidence": {k: v for k, v in document["evidence"].items() if k not in later}}
        VALIDATORS["alert"].validate(earlier)
        assert msgspec.convert(earlier, alerts.Alert).evidence.products == []
        reviews = [
            {k: v for k, v in review.items() if k not in {"value_offered", "written_at", "look_ups"}}
            for review in document["evidence"]["reviews"]
        ]
        earlier["evidence"]["reviews"] = reviews
        VALIDATORS["alert"].validate(earlier)
        (review, *_) = msgspec.convert(earlier, alerts.Alert).evidence.reviews
        assert (review.written_at, review.look_ups) == (None, [])


def test_case_schema_names_the_fields_and_values_of_cases() -> None:
    properties = schema_of("case")["properties"]
    parts: dict[str, type[msgspec.Struct]] = {
        "alerts": cases.CaseAlert, "verdicts": cases.CaseVerdict, "notes": cases.CaseNote, "appeals": cases.CaseAppeal,
    }  # fmt: skip
    described: list[tuple[Document, type[msgspec.Struct]]] = [(schema_of("case"), cases.Case)]
    described += [(properties[name]["items"], kind) for name, kind in parts.items()]
    for part, kind in described:
        assert set(part["properties"]) == set(kind.__struct_fields__)
        assert set(part["required"]) == {field.name for field in msgspec.structs.fields(kind) if field.required}
    assert set(properties["state"]["enum"]) == set(get_args(cases.CaseState))
    assert set(properties["verdicts"]["items"]["properties"]["effect"]["enum"]) == set(get_args(cases.Effect))
    of_alerts = schema_of("alert")["properties"]
    for name in ("evidence", "explanation", "checks", "recommended_action", "patterns"):
        assert properties[name] == of_alerts[name]


def test_case_examples() -> None:
    documents = lines_of(EXAMPLES / "case.v1.jsonl")
    assert {document["state"] for document in documents} >= {"open", "decided", "appealed"}
    for document in documents:
        VALIDATORS["case"].validate(document)
        case = msgspec.convert(document, cases.Case)
        assert json.loads(msgspec.json.encode(case)) == document


def test_cases_of_earlier_versions_are_read() -> None:
    """Verdicts did not keep what was judged."""
    (document,) = (one for one in lines_of(EXAMPLES / "case.v1.jsonl") if one["state"] == "appealed")
    verdicts = [{k: v for k, v in one.items() if k not in {"kind", "severity"}} for one in document["verdicts"]]
    earlier = document | {"verdicts": verdicts}
    VALIDATORS["case"].validate(earlier)
    (found,) = msgspec.convert(earlier, cases.Case).verdicts
    assert (found.kind, found.severity) == (None, None)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_alert_type_and_schema_agree(data: st.DataObject) -> None:
    document = lines_of(EXAMPLES / "alert.v1.jsonl")[0]
    part = data.draw(st.sampled_from([document, document["evidence"], document["subject"]]))
    name = data.draw(st.sampled_from(sorted(part)))
    if data.draw(st.booleans()):
        del part[name]
    else:
        part[name] = data.draw(st.sampled_from([None, True, [], {}, "", "critical", "low", "staff", ["r"], {"a": "b"}]))
    try:
        msgspec.convert(document, alerts.Alert)
    except msgspec.ValidationError:
        accepted = False
    else:
        # The schema restricts the form of an id, the type does not: `alert_id` makes all ids.
        accepted = name != "alert_id"
    assert VALIDATORS["alert"].is_valid(document) == accepted


# The AsyncAPI document.


@pytest.fixture(scope="module")
def asyncapi() -> Document:
    return dict(yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text("utf-8")))


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def resolved(document: Document, reference: str) -> Document:
    path, _, pointer = reference.partition("#")
    node: Any = json.loads((SCHEMAS / path).read_text("utf-8")) if path else document
    for step in filter(None, pointer.split("/")):
        node = node[step]
    assert isinstance(node, dict)
    return node


def test_asyncapi_references_resolve(asyncapi: Document) -> None:
    assert asyncapi["asyncapi"] == "3.1.0"
    found = list(references(asyncapi))
    assert found
    for reference in found:
        assert resolved(asyncapi, reference)


def test_asyncapi_channels_are_the_topics_of_the_settings(asyncapi: Document) -> None:
    # The defaults of the class: the environment of the tests may set other topics.
    topics = {name: Settings.model_fields[f"{name}_topic"].default for name in (*STREAMS, "alerts", "cases")}
    prefix = Settings.model_fields["dead_letter_prefix"].default
    expected = topics | {f"{name}DeadLetters": prefix + topics[name] for name in STREAMS}
    assert {name: channel["address"] for name, channel in asyncapi["channels"].items()} == expected


def test_asyncapi_operations_receive_input_and_send_output(asyncapi: Document) -> None:
    actions = {
        operation["channel"]["$ref"].rsplit("/")[-1]: operation["action"]
        for operation in asyncapi["operations"].values()
    }
    assert actions == {name: "receive" if name in STREAMS else "send" for name in asyncapi["channels"]}


def test_asyncapi_has_every_event_in_its_channel(asyncapi: Document) -> None:
    for name, kinds in STREAMS.items():
        messages = asyncapi["channels"][name]["messages"]
        assert set(messages) == {kind.__struct_config__.tag for kind in kinds}
        for tag, message in messages.items():
            body = resolved(asyncapi, message["$ref"])
            assert body["payload"]["$ref"] == f"./{tag}.v1.json"
            assert resolved(asyncapi, body["bindings"]["$ref"])["kafka"]["key"]["type"] == "string"


def test_asyncapi_names_the_reasons_of_dead_letters(asyncapi: Document) -> None:
    headers = asyncapi["components"]["messages"]["DeadLetter"]["headers"]
    assert headers["properties"]["volteface.reason"]["enum"] == list(Refusal)


def test_the_page_of_formats_names_the_reasons_of_dead_letters() -> None:
    page = (SCHEMAS.parent / "docs" / "formats.md").read_text("utf-8").partition("## Reasons of refusals")[2]
    assert {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")} == set(Refusal)
