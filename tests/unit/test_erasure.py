"""`volteface forget`: what a message names, and the states whose tasks would not find it."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from stream.cli.main import cli
from stream.config import Settings
from stream.core.model.encoding import ROW_VERSION
from stream.core.state.model_version import model_of
from stream.core.state.rows import MetaRow
from stream.engine.checkpoint import PositionRow
from stream.engine.deciding_settings import deciding_settings
from stream.erasure import ErasureError, difference_of_state, fault_of, pseudonym_of
from stream.intake.pseudonyms import Pseudonyms


def _settings(key: str | None, **fields: str) -> Settings:
    return Settings.model_validate(fields | ({"pseudonym_key": SecretStr(key)} if key else {}))


KEYED, OTHER, PLAIN = _settings("correct horse battery"), _settings("another horse battery"), _settings(None)
HASHING = Pseudonyms(KEYED.pseudonym_secret or b"")
JANE = HASHING.of_reviewer("jane")


@pytest.mark.parametrize(
    ("settings", "reviewer_id", "pseudonym"),
    [
        (KEYED, "jane", JANE),
        (KEYED, JANE, JANE),
        (KEYED, JANE.upper(), HASHING.of_reviewer(JANE.upper())),
        (KEYED, JANE[:-1], HASHING.of_reviewer(JANE[:-1])),
        (PLAIN, "jane", None),
        (PLAIN, JANE, None),  # the events of a platform may have ids of this form
        (PLAIN, HASHING.of_staff("jane"), None),
    ],
)
def test_a_pseudonym_is_taken_as_it_is(settings: Settings, reviewer_id: str, pseudonym: str | None) -> None:
    assert pseudonym_of(settings, reviewer_id) == pseudonym


def test_a_staff_members_pseudonym_is_refused() -> None:
    with pytest.raises(ErasureError, match=r"nothing was erased: ps-\w{32} is the pseudonym of a staff member"):
        pseudonym_of(KEYED, HASHING.of_staff("jane"))


def _meta(settings: Settings, **parts: str) -> MetaRow:
    return MetaRow(ROW_VERSION, 0.0, 0, 0, {}, model_of(settings.pseudonym_fingerprint) | parts)


def _position(settings: Settings | None) -> PositionRow:
    return PositionRow(ROW_VERSION, [], 0, {}, deciding_settings(settings) if settings else {})


@pytest.mark.parametrize("settings", [KEYED, PLAIN])
def test_tasks_with_the_same_key_and_topic_find_the_reviewer(settings: Settings) -> None:
    for position in (settings, None):  # a state from before settings were recorded
        assert difference_of_state(settings, [_meta(settings)] * 2, [_position(position)] * 3) is None
    others = _settings(None, alert_budget="5", lifecycle_topic="other")
    assert difference_of_state(settings, [_meta(settings)], [_position(others)]) is None  # no matter here


@pytest.mark.parametrize(
    ("settings", "metas", "position", "text"),
    [
        (OTHER, [_meta(KEYED)], KEYED, "was written with another VOLTEFACE_PSEUDONYM_KEY; run the command with the"),
        (PLAIN, [_meta(KEYED)], KEYED, "was written with VOLTEFACE_PSEUDONYM_KEY set where it is not now; run"),
        (KEYED, [_meta(PLAIN)], PLAIN, "was written with VOLTEFACE_PSEUDONYM_KEY not set where it is now; run"),
        (KEYED, [_meta(KEYED), _meta(OTHER)], KEYED, "another VOLTEFACE_PSEUDONYM_KEY"),
        (PLAIN, [_meta(PLAIN, watches="x")], PLAIN, "was written with other watches; run"),
        (PLAIN, [MetaRow(ROW_VERSION, 0.0, 0, 0, {})], PLAIN, "by a version that did not record its model"),
        (
            PLAIN, [_meta(PLAIN)], _settings(None, evidence_topic="theirs"),
            "read VOLTEFACE_EVIDENCE_TOPIC=theirs, and here it is integrity.evidence.v1; run",
        ),
        (KEYED, [], KEYED, "no task of group volteface has applied an event, so none keeps a reviewer"),
    ],
)  # fmt: skip
def test_what_differs_is_one_line(settings: Settings, metas: list[MetaRow], position: Settings, text: str) -> None:
    found = difference_of_state(settings, metas, [_position(position)])
    assert found is not None
    assert text in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("reviewer_id", "fault"),
    [
        ("jane doe", "it holds white space or a control character"),
        ("jane\x1b", "it holds white space or a control character"),
        ("jane@example.com", "it looks like an e-mail address"),
        ("", "it has no character"),
        ("j" * 129, "it has more than 128 characters"),
        ("jan\udcff", "it is not UTF-8"),
    ],
)
def test_an_id_that_no_event_can_have_is_refused_before_kafka_is_asked(reviewer_id: str, fault: str) -> None:
    assert fault_of(reviewer_id) == fault
    refused = CliRunner().invoke(cli, ["forget", reviewer_id], env={"COLUMNS": "1000"})
    assert refused.exit_code == 2
    assert f"no event can have this id: {fault}" in refused.output


@pytest.mark.parametrize("reviewer_id", ["jane", JANE, "店" * 128, "5551234567"])
def test_an_id_of_an_event_is_taken(reviewer_id: str) -> None:
    assert fault_of(reviewer_id) is None
