"""`make run`: a Kafka, a worker, the analysts' console and a simulated market with cheats, shown in the terminal.

Invariant: it starts only `volteface` commands, and shows only /metrics and the alerts topic. It ends after RUN_SECONDS
seconds if that variable is set, or at a signal; then it stops everything that it started. Each run gives the same
alerts.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from stream import config
from stream.config import ConsoleSettings, KafkaSettings, Settings
from stream.contract.alerts import Alert
from stream.demo import figures
from stream.demo.children import Child, ChildFailedError, Children, usable_port
from stream.demo.figures import Figures, Rate
from stream.demo.screen import Screen, View
from stream.market import simulate
from stream.ops import topic_reader, topics
from stream.ops.kafka_distribution import BrokerError
from stream.ops.mock_broker import MockBroker, first_there

#: Scenario, seed, sellers and days: of its four cheating sellers three are accused, each by another kind of evidence,
#: and one of the two insiders.
MARKET: Final = ("cheats", 92, 60, 200)
#: The market passes in seconds, so a stream that pauses for a moment is days of event time behind. The worker waits
#: this long for each stream: the events are applied in the order of time in each run.
_MAX_IDLE_SECONDS: Final = 5
#: A task has 30 sellers to compare.
PARTITIONS: Final = 2
_EVERY_SECONDS: Final = 1.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Parts(NamedTuple):
    """What the demonstration consists of.

    Attributes:
        address: Of the console.
        metrics: Address of the worker's metrics.
        market, truth: The files of the market.
        simulation: Writes them while Kafka starts, and gives the number of events.
    """

    settings: Settings
    kafka: KafkaSettings
    address: str
    metrics: str
    market: Path
    truth: Path
    simulation: Future[int]


class AlertReader:
    """The alerts, which a thread reads."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.first_at: float | None = None

    def follow(self, settings: Settings, kafka: KafkaSettings) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, args=(settings, kafka), daemon=True).start()

    def _read(self, settings: Settings, kafka: KafkaSettings) -> None:
        for alert in topic_reader.alerts(settings, kafka, follow=True):
            self.first_at = self.first_at or time.monotonic()
            self.alerts.append(alert)


def main() -> int:
    """Run the demonstration and return the exit code."""
    seconds = float(os.environ.get("RUN_SECONDS", "inf"))
    _on_signals(signal.default_int_handler)
    screen = Screen()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="volteface-run-")))
        try:
            parts = _begin(stack, screen, folder)
            return _watch(stack.enter_context(Children(folder)), screen, parts, seconds)
        except KeyboardInterrupt:
            screen.say("stopping")
            return 0
        except (config.SettingsError, BrokerError, ChildFailedError) as error:
            screen.say(str(error), style="red")
            return 1
        finally:
            _on_signals(signal.SIG_IGN)  # everything ends, whatever else is pressed


def _on_signals(handler: signal._HANDLER) -> None:
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _begin(stack: ExitStack, screen: Screen, folder: Path) -> Parts:
    """Say what this is and where the console will be, and start Kafka."""
    console = config.load_console()
    host, wanted = console.console_host, console.console_port
    port = usable_port(host, wanted)
    os.environ[config.variable(ConsoleSettings, "console_port")] = str(port)
    address = console.console_public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    screen.say(
        "Volteface finds sellers and staff behind reviews that are changed for money: here in a simulated market."
    )
    screen.say(f"Open {address} for the analysts' console; it answers in some ten seconds. Ctrl-C ends everything.")
    if port != wanted:
        screen.say(f"Port {wanted} is taken, so the console uses {port}.")
    market, truth = folder / "market.jsonl", folder / "truth.jsonl"
    simulation = stack.enter_context(ThreadPoolExecutor(1)).submit(simulate.write, *MARKET, market, truth)
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        screen.say(f"Kafka: {given} (KAFKA_BOOTSTRAP_SERVERS)")
    else:
        broker = stack.enter_context(first_there(screen.say))
        os.environ["KAFKA_BOOTSTRAP_SERVERS"] = broker.bootstrap_servers
        os.environ["KAFKA_MOCK"] = str(isinstance(broker, MockBroker)).lower()
        screen.say(f"Kafka: {broker.bootstrap_servers}")
    os.environ.setdefault(config.variable(Settings, "max_idle_seconds"), str(_MAX_IDLE_SECONDS))
    # One person looks at it: a second one would be missing for every verdict on staff.
    os.environ.setdefault(config.variable(Settings, "four_eyes"), "off")
    settings, kafka = config.load()
    web_port = usable_port(settings.web_host, settings.web_port)
    os.environ[config.variable(Settings, "web_port")] = str(web_port)
    metrics = f"http://127.0.0.1:{web_port}/metrics"
    os.environ.setdefault(config.variable(ConsoleSettings, "console_metrics_urls"), metrics)
    topics.create(settings, kafka, topics.MOCK_PARTITIONS if kafka.mock else PARTITIONS)
    return Parts(settings, kafka, address, metrics, market, truth, simulation)


def _watch(children: Children, screen: Screen, parts: Parts, seconds: float) -> int:
    """Start everything else, and show it until the time is over."""
    children.start("worker")
    children.start("console")
    reader = AlertReader()
    total = parts.simulation.result()
    if parts.kafka.mock:  # it soon drops what is sent before the worker reads
        children.wait_until_ready(parts.metrics.replace("/metrics", "/health/ready"))
    feed = children.start("feed", "--input", str(parts.market))
    begun = time.monotonic()
    reader.follow(parts.settings, parts.kafka)
    rate, now, end = Rate(), Figures(), list[str]()
    with screen:
        while True:
            left = begun + seconds - time.monotonic()
            time.sleep(max(0.0, min(_EVERY_SECONDS, left)))
            children.check()
            before, now = now, figures.read(parts.metrics) or now
            speed = rate.add(time.monotonic(), now.applied)
            if not end and (left <= 0 or _has_ended(feed, before, now)):
                end = _conclusion(parts, now, reader.alerts, total)
            first = None if reader.first_at is None else reader.first_at - begun
            screen.show(View(now, speed, list(reader.alerts), first, end))
            if left <= 0:
                return 0


def _has_ended(feed: Child, before: Figures, now: Figures) -> bool:
    """Return whether all events are sent and applied, and nothing has changed since the last look."""
    return feed.process.poll() == 0 and now.lag == 0 and before == now and now.applied > 0


def _conclusion(parts: Parts, now: Figures, alerts: list[Alert], total: int) -> list[str]:
    """Return what there is to say at the end of the market, and what to do next."""
    accused, planted = figures.accused_sellers(alerts), figures.cheating_sellers(parts.truth.read_bytes())
    reach = f"KAFKA_BOOTSTRAP_SERVERS={parts.kafka.bootstrap_servers}" + " KAFKA_MOCK=true" * parts.kafka.mock
    lines = [
        f"{now.applied:,} events, {now.flips:,} flips, {len(alerts)} alerts, {now.open_cases} cases wait: "
        f"{len(accused & planted)} of "
        f"{len(planted)} cheating sellers accused, {len(accused - planted)} others.",
        f"Next: open {parts.address} and press n for the most urgent case. Read it, press the number of a verdict, "
        "then Enter.",
        f"Your own events: {reach} .venv/bin/volteface feed --input FILE",
        f"Metrics: {parts.metrics}. Ctrl-C ends everything.",
    ]
    if parts.kafka.mock and now.applied < total:
        lines.insert(1, f"The market has {total:,} events: the mock drops what is not read in time.")
    return lines
