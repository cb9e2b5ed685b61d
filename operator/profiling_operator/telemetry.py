"""The operator's metrics: what it counts, and the thread that serves them to Prometheus.

docs/metrics.md lists them. Whatever users write, the values of a label are few: words are taken
from closed lists, or become `Other` beyond a limit, and no character of them can break the text.
"""

from __future__ import annotations

import math
import platform
import socket
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

import profiling_operator
from profiling_operator import names, registry
from profiling_operator.entries import epoch_nanoseconds
from profiling_operator.errors import Reason
from profiling_operator.settings import MetricsSettings
from profiling_operator.spec import ProfilingJob
from profiling_operator.status import ConditionType, Measure, Phase, Status, cut

OTHER = "Other"
"""Stands for every value that a label has no room for."""
VALUE_LIMIT = 256  # bytes of a label's value
NAMESPACE_LIMIT = 200  # each one is about a hundred time series
WORD_LIMIT = 50

MINUTE, HOUR = 60, 3600
QUEUE_BUCKETS = (1, 5, 15, MINUTE, 300, 900, 1800, HOUR, *(n * HOUR for n in (2, 4, 8, 16, 24)))
STAGE_BUCKETS = (1, 2, 5, 10, 30, MINUTE, 120, 300, 600, 1800, HOUR)
RUN_BUCKETS = (1, 10, 30, MINUTE, 300, 900, 1800, *(n * HOUR for n in (1, 2, 4, 8, 16, 24)))
UPLOAD_BUCKETS = (0.1, 0.5, *STAGE_BUCKETS)
WORK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, MINUTE)

WATCHED = (names.PLURAL, "jobs", "pods")
RESULT_OF_PHASE = {
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
}
RESULT_OF_NOTICE = {"BaselineAccepted": "accepted", "BaselineNotWritten": "not_written"}
VERDICTS = ("Passed", "Failed", "Skipped")
REASONS = frozenset(Reason)
COLLECTORS = frozenset(registry.names("collectors"))


Counts = Callable[[], Mapping[tuple[str, str], int]]
"""Tells how many ProfilingJobs there are, by namespace and phase."""
Waits = Callable[[], Iterable[float]]
"""Tells for each object that waits to be looked at how many seconds it has waited."""


@dataclass(frozen=True)
class Stages:
    """How long a finished job spent where, in seconds; None where it never came."""

    queue: float | None = None
    """Waiting for a place and a GPU."""
    start: float | None = None
    """From having a place to the application's start."""
    run: float | None = None
    """From the first run's start to the last one's end."""
    collect: float | None = None
    """From the last run's end to the end of the pod, upload included."""
    upload: float | None = None
    """Of that, bringing the files to the store."""
    holds_gpu: bool = False
    """The job has GPUs, which wait while it collects."""
    upload_bytes: int = 0


