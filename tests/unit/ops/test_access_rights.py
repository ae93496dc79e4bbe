"""The documented commands grant exactly the rights that the code asks for, and each missing right is one line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final, get_args

import pytest

from stream.bridge.start import bridge_settings, needed_rights
from stream.config import BridgeSettings, KafkaSettings, Settings
from stream.ops import access_rights
from stream.ops.access_rights import Command
from stream.rights import MissingRightsError, Right, described, principal

_OPERATIONS: Final = Path(__file__).parents[3] / "docs" / "operations.md"
_RESOURCES: Final = ("topic", "group", "transactional-id")


def _documented() -> dict[str, set[Right]]:
    """Return the rights that the commands of the documentation grant, by the comment above them."""
    (block,) = re.findall(r"```sh\n(# volteface worker\n.*?)```", _OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)
    found: dict[str, set[Right]] = {}
    for line in block.splitlines():
        if line.startswith("# volteface "):
            rights = found[line.removeprefix("# volteface ")] = set()
        else:
            rights |= _granted(shlex.split(line))
    return found


def _granted(words: list[str]) -> set[Right]:
    pairs = list(zip(words, [*words[1:], ""], strict=True))
    operations = [value for option, value in pairs if option == "--operation"]
    names = [(option[2:], value) for option, value in pairs if option[2:] in _RESOURCES]
    names += [("cluster", "")] if "--cluster" in words else []
    assert ("prefixed" in words) == ("--transactional-id" in words)
    return {Right(operation, resource, name) for operation in operations for resource, name in names}  # type: ignore[arg-type]


def test_the_documented_rights_are_those_that_are_needed() -> None:
    documented = _documented()
    topics = ("shop.public.reviews", "shop.public.messages")
    assert documented.pop("bridge") == set(needed_rights(bridge_settings(Settings(), BridgeSettings()), topics))
    assert set(documented) == set(get_args(Command))
    for command in get_args(Command):
        assert documented[command] == set(access_rights.needed(Settings(), command)), command


def test_the_rights_follow_the_settings() -> None:
    settings = Settings(app_id="other", lifecycle_topic="reviews", dead_letter_prefix="dead-")
    rights = access_rights.needed(settings, "worker")
    for right in (
        Right("Read", "topic", "reviews"),
        Right("Write", "topic", "dead-reviews"),
        Right("Write", "topic", "other-state"),
        Right("Read", "group", "other"),
        Right("Write", "transactional-id", "other-"),
    ):
        assert right in rights


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "User:ANONYMOUS"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "v"}, "User:v"),
        ({"security_protocol": "SSL", "ssl_certfile": "v.pem"}, "the user of the certificate v.pem"),
    ],
)
def test_the_user_is_named_as_kafka_names_it(settings: dict[str, str], expected: str) -> None:
    assert principal(KafkaSettings.model_validate(settings)) == expected


def test_a_missing_right_is_one_line_with_the_command_that_grants_it() -> None:
    kafka = KafkaSettings(security_protocol="SASL_SSL", sasl_username="v")
    assert described(kafka, Right("Write", "transactional-id", "volteface-")).startswith(
        "User:v lacks the right Write on transactional-id volteface-: run `kafka-acls.sh --add "
        "--allow-principal User:v --operation Write --transactional-id volteface- --resource-pattern-type prefixed`"
    )
    assert "on cluster: run `kafka-acls.sh --add --allow-principal User:v --operation Create --cluster`" in described(
        kafka, Right("Create", "cluster", "")
    )
    assert str(MissingRightsError(kafka, Right("Read", "group", "a"), Right("Read", "topic", "b"))).count("\n") == 1


def test_the_mock_has_no_rights_to_ask_for() -> None:
    rights = access_rights.needed(Settings(), "worker")
    assert access_rights.missing(KafkaSettings(mock=True), rights) == []
