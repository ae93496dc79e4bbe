"""`make run`: a Kafka, a worker and a simulated market with cheats, shown in the terminal.

Invariant: it starts only `volteface` commands, and shows only /metrics and the alerts topic. It ends after RUN_SECONDS
seconds if that variable is set, or at Ctrl-C; then it stops everything that it started. Each run gives the same alerts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.markup import escape

from stream import config
from stream.config import KafkaSettings, Settings
from stream.contract.alerts import Alert
from stream.market import simulate
from stream.market.cheats import Cheat
from stream.ops import topic_reader, topics
from stream.ops.kafka_distribution import BrokerError
from stream.ops.mock_broker import MockBroker, first_there

#: Scenario, seed, sellers and days: the first alert comes after a fifth of the 69,455 events.
_MARKET: Final = ("cheats", 6, 60, 240)
#: The market passes in seconds, so a stream that pauses for a moment is days of event time behind. The worker waits
#: this long for each stream: the events are applied in the order of time in each run.
_MAX_IDLE_SECONDS: Final = 5
#: A task has 30 sellers to compare.
_PARTITIONS: Final = 2
_EVERY_SECONDS: Final = 2.0
console = Console(soft_wrap=True)


def main() -> int:
    """Run the demonstration and return the exit code."""
    seconds = float(os.environ.get("RUN_SECONDS", "inf"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="volteface-run-")))
        try:
            settings, kafka = _begin(stack)
            return _watch(stack, settings, kafka, folder, seconds)
        except KeyboardInterrupt:
            console.print("stopping")
            return 0
        except (config.SettingsError, BrokerError) as error:
            console.print(str(error), style="red", markup=False)
            return 1


def _begin(stack: ExitStack) -> tuple[Settings, KafkaSettings]:
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        console.print(f"Kafka: {given} (KAFKA_BOOTSTRAP_SERVERS)")
    else:
        broker = stack.enter_context(first_there(lambda line: console.print(line, markup=False)))
        os.environ["KAFKA_BOOTSTRAP_SERVERS"] = broker.bootstrap_servers
        os.environ["KAFKA_MOCK"] = str(isinstance(broker, MockBroker)).lower()
        console.print(f"Kafka: {broker.bootstrap_servers}")
    os.environ.setdefault(config.variable(Settings, "max_idle_seconds"), str(_MAX_IDLE_SECONDS))
    settings, kafka = config.load()
    topics.create(settings, kafka, _PARTITIONS)
    return settings, kafka


def _watch(stack: ExitStack, settings: Settings, kafka: KafkaSettings, folder: Path, seconds: float) -> int:
    url = f"http://127.0.0.1:{settings.web_port}/metrics"
    market, truth = folder / "market.jsonl", folder / "truth.jsonl"
    total = simulate.write(*_MARKET, market, truth)
    worker = stack.enter_context(_running("worker", log=folder / "worker.log"))
    # The worker reads while the feed sends; and the mock soon drops what is sent before the worker reads.
    _wait_for(f"http://127.0.0.1:{settings.web_port}/health/ready", worker)
    feed = stack.enter_context(_running("feed", "--input", str(market)))
    begun, before = time.monotonic(), (time.monotonic(), 0.0)
    alerts: list[Alert] = []
    threading.Thread(target=_print_alerts, args=(settings, kafka, alerts, begun), daemon=True).start()
    reach = f"KAFKA_BOOTSTRAP_SERVERS={kafka.bootstrap_servers}" + " KAFKA_MOCK=true" * kafka.mock
    console.print(f"metrics: {url}\nfeed your own events: {reach} .venv/bin/volteface feed --input FILE")
    now: Counter[str] = Counter()
    while time.monotonic() - begun < seconds:
        time.sleep(min(_EVERY_SECONDS, seconds))
        if worker.poll() is not None:
            log_end = _tail(folder / "worker.log")
            console.print(f"the worker ended with exit code {worker.returncode}; the end of its log:\n{log_end}")
            return 1
        now = _numbers(url) or now
        at, events = time.monotonic(), float(now["applied"])
        rate = (events - before[1]) / (at - before[0])
        before = (at, events)
        console.print(
            f"[dim]{at - begun:5.0f} s[/]  {events:>10,.0f} events  {rate:>8,.0f}/s  lag {now['lag']:>8,.0f}  "
            f"{now['flips']:>6,.0f} flips  {len(alerts):>3} alerts" + ("  all events fed" if feed.poll() == 0 else "")
        )
    accused = {alert.subject.id for alert in alerts if alert.subject.type == "seller"}
    planted = cheating_sellers(truth.read_bytes())
    console.print(
        f"\n{now['applied']:,.0f} events, {now['flips']:,.0f} flips, {len(alerts)} alerts: "
        f"{len(accused & planted)} of {len(planted)} cheating sellers accused, {len(accused - planted)} others"
    )
    if kafka.mock:
        console.print(
            f"{now['applied']:,.0f} of the market's {total:,} events: the mock drops what is not read in time"
        )
    return 0


def cheating_sellers(truth: bytes) -> set[str]:
    """Return the sellers of a truth file; its other lines are about staff."""
    cheats = [msgspec.json.decode(line, type=Cheat) for line in truth.splitlines()]
    return {cheat.seller_id for cheat in cheats if cheat.seller_id}


def _wait_for(url: str, worker: subprocess.Popen[bytes]) -> None:
    """Return when the page answers with 200, when the worker has ended, or after half a minute."""
    until = time.monotonic() + 30
    while time.monotonic() < until and worker.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return


def _print_alerts(settings: Settings, kafka: KafkaSettings, alerts: list[Alert], begun: float) -> None:
    for alert in topic_reader.alerts(settings, kafka, follow=True):
        if not alerts:
            console.print(f"[dim]the first alert, {time.monotonic() - begun:.1f} s after the feed began:[/]")
        alerts.append(alert)
        console.print(f"[bold red]ALERT[/] {alert.severity}: {escape(alert.explanation)} -> {alert.recommended_action}")


@contextmanager
def _running(*command: str, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a `volteface` command as a child process, and stop it at the end."""
    with (log or Path(os.devnull)).open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "stream.cli", *command], stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-2000:]


def _numbers(url: str) -> Counter[str]:
    """Return counts from /metrics; none while the worker is not up."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            page = answer.read().decode()
    except OSError:
        return Counter()
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == "volteface_flips_total":
                found["flips"] += int(sample.value)
            elif sample.name == "volteface_lag_records":
                found["lag"] += int(sample.value)
            elif sample.name == "volteface_events_total" and sample.labels["outcome"] == "applied":
                found["applied"] += int(sample.value)
    return found


if __name__ == "__main__":
    sys.exit(main())
