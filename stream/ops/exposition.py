"""The page of metrics: a registry as text for Prometheus, in the format that the request asks for."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


def exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return the page and its content type.

    Args:
        registry: The metrics.
        accept: The request's Accept header: OpenMetrics if it asks for that, else the text format 0.0.4.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number, a parameter without a value
        encode, content_type = choose_encoder("")
    return encode(registry), content_type
