"""What the server tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
METHODS = {"DELETE", "GET", "HEAD", "PUT"}


class Counts:
    """The metrics of one server."""

    def __init__(self) -> None:
        """All zero."""
        self._registry = CollectorRegistry()
        self.stored = Gauge(
            "profjob_results_bytes", "Bytes of all result folders, as last looked at.",
            registry=self._registry,
        )  # fmt: skip
        self.attempts = Gauge(
            "profjob_results_attempts", "Result folders, as last looked at.",
            registry=self._registry,
        )  # fmt: skip
        self.baselines = Gauge(
            "profjob_results_baselines", "Baselines, as last looked at.", registry=self._registry
        )
        self.baseline_bytes = Gauge(
            "profjob_results_baselines_bytes", "Bytes of all baselines, as last looked at.",
            registry=self._registry,
        )  # fmt: skip
        self.removed = Counter(
            "profjob_results_removed", "Result folders that were removed, by why.", ("why",),
            registry=self._registry,
        )  # fmt: skip
        self.received = Counter(
            "profjob_results_received_bytes", "Bytes of files and baselines that were sent.",
            registry=self._registry,
        )  # fmt: skip
        self.sent = Counter(
            "profjob_results_sent_bytes", "Bytes of files and baselines that were given.",
            registry=self._registry,
        )  # fmt: skip
        self._requests = Counter(
            "profjob_results_requests", "Requests for results and baselines, by method and status.",
            ("method", "code"), registry=self._registry,
        )  # fmt: skip

    def answered(self, method: str, code: int) -> None:
        """Count an answer; methods that nobody offers are one."""
        self._requests.labels(method if method in METHODS else "other", str(code)).inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
