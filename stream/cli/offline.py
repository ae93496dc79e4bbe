"""The commands that work on files, without Kafka: `replay`, `calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress

from stream import config
from stream.cli.input_file import check_output, reading
from stream.cli.output import messages, print_json, say, warn
from stream.contract.alerts import Alert
from stream.contract.cases import Case

Input = Annotated[str, typer.Option("--input", help="a .jsonl or .jsonl.gz file, or - for standard input")]
Sort = Annotated[bool, typer.Option("--sort", help="sort the file by occurred_at first")]
Partitions = Annotated[int, typer.Option(min=1, max=10_000, help="number of partitions of the topics")]


def replay(
    source: Input,
    alerts: Annotated[Path | None, typer.Option(help="file for the alerts, one JSON object a line")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="file for the cases as they are at the end, one JSON object a line")
    ] = None,
    partitions: Partitions = 1,
    sort: Sort = False,
) -> None:
    """Run the worker's detection on a file; with the same number of partitions it gives the worker's alerts."""
    from stream.offline.replay import replay as run
    from stream.ops.memory import collect_less_often

    for path in filter(None, (alerts, cases)):
        check_output(path, source)
    settings, _ = config.load()
    collect_less_often()
    found: list[Alert] = []
    found_cases: list[Case] = []
    with reading(source):
        result = run(settings, source, partitions, found.append, sort, found_cases.append)
    if alerts is not None:
        alerts.write_bytes(b"".join(msgspec.json.encode(alert) + b"\n" for alert in found))
    if cases is not None:
        cases.write_bytes(b"".join(msgspec.json.encode(case) + b"\n" for case in found_cases))
    print_json(result)
    for reason in result.reasons:
        warn(reason)


def calibrate(
    source: Input,
    partitions: Partitions = 1,
    permutations: Annotated[int, typer.Option(min=1, max=10_000, help="number of permutations of the labels")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="seed of the permutations")] = 1,
) -> None:
    """Measure on your own history how often honest labels would alarm, and the setting that keeps the budget."""
    from stream.offline.calibration.calibrate import calibrate as measure
    from stream.offline.calibration.summary import summary
    from stream.ops.memory import collect_less_often

    settings, _ = config.load()
    collect_less_often()
    # Without a terminal the bar would only repeat the last line.
    with reading(source), Progress(console=messages, disable=not messages.is_terminal) as progress:
        bar = progress.add_task("permutations", total=permutations)
        found = measure(
            settings, source, partitions, permutations, seed, lambda done: progress.update(bar, completed=done)
        )
    for sentence in summary(found):
        say(sentence)
    print_json(found)
