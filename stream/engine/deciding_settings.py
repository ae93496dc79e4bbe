"""The settings that decide what a task gives for its input: they belong to the state, as offsets do.

Invariant: a task continues a state only with the settings that it was built with. `volteface state adopt` puts other
values into the state; `volteface state rebuild` builds it again from other topics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from stream.config import Settings, variable
from stream.core.model.encoding import StateError

#: Offsets in the state are those of these topics, so they cannot be adopted.
_READ: Final = ("lifecycle_topic", "outreach_topic", "access_topic", "verdicts_topic", "evidence_topic")
#: Not here: the settings that only decide when something happens (`checkpoint_seconds`, `max_idle_seconds`), and the
#: pseudonym key, which the model of the state rows holds.
_ADOPTABLE: Final = (
    "alerts_topic",
    "cases_topic",
    "dead_letter_prefix",
    "allowed_lateness_seconds",
    "max_event_bytes",
    "future_seconds",
    "unknown_fields",
    "input_format",
    "alert_budget",
    "four_eyes",
    "case_due_days",
    "reviewer_watch",
)
_READ_VARIABLES: Final = frozenset(variable(Settings, field) for field in _READ)
_SEE: Final = 'see docs/operations.md, "Settings that belong to the state"'


class DifferentSettingsError(StateError):
    """The state was built with other settings, which may be changed on purpose."""

    advice: ClassVar[str] = (
        "set them back; or, to go on with the new ones, stop all workers and run `volteface state adopt` with them: "
        + _SEE
    )


class DifferentTopicsError(StateError):
    """The state was built from other topics."""

    advice: ClassVar[str] = (
        "set them back; or, to build the state again from the new ones, stop all workers and run `volteface state "
        f"rebuild` with them: {_SEE}"
    )


class DifferentMemberError(StateError):
    """Another worker of the group has other settings, and there is no state that says which are right."""

    advice: ClassVar[str] = f"give all workers of a group the same: {_SEE}"


def deciding_settings(settings: Settings) -> dict[str, str]:
    """Return the values of the deciding settings by the name of their variable."""
    return {variable(Settings, field): _text(getattr(settings, field)) for field in (*_READ, *_ADOPTABLE)}


def topics_of(settings: Mapping[str, str]) -> list[str]:
    """Return the topics that tasks with these deciding settings read."""
    return [settings[name] for name in sorted(_READ_VARIABLES & settings.keys())]


def _text(value: object) -> str:
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def differences(written: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """Return the names of the settings that the state and a worker have different values of.

    A setting that one of them does not know, because it is of another version, is no difference.
    """
    return sorted(name for name in written.keys() & own.keys() if written[name] != own[name])


def check(written: Mapping[str, str], own: Mapping[str, str]) -> None:
    """Compare a worker's settings with those of the state.

    Args:
        written: The settings of the state; empty if a version wrote it that did not record them.
        own: The settings of the worker.

    Raises:
        DifferentTopicsError, DifferentSettingsError: They differ.
    """
    names = differences(written, own)
    if not names:
        return
    check_topics(written, own)
    raise DifferentSettingsError(_described(names, written, own))


def check_topics(written: Mapping[str, str], own: Mapping[str, str]) -> None:
    """Raise DifferentTopicsError if the state was built from other topics than a worker reads."""
    names = [name for name in differences(written, own) if name in _READ_VARIABLES]
    if names:
        raise DifferentTopicsError(_described(names, written, own))


def check_member(others: Mapping[str, str], own: Mapping[str, str]) -> None:
    """Raise DifferentMemberError if another worker of the group has other settings."""
    described = described_differences(others, own)
    if described:
        raise DifferentMemberError(f"another worker of the group has {described}")


def described_differences(others: Mapping[str, str], own: Mapping[str, str]) -> str:
    """Return in which settings another worker differs from this one; empty if in none."""
    return " and ".join(f"{name}={others[name]}, and here it is {own[name]}" for name in differences(others, own))


def _described(names: list[str], written: Mapping[str, str], own: Mapping[str, str]) -> str:
    described = " and ".join(f"{name}={written[name]}, and now it is {own[name]}" for name in names)
    return f"the state was built with {described}"
