"""The commands that read results: `alerts`, `watchlist`, `plot`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, get_args

import typer

from stream.cli.connect import committed_tasks, connected_settings
from stream.cli.input_file import check_output
from stream.cli.option_values import check_choices, time_of
from stream.cli.output import fail, print_fields, print_json, print_paragraph, print_table, say, warn
from stream.contract.alerts import Alert, Kind, Severity

_STYLES = {"critical": "bold red", "high": "bold red", "medium": "bold yellow", "low": "bold"}
_KINDS, _SEVERITIES = get_args(Kind), get_args(Severity)


def alerts(
    follow: Annotated[bool, typer.Option("--follow", help="go on as they come")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, complete, instead of a list")] = False,
    subject: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="only about this seller, staff member, product, ring or reviewer (pseudonym or id); repeatable",
        ),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help=f"only {', '.join(_KINDS)}; repeatable")
    ] = None,
    severity: Annotated[
        list[str] | None, typer.Option(metavar="SEVERITY", help=f"only {', '.join(_SEVERITIES)}; repeatable")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="raised since 2024-05-01 (UTC) or 2024-05-01T10:00:00Z"),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="only the latest N; with --follow end after N alerts"),
    ] = None,
) -> None:
    """Read alerts from Kafka. The list is in the order of time; --json without --limit in the topic's order."""
    from stream.intake.pseudonyms import with_pseudonyms
    from stream.ops import topic_reader

    check_choices("--kind", kind, _KINDS)
    check_choices("--severity", severity, _SEVERITIES)
    earliest = None if since is None else time_of("--since", since)
    settings, kafka = connected_settings("alerts")
    about_ids = with_pseudonyms(subject or (), settings)
    with closing(topic_reader.alerts(settings, kafka, follow, warn)) as every:
        chosen: Iterator[Alert] = (
            alert
            for alert in every
            if (not subject or alert.subject.id in about_ids)
            and (not kind or alert.kind in kind)
            and (not severity or alert.severity in severity)
            and (earliest is None or alert.raised_at >= earliest)
        )
        if follow:
            chosen = islice(chosen, limit)
        elif limit is not None or not json:
            chosen = iter(sorted(chosen, key=lambda alert: (alert.raised_at, alert.alert_id))[-(limit or 0) :])
        count = 0
        for alert in chosen:
            count += 1
            if json:
                print_json(alert)
            else:
                _print(alert)
    if not count:
        matching = " with these options" if subject or kind or severity or since else ""
        say(f"no alerts in {settings.alerts_topic}{matching}")


def _print(alert: Alert) -> None:
    from stream.offline.ring_words import member_line

    heading = (f"{alert.raised_at:%Y-%m-%d %H:%M}", alert.kind, alert.subject.id, alert.severity, alert.alert_id)
    print_fields(heading, _STYLES[alert.severity])
    print_paragraph(alert.explanation)
    for member in alert.evidence.ring.members if alert.evidence.ring is not None else ():
        print_paragraph(member_line(member), indent=4)


def watchlist(
    count: Annotated[int, typer.Option(min=1, max=1000, help="most lines; the strongest evidence comes first")] = 20,
    json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")] = False,
) -> None:
    """List the sellers and staff members with the most evidence below the threshold of an alert."""
    from stream.offline.watchlist import rank
    from stream.ops.trust import TaskSize, of_tasks

    settings, kafka = connected_settings("watchlist")
    tasks = committed_tasks(settings, kafka)
    if tasks:
        for doubt in of_tasks({number: TaskSize.of(task) for number, task in tasks.items()}, len(tasks)):
            warn(doubt.text)
    watched = rank(tasks.values(), settings.alert_budget, count)
    if not watched:
        say("nobody is on the watch list")
    elif json:
        for one in watched:
            print_json(one)
    else:
        rows = [
            (
                one.kind,
                one.subject.id,
                f"{one.odds:,.1f}",
                f"{math.exp(one.log_odds / one.share):,.1f}",  # `share` is a ratio of logarithms
                str(one.flips),
                f"{one.since:%Y-%m-%d}",
                f"{one.latest:%Y-%m-%d %H:%M}",
            )
            for one in watched
        ]
        columns = ("watch", "subject", "odds", "threshold", "flips kept", "since", "latest flip")
        print_table(columns, rows, heading=2)


def plot(
    alerts_file: Annotated[
        Path,
        typer.Option("--alerts", exists=True, dir_okay=False, help="alerts as JSON lines, from `replay` or `alerts`"),
    ],
    out_file: Annotated[Path, typer.Option("--out", dir_okay=False, help="the picture, .svg")],
    alert_id: Annotated[str | None, typer.Option(help="the alert; by default the one with the largest odds")] = None,
) -> None:
    """Draw an alert's flips and expected flips over time; of a ring, its members' flips."""
    from stream.offline.evidence_svg import draw, has_picture
    from stream.ops.output_records import NotAnAlertError, decode_alert

    check_output(out_file, alerts_file)
    found = []
    for number, line in enumerate(alerts_file.read_bytes().splitlines(), 1):
        try:
            if line.strip():
                found.append(decode_alert(line))
        except NotAnAlertError as error:
            takes = "the command takes what `volteface replay --alerts` writes"
            fail(f"{alerts_file}, line {number}, is no alert: {error}: {takes}")
    chosen = [alert for alert in found if has_picture(alert) and alert_id in {None, alert.alert_id}]
    if not chosen:
        fail(f"{alerts_file} holds no alert{f' {alert_id}' if alert_id else ''} with evidence over time")
    alert = max(chosen, key=lambda one: one.evidence.odds)
    out_file.write_text(draw(alert), encoding="utf-8")
    say(f"{out_file}: alert {alert.alert_id}")
