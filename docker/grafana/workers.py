"""Rows of *Operations* about the processes: do they answer, does Kafka answer them, and what do they use?

Rule of this room: everything is told by worker, for it is workers that are started, stopped and sized.
"""

from __future__ import annotations

from typing import Final

from panels import Row, graph, rate, worker, yes_no

#: Other programs tell such things of themselves, too.
_JOB: Final = 'job="volteface"'

_KAFKA: Final[Row] = (
    "Workers, Kafka and restores",
    [
        yes_no(
            "Workers that answer, and that Kafka answers",
            "A worker without Kafka waits and goes on by itself. The tasks of one that is gone go to the others.",
            {
                "{{instance}} answers": worker("up", _JOB),
                "{{instance}} reaches Kafka": worker("volteface_kafka_reachable"),
            },
            runbooks=["VoltefaceWorkerDown", "VoltefaceKafkaUnreachable"],
        ),
        graph(
            "Tasks, by state",
            "Tasks are new, then restore their state, then run. Only the last should be seen for long.",
            "short",
            {"{{state}}": f"sum by (state) ({worker('volteface_tasks')})"},
            stacked=True,
            runbooks=["VoltefaceRestoreTooLong"],
        ),
        graph(
            "Time of a restore",
            "Of all restores since the workers started: they are too few for a rate. Beyond 30 s it says 30 s.",
            "s",
            {
                f"p{100 * share:g}": f"histogram_quantile({share}, sum by (le)"
                f" ({worker('volteface_restore_seconds_bucket')}))"
                for share in (0.5, 0.99)
            },
            limits={30: "orange"},
            runbooks=["VoltefaceRestoreTooLong"],
        ),
        graph(
            "Rows restored, by worker",
            "Rows read back since the worker started. A step is a task that came to it; a line that climbs is one that"
            " still restores, or that restores again and again.",
            "short",
            {"{{instance}}": f"sum by (instance) ({worker('volteface_restored_rows_total')})"},
            runbooks=["VoltefaceRestoreTooLong"],
        ),
    ],
)

_RESOURCES: Final[Row] = (
    "Resources",
    [
        graph(
            "Processor time, by worker",
            "100 % is one core, all that one worker can use: beyond it help only more workers, up to one a partition.",
            "percentunit",
            {"{{instance}}": rate("instance", worker("process_cpu_seconds_total", _JOB))},
            limits={0.9: "orange"},
            runbooks=["VoltefaceLagGrows"],
        ),
        graph(
            "Memory, by worker",
            "Resident memory. It follows the open critical reviews and the sellers and products known.",
            "bytes",
            {"{{instance}}": worker("process_resident_memory_bytes", _JOB)},
        ),
        graph(
            "Open files and sockets, by worker",
            "Connections to Kafka above all. A line that climbs without end is a leak.",
            "short",
            {"{{instance}}": worker("process_open_fds", _JOB)},
        ),
        graph(
            "Garbage collections, by generation",
            "The collector is set to look seldom, for the state holds no cycles. Many a second cost processor time.",
            "ops",
            {"generation {{generation}}": rate("generation", worker("python_gc_collections_total", _JOB))},
        ),
        graph(
            "Samples a scrape, by worker",
            "About 100 a task. No number of sellers makes more of them; at 20,000 Prometheus refuses the page.",
            "short",
            {"{{instance}}": worker("scrape_samples_scraped", _JOB)},
            limits={10_000: "red"},
            runbooks=["VoltefaceSeriesLimit"],
        ),
    ],
)

ROWS: Final = (_KAFKA, _RESOURCES)
