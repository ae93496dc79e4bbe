"""The commands that read results: `alerts`, `watchlist`, `plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Column, Table

from stream.cli.connect import committed_tasks, connected_settings
from stream.cli.output import fail, messages, print_json, results


def alerts(
    follow: Annotated[bool, typer.Option("--follow", help="go on as they come")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")] = False,
) -> None:
    """Read alerts from Kafka."""
    from stream.ops import topic_reader

    table = Table("raised at", "kind", "subject", "severity", "explanation", "alert id")
    for alert in topic_reader.alerts(*connected_settings(), follow=follow):
        if json:
            print_json(alert)
        elif follow:
            results.print(f"[bold]{alert.severity}[/] {alert.explanation} [dim]{alert.alert_id}[/]")
        else:
            when = f"{alert.raised_at:%Y-%m-%d %H:%M}"
            table.add_row(when, alert.kind, alert.subject.id, alert.severity, alert.explanation, alert.alert_id)
    if table.row_count:
        results.print(table)


def watchlist(
    count: Annotated[int, typer.Option(min=1, max=1000, help="most lines; the strongest evidence comes first")] = 20,
    json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")] = False,
) -> None:
    """List the subjects with the most evidence below the threshold of an alert."""
    from stream.offline.watchlist import rank

    settings, kafka = connected_settings()
    subject = Column("subject", no_wrap=True)  # a truncated id is useless
    table = Table("watch", subject, "odds", "of the threshold", "flips kept", "since", "latest flip")
    for one in rank(committed_tasks(settings, kafka).values(), settings.alert_budget, count):
        if json:
            print_json(one)
        else:
            figures = (f"{one.odds:.1f}", f"{one.share:.0%}", str(one.flips))
            table.add_row(one.kind, one.subject.id, *figures, f"{one.since:%Y-%m-%d}", f"{one.latest:%Y-%m-%d %H:%M}")
    if table.row_count:
        results.print(table)


def plot(
    alerts_file: Annotated[
        Path,
        typer.Option("--alerts", exists=True, dir_okay=False, help="alerts as JSON lines, from `replay` or `alerts`"),
    ],
    out_file: Annotated[Path, typer.Option("--out", dir_okay=False, help="the picture, .svg")],
    alert_id: Annotated[str | None, typer.Option(help="the alert; by default the one with the largest odds")] = None,
) -> None:
    """Draw an alert's flips and expected flips over time."""
    from stream.contract.alerts import Alert
    from stream.offline.evidence_svg import draw

    decode = msgspec.json.Decoder(Alert).decode
    try:
        found = [decode(line) for line in alerts_file.read_bytes().splitlines() if line.strip()]
    except msgspec.DecodeError as error:
        fail(f"{alerts_file} holds a line that is no alert ({error}): it takes what `volteface replay --alerts` writes")
    chosen = [alert for alert in found if alert.evidence.series and alert_id in {None, alert.alert_id}]
    if not chosen:
        fail(f"{alerts_file} holds no alert{f' {alert_id}' if alert_id else ''} with evidence over time")
    alert = max(chosen, key=lambda one: one.evidence.odds)
    out_file.write_text(draw(alert), encoding="utf-8")
    messages.print(f"{out_file}: alert {alert.alert_id}", soft_wrap=True)
