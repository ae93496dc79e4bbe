"""`volteface alerts` and `watchlist`: ids are literal and whole, filters, empty results."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator

import pytest

from stream.cli import alerts as commands
from stream.cli.output import results
from stream.config import KafkaSettings, Settings
from stream.contract.alerts import Alert, Subject
from stream.intake.pseudonyms import pseudonyms_of
from stream.offline import watchlist
from stream.offline.watchlist import Watched
from stream.ops import topic_reader
from tests.sample_cases import ring_alert
from tests.unit.cli.conftest import Invoke
from tests.unit.cli.processes import about, example

#: Markup of rich that is wrong, that is right, an emoji's code, and what a terminal would execute or hide.
HOSTILE = [
    "[/acme]",
    "[red]shop",
    "shop[/]",
    ":boom:",
    "a\\[b",
    "店-" + "x" * 70,
    "pr-0123456789abcdef0123456789abcdef",
]
INVISIBLE = {"\x1b[2Jshop": "\\x1b[2Jshop", "shop\u202epohs": "shop\\u202epohs", "a\u200bb": "a\\u200bb"}


@pytest.fixture
def on_topic(monkeypatch: pytest.MonkeyPatch) -> list[Alert]:
    """The alerts that the topic holds; with `follow` reading goes on after them only if a test asks for more."""
    held: list[Alert] = []

    def read(
        settings: Settings, kafka: KafkaSettings, follow: bool, on_foreign: Callable[[str], None]
    ) -> Iterator[Alert]:
        yield from held
        if follow:
            raise KeyboardInterrupt

    monkeypatch.setattr(topic_reader, "alerts", read)
    return held


@pytest.mark.parametrize("options", [(), ("--follow",)])
@pytest.mark.parametrize("subject", HOSTILE)
def test_an_id_is_printed_literally_and_whole(
    subject: str, options: tuple[str, ...], invoke: Invoke, on_topic: list[Alert]
) -> None:
    on_topic.append(about(subject))
    done = invoke("alerts", *options)
    assert (done.exit_code, done.stderr) == (130 if options else 0, "")
    words = done.stdout.split()
    assert subject in words
    assert f"{subject}:" in words  # in the explanation
    assert on_topic[0].alert_id in words


@pytest.mark.parametrize("subject", [*HOSTILE, *INVISIBLE])
def test_json_has_the_id_unchanged(subject: str, invoke: Invoke, on_topic: list[Alert]) -> None:
    on_topic.append(about(subject))
    (line,) = invoke("alerts", "--json").stdout.splitlines()
    assert json.loads(line)["subject"]["id"] == subject


@pytest.mark.parametrize(("subject", "shown"), INVISIBLE.items())
def test_a_character_that_a_terminal_would_execute_is_an_escape(
    subject: str, shown: str, invoke: Invoke, on_topic: list[Alert]
) -> None:
    on_topic.append(about(subject))
    done = invoke("alerts")
    assert shown in done.stdout.split()
    assert subject not in done.stdout


def test_with_a_pseudonym_key_a_subject_is_found_by_its_original_id(
    invoke: Invoke, on_topic: list[Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "a key of 16 or more characters"
    pseudonyms = pseudonyms_of(Settings.model_validate({"pseudonym_key": key}))
    assert pseudonyms is not None
    on_topic += [about(pseudonyms.of_reviewer("u3991")), about(pseudonyms.of_staff("staff-1")), about("u3991")]
    assert len(invoke("alerts", "--json", "--subject", "u3991").stdout.splitlines()) == 1
    monkeypatch.setenv("VOLTEFACE_PSEUDONYM_KEY", key)
    for asked, count in (("u3991", 2), ("staff-1", 1), (pseudonyms.of_staff("staff-1"), 1), ("u3992", 0)):
        assert len(invoke("alerts", "--json", "--subject", asked).stdout.splitlines()) == count


def test_the_help_names_all_subjects(invoke: Invoke) -> None:
    assert "reviewer" in " ".join(invoke("alerts", "--help").output.split("--subject")[1].split()[:25])
    assert "sellers and staff members" in invoke("watchlist", "--help").output


def test_an_alert_is_a_heading_and_a_wrapped_explanation(invoke: Invoke, on_topic: list[Alert]) -> None:
    alert = example()
    on_topic.append(alert)
    heading, alert_id, *explanation = invoke("alerts").stdout.splitlines()
    assert heading == f"{alert.raised_at:%Y-%m-%d %H:%M}  {alert.kind}  {alert.subject.id}  {alert.severity}"
    assert alert_id == f"  {alert.alert_id}"
    assert " ".join(line.removeprefix("  ") for line in explanation) == alert.explanation
    assert all(line.startswith("  ") and len(line) <= 80 for line in explanation)


def _day(number: int) -> dt.datetime:
    return dt.datetime(2024, 5, number, 12, tzinfo=dt.UTC)


@pytest.fixture
def five(on_topic: list[Alert]) -> None:
    """Five alerts, not in the order of time."""
    on_topic += [
        about("c", raised_at=_day(3), severity="low"),
        about("a", raised_at=_day(1), severity="high"),
        about("e", raised_at=_day(5), severity="critical", kind="staff.removals"),
        about("b", raised_at=_day(2), severity="high", kind="seller.flips"),
        about("[d]", raised_at=_day(4), severity="low", kind="seller.flips"),
    ]


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    ("options", "subjects"),
    [
        ("", ["c", "a", "e", "b", "[d]"]),
        ("--subject [d]", ["[d]"]),
        ("--subject a --subject b", ["a", "b"]),
        ("--kind seller.flips", ["b", "[d]"]),
        ("--severity high", ["a", "b"]),
        ("--severity critical --severity low", ["c", "e", "[d]"]),
        ("--since 2024-05-04", ["e", "[d]"]),
        ("--since 2024-05-04T12:00:00Z", ["e", "[d]"]),
        ("--since 2024-05-04T14:00:01+02:00", ["e"]),
        ("--limit 2", ["[d]", "e"]),
        ("--limit 9", ["a", "b", "c", "[d]", "e"]),
        ("--kind seller.flips --severity low --since 2024-05-02 --limit 1", ["[d]"]),
        ("--severity high --limit 1", ["b"]),
        ("--follow --limit 2", ["c", "a"]),
        ("--follow --severity low --limit 2", ["c", "[d]"]),
    ],
)
def test_alerts_are_chosen(options: str, subjects: list[str], invoke: Invoke) -> None:
    done = invoke("alerts", "--json", *options.split())
    assert (done.exit_code, done.stderr) == (0, "")
    assert [json.loads(line)["subject"]["id"] for line in done.stdout.splitlines()] == subjects


@pytest.mark.usefixtures("five")
def test_the_list_is_in_the_order_of_time(invoke: Invoke) -> None:
    headings = [line.split() for line in invoke("alerts").stdout.splitlines() if line.startswith("2024")]
    assert [heading[3] for heading in headings] == ["a", "b", "c", "[d]", "e"]


@pytest.mark.parametrize(
    "options", ["--kind flips", "--severity red", "--since yesterday", "--since 2024-05-01T10:00:00", "--limit 0"]
)
def test_a_wrong_option_is_wrong_use(options: str, invoke: Invoke) -> None:
    done = invoke("alerts", *options.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert options.split(maxsplit=1)[0] in done.stderr


@pytest.mark.usefixtures("on_topic")
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_alerts_is_said(form: tuple[str, ...], invoke: Invoke) -> None:
    done = invoke("alerts", *form)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no alerts in integrity.alerts.v1\n")
    done = invoke("alerts", "--subject", "s", *form)
    assert done.stderr == "no alerts in integrity.alerts.v1 with these options\n"


def _watched(subject: str) -> Watched:
    # Odds 20 of a threshold of 400: half of its logarithm, and a twentieth of it.
    return Watched(
        kind="seller.flips", subject=Subject("seller", subject), odds=20.0, log_odds=2.995732273553991, share=0.5,
        flips=7, since=_day(1), latest=_day(2),
    )  # fmt: skip


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    found: list[Watched] = []
    monkeypatch.setattr(commands, "committed_tasks", lambda settings, kafka: {})
    monkeypatch.setattr(watchlist, "rank", lambda tasks, budget, count: found)
    return found


@pytest.mark.parametrize("subject", HOSTILE)
def test_the_watch_list_shows_ids_whole_with_both_odds(subject: str, invoke: Invoke, watched: list[Watched]) -> None:
    watched.append(_watched(subject))
    done = invoke("watchlist")
    assert (done.exit_code, done.stderr) == (0, "")
    assert subject in done.stdout.split()
    assert "odds 20.0  threshold 400.0" in done.stdout
    assert "%" not in done.stdout
    (line,) = invoke("watchlist", "--json").stdout.splitlines()
    assert (json.loads(line)["subject"]["id"], json.loads(line)["share"]) == (subject, 0.5)


def test_a_watch_list_that_fits_is_a_table(invoke: Invoke, watched: list[Watched]) -> None:
    watched.append(_watched("[b]"))
    results.width = 100
    first, names, _, row, last = invoke("watchlist").stdout.splitlines()
    assert names.split("┃")[3:5] == [" odds ", " threshold "]
    assert [cell.strip() for cell in row.split("│")[1:5]] == ["seller.flips", "[b]", "20.0", "400.0"]
    assert len({len(line) for line in (first, names, row, last)}) == 1


@pytest.mark.usefixtures("watched")
def test_an_empty_watch_list_is_said(invoke: Invoke) -> None:
    done = invoke("watchlist")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "nobody is on the watch list\n")


def test_an_alert_about_a_ring_lists_its_members(invoke: Invoke, on_topic: list[Alert]) -> None:
    on_topic.append(ring_alert())
    done = invoke("alerts", "--kind", "ring.insider")
    assert done.exit_code == 0
    ring = on_topic[0].evidence.ring
    assert ring is not None
    words = " ".join(done.stdout.split())
    assert "tied by look-ups by staff member staff-13" in words
    for member in ring.members:
        assert f"{member.seller_id}: {member.flips} flips, {member.expected:.1f} expected" in words
