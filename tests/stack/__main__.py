"""`make stack`: runs the whole stack until Ctrl-C, or for RUN_SECONDS, and prints the addresses."""

from __future__ import annotations

import os
import signal
import sys
import time

from tests.stack.stack import Stack


def main() -> int:
    """Start the stack, print its addresses, wait, stop; return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Stack() as stack:
            lines = {
                "Kafka": stack.group.kafka.bootstrap_servers,
                "workers": ", ".join(f"http://127.0.0.1:{worker.port}/metrics" for worker in stack.workers),
                "Console": stack.console.url,
                "Prometheus": stack.prometheus_url,
                "Alerts": f"{stack.prometheus_url}/alerts",
                "Alertmanager": stack.alertmanager_url,
            }
            sys.stdout.write(
                "".join(f"{name:14}{value}\n" for name, value in lines.items()) + "Ctrl-C stops the stack.\n"
            )
            sys.stdout.flush()
            time.sleep(float(os.environ.get("RUN_SECONDS", "1e9")))
    except KeyboardInterrupt:
        return 0
    except FileNotFoundError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