class Telemetry:
    """All metrics of one operator, in a registry of their own."""

    def __init__(
        self,
        known: MetricsSettings,
        counts: Counts,
        waits: Waits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is served yet. `counts` and `waits` are asked in the threads of the scrapes.

        The event loop goes on meanwhile: they must not iterate over what it changes.
        """
        self.registry = _Registry()
        namespaces = _Words(NAMESPACE_LIMIT)
        self._ended = _Ended(self.registry, namespaces)
        self._work = _Work(self.registry)
        self._ages = _Ages(clock)
        self._results = _Results(known.max_series) if known.results else None
        self._counted: set[str] = set()
        self._server: tuple[WSGIServer, threading.Thread] | None = None
        self.registry.register(_Stock(counts, waits, namespaces))
        self.registry.register(self._ages)
        if self._results:
            self.registry.register(self._results)
        _build_info(self.registry)
        ProcessCollector(registry=self.registry)

    def finished(self, job: ProfilingJob, status: Status, stages: Stages) -> None:
        """Count a job that has just finished; twice is once.

        Raises ValueError when it has not finished.
        """
        if status.phase not in RESULT_OF_PHASE:
            raise ValueError(f"{job.key} is {status.phase}, not finished")
        if self._is_first(job.metadata.uid):
            self._ended.count(job.metadata.namespace, status, _collectors(job), stages)
            self._keep(job, status)

    def refused(self, namespace: str, uid: str, status: Status) -> None:
        """Count a job whose spec cannot even be read; twice is once."""
        if self._is_first(uid):
            self._ended.count(namespace, status, OTHER, Stages())

    def restored(self, job: ProfilingJob, status: Status) -> None:
        """Know a job that had finished before this operator began: not counted, its result kept."""
        if self._is_first(job.metadata.uid):
            self._keep(job, status)

    def forgotten(self, uid: str) -> None:
        """The job is no more, and neither is its result."""
        self._counted.discard(uid)
        if self._results:
            self._results.forget(uid)

    def reconciled(self, seconds: float) -> None:
        """One object was looked at, with success or not."""
        self._work.reconcile.observe(seconds)

    def reconcile_failed(self, reason: str) -> None:
        """Looking at an object failed and will be tried again."""
        self._work.failed(reason)

    def noticed(self, reason: str) -> None:
        """Something came of a job, beside its status: of a baseline that it was to be added to."""
        self._work.noticed(reason)

    def api_request(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """The API server answered; `code` 0: it did not."""
        self._work.requested(verb, resource, code, seconds)

    def event_seen(self, kind: str) -> None:
        """A watch told something; `kind` is the plural. Raises ValueError for one not watched."""
        self._ages.seen(kind)

    def serve(self, port: int, host: str = "") -> int:
        """Answer scrapes in a daemon thread; the port, for 0 one that was free.

        `host` is empty for all addresses. Raises OSError naming an address that cannot be had.
        """
        address = host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - a pod
        try:
            self._server = start_http_server(port, addr=address, registry=self.registry)
        except OSError as error:
            said = f"metrics cannot be served at {address}, port {port}: {error.strerror}"
            raise OSError(error.errno, said) from error
        return int(self._server[0].server_port)

    def stop(self) -> None:
        """Serve no more; twice is once."""
        if self._server is None:
            return
        server, thread = self._server
        self._server = None
        server.shutdown()
        server.server_close()
        thread.join()

    def _is_first(self, uid: str) -> bool:
        known = uid in self._counted
        self._counted.add(uid)
        return not known

    def _keep(self, job: ProfilingJob, status: Status) -> None:
        if self._results:
            self._results.keep(job, status)


class _Registry(CollectorRegistry):
    """Without the time series `…_created`: they double the number, and few read them."""

    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family


class _Words:
    """The values of a label, at most so many; any further one becomes `Other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def take(self, word: str) -> str:
        value = cut(word, VALUE_LIMIT)
        if value not in self._known and len(self._known) >= self._limit:
            return OTHER
        self._known.add(value)
        return value


class _Ended:
    """What is counted of a finished job."""

    def __init__(self, known: CollectorRegistry, namespaces: _Words) -> None:
        self._namespaces = namespaces
        self._jobs = Counter(
            "profjob_jobs_finished", "Jobs that finished since the operator started.",
            ("namespace", "result", "reason", "collector"), registry=known,
        )  # fmt: skip
        self._queue = _seconds(
            known, "queue_wait", "Time that finished jobs waited for a place.", QUEUE_BUCKETS
        )
        self._start = _seconds(
            known, "start", "Time from having a place to the application's start.", STAGE_BUCKETS
        )
        self._run = _seconds(
            known, "run", "Time that all runs of the application took.", RUN_BUCKETS
        )
        self._collect = _seconds(
            known, "collect", "Time from the last run's end to the pod's end, upload included.",
            STAGE_BUCKETS, "gpu",
        )  # fmt: skip
        self._upload = _seconds(
            known, "upload", "Time that bringing the results to the store took.", UPLOAD_BUCKETS
        )
        self._bytes = Counter(
            "profjob_upload_bytes", "Bytes of results that came to a store.", registry=known
        )
        self._entries = Counter(
            "profjob_entries", "Entries that the files of finished jobs gave.", ("collector",),
            registry=known,
        )  # fmt: skip
        self._gates = Counter(
            "profjob_gate_results", "Verdicts on the gates of finished jobs.", ("verdict",),
            registry=known,
        )  # fmt: skip
        for verdict in VERDICTS:
            self._gates.labels(verdict)

    def count(self, namespace: str, status: Status, collector: str, stages: Stages) -> None:
        namespace = self._namespaces.take(namespace)
        reason = status.reason if status.reason in REASONS else OTHER
        self._jobs.labels(namespace, RESULT_OF_PHASE[status.phase], reason, collector).inc()
        self._observe(namespace, stages)
        self._bytes.inc(max(0, stages.upload_bytes))
        for verdict in status.gates:
            self._gates.labels(verdict.verdict).inc()
        for one in (one for run in status.runs for one in run.collectors):
            self._entries.labels(_collector(one.name)).inc(max(0, one.entries))

    def _observe(self, namespace: str, stages: Stages) -> None:
        gpu = "true" if stages.holds_gpu else "false"
        for histogram, seconds in (
            (self._queue.labels(namespace), stages.queue),
            (self._start.labels(namespace), stages.start),
            (self._run.labels(namespace), stages.run),
            (self._collect.labels(namespace, gpu), stages.collect),
            (self._upload.labels(namespace), stages.upload),
        ):
            if seconds is not None and math.isfinite(seconds):
                histogram.observe(max(0.0, seconds))  # the clocks of two machines may differ


class _Work:
    """What is counted of the operator's own work."""

    def __init__(self, known: CollectorRegistry) -> None:
        self.reconcile = Histogram(
            "profjob_reconcile_seconds", "Time that one look at an object took.",
            buckets=WORK_BUCKETS, registry=known,
        )  # fmt: skip
        self._errors = Counter(
            "profjob_reconcile_errors", "Looks at an object that failed and are tried again.",
            ("reason",), registry=known,
        )  # fmt: skip
        self._baselines = Counter(
            "profjob_baseline_jobs", "Jobs that were to be added to a baseline.", ("result",),
            registry=known,
        )  # fmt: skip
        for result in RESULT_OF_NOTICE.values():
            self._baselines.labels(result)
        self._requests = Counter(
            "profjob_api_requests", "Requests to the API server; code 0: no answer.",
            ("verb", "resource", "code"), registry=known,
        )  # fmt: skip
        self._spent = Histogram(
            "profjob_api_request_seconds", "Time until the API server had answered, but for watch.",
            ("verb",), buckets=REQUEST_BUCKETS, registry=known,
        )  # fmt: skip
        self._reasons, self._verbs, self._resources, self._codes = (
            _Words(WORD_LIMIT) for _ in range(4)
        )

    def failed(self, reason: str) -> None:
        self._errors.labels(self._reasons.take(reason)).inc()

    def noticed(self, reason: str) -> None:
        if result := RESULT_OF_NOTICE.get(reason):
            self._baselines.labels(result).inc()

    def requested(self, verb: str, resource: str, code: int, seconds: float) -> None:
        verb = self._verbs.take(verb)
        resource, known = self._resources.take(resource), self._codes.take(str(code))
        self._requests.labels(verb, resource, known).inc()
        if verb != "watch":  # the server keeps it open for minutes, with nothing wrong
            self._spent.labels(verb).observe(seconds)


class _Stock(Collector):
    """What there is, counted at each scrape."""

    def __init__(self, counts: Counts, waits: Waits, namespaces: _Words) -> None:
        self._counts = counts
        self._waits = waits
        self._namespaces = namespaces

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily(
            "profjob_jobs", "ProfilingJobs that exist.", labels=("namespace", "phase")
        )
        counted = self._counted()
        for namespace in sorted({namespace for namespace, _ in counted}):
            for phase in Phase:  # also those with none: a graph shall fall to 0, not end
                jobs.add_metric((namespace, phase.value), counted[namespace, phase.value])
        yield jobs
        waits = list(self._waits())
        yield GaugeMetricFamily(
            "profjob_dirty_objects", "Jobs that wait for a look.", value=len(waits)
        )
        yield GaugeMetricFamily(
            "profjob_oldest_dirty_seconds", "How long the one that waits longest has waited.",
            value=max(waits, default=0.0),
        )  # fmt: skip

    def _counted(self) -> Tally[tuple[str, str]]:
        """Namespaces beyond the limit are added up."""
        counted: Tally[tuple[str, str]] = Tally()
        for (namespace, phase), number in self._counts().items():
            counted[self._namespaces.take(namespace), phase] += number
        return counted


class _Ages(Collector):
    """How long ago each watch told something, or else that the operator began."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen = dict.fromkeys(WATCHED, clock())

    def seen(self, kind: str) -> None:
        if kind not in WATCHED:
            raise ValueError(f"{kind!r} is not watched; watched are {', '.join(WATCHED)}")
        self._seen[kind] = self._clock()

    def collect(self) -> Iterator[Metric]:
        ages = GaugeMetricFamily(
            "profjob_last_event_age_seconds", "Time since the watch of a kind told something.",
            labels=("kind",),
        )  # fmt: skip
        now = self._clock()
        for kind, seen in self._seen.items():
            ages.add_metric((kind,), now - seen)
        yield ages


@dataclass(frozen=True)
class _Result:
    namespace: str
    series: str
    ended: int
    summary: tuple[Measure, ...]


class _Results(Collector):
    """The result of the newest complete job of each series; those that ended last come first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[str, _Result] = {}
        self._lock = threading.Lock()  # jobs end in the event loop, scrapes have their own threads

    def keep(self, job: ProfilingJob, status: Status) -> None:
        """Of a job that failed, numbers may be there, but not of the whole: it is left out."""
        if status.results is None or not status.holds(ConditionType.COMPLETE):
            return
        named = (job.metadata.namespace, job.series)
        result = _Result(*named, _ended(status), status.results.summary)
        with self._lock:
            self._known[job.metadata.uid] = result

    def forget(self, uid: str) -> None:
        with self._lock:
            self._known.pop(uid, None)

    def collect(self) -> Iterator[Metric]:
        told = GaugeMetricFamily(
            "profjob_result", "Median over the repetitions of a measure, in the unit of its label.",
            labels=("namespace", "series", "measure", "unit"),
        )  # fmt: skip
        values = self._values()
        for labels, value in list(values.items())[: self._limit]:
            told.add_metric(labels, value)
        yield told
        yield GaugeMetricFamily(
            "profjob_result_series_dropped", "Time series of results beyond the limit.",
            value=max(0, len(values) - self._limit),
        )  # fmt: skip

    def _values(self) -> dict[tuple[str, ...], float]:
        """Each set of labels once: Prometheus refuses what comes twice."""
        values: dict[tuple[str, ...], float] = {}
        for result in self._newest():
            for one in result.summary:
                named = (result.namespace, result.series, one.measure, one.unit)
                values.setdefault(tuple(cut(word, VALUE_LIMIT) for word in named), one.median)
        return values

    def _newest(self) -> list[_Result]:
        with self._lock:
            listed = sorted(self._known.values(), key=lambda one: one.ended)
        newest = {(one.namespace, one.series): one for one in listed}
        return sorted(newest.values(), key=lambda one: (-one.ended, one.namespace, one.series))


def _seconds(
    known: CollectorRegistry, stage: str, meaning: str, buckets: Sequence[float], *labels: str
) -> Histogram:
    return Histogram(
        f"profjob_{stage}_seconds", meaning, ("namespace", *labels), buckets=buckets, registry=known
    )


def _build_info(known: CollectorRegistry) -> None:
    info = Info("profjob_build", "What this operator is.", registry=known)
    version = profiling_operator.__version__
    info.info({"version": version, "python": platform.python_version()})


def _collector(name: str) -> str:
    """The name, where it is a collector's; in a spec that was refused, it may be any word."""
    return name if name in COLLECTORS else OTHER


def _collectors(job: ProfilingJob) -> str:
    """All collectors of a job as one word: a job is counted once."""
    return "+".join(sorted({_collector(one.name) for one in job.spec.collectors}))


def _ended(status: Status) -> int:
    """When the job finished, in nanoseconds; 0 where the status does not tell."""
    try:
        return epoch_nanoseconds(status.completion_time)
    except ValueError:
        return 0
