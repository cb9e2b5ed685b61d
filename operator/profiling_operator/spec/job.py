"""The resource: everything that a user may ask for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.alias_generators import to_camel

from profiling_operator import names, quantities
from profiling_operator.frozen import Frozen, keyed_by, rules
from profiling_operator.quantities import Limit, Percentage, Quantity
from profiling_operator.spec.app import AbsolutePath, App, DnsLabel, DnsName, EnvVar, Image, Word

Seconds = Annotated[int, Field(ge=1, le=30 * 86400)]
LabelValue = Annotated[
    str,
    StringConstraints(max_length=63, pattern=r"^(?:[A-Za-z0-9](?:[-._A-Za-z0-9]*[A-Za-z0-9])?)?$"),
]
LabelKey = Annotated[  # of labels, taints and extended resources
    str,
    StringConstraints(
        max_length=317, pattern=r"^(?:[-.a-z0-9]+/)?[A-Za-z0-9](?:[-._A-Za-z0-9]*[A-Za-z0-9])?$"
    ),
]
OptionalName = Annotated[  # a DnsName, or empty: the same as absent
    str, StringConstraints(max_length=253, pattern=r"^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)?$")
]


Mode = Literal["wrap", "attach"]


class OnTimeout(StrEnum):
    """What reaching `timeoutSeconds` means."""

    FAIL = "Fail"
    STOP = "Stop"


class Gpu(Frozen):
    """GPUs of the application."""

    count: Annotated[int, Field(ge=1, le=64)] = 1
    """How many."""
    resource: LabelKey = "nvidia.com/gpu"
    """The extended resource that stands for one GPU."""
    product: LabelValue | None = None
    """Only GPUs of this product, as the GPU discovery names it (`nvidia.com/gpu.product`)."""


class CollectorSpec(Frozen):
    """One collector and its options."""

    name: DnsLabel
    """Which collector: see `profjob collectors`."""
    mode: Mode = "wrap"
    """`wrap`: its tool starts the application. `attach`: its tool measures the application from a
    container of its own; only on Kubernetes, and not with every collector."""
    options: dict[str, Any] = Field(
        default_factory=dict, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}
    )
    """Its options: see docs/collectors.md. Each collector checks its own."""


class Readiness(Frozen):
    """When the playback server counts as ready."""

    http_get: Annotated[str, StringConstraints(max_length=1024, pattern=r"^/\S*$")] | None = None
    """A path that answers 200 to 399 when ready. Default: the port accepts a connection."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """How long to wait for it."""


class Playback(Frozen):
    """A server that the application talks to: started first, ended last.

    The application finds it at PLAYBACK_HOST and PLAYBACK_PORT, or PLAYBACK_URL.
    """

    image: Image | None = None
    """Container image. Required where containers run; the process executor ignores it."""
    command: Annotated[tuple[Word, ...], Field(max_length=256)] = ()
    """The program and its words."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=256)] = ()
    """Environment variables."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """The TCP port that it listens on."""
    readiness: Readiness = Readiness()
    """When it counts as ready."""


class Output(Frozen):
    """Where the collectors write, and what becomes of it."""

    path: AbsolutePath = "/profiling_output"
    """The output folder as the application sees it. It is also in $PROFILING_OUTPUT."""
    size_limit: Quantity = "2Gi"
    """Largest size of the folder. At 80 % the application is stopped and what is there is kept."""
    store: DnsLabel = "default"
    """The name of a store in the operator's settings; never a URL."""
    raw: bool = False
    """Keep the collectors' own files beside the entries."""

    @field_validator("size_limit")
    @classmethod
    def _room(cls, value: str) -> str:
        if quantities.parse_quantity(value) < 1:
            raise ValueError("must be at least 1 byte")
        return value


class Statistic(StrEnum):
    """How several repetitions become one number."""

    MEDIAN = "median"
    MIN = "min"
    MEAN = "mean"
    P95 = "p95"


class Gate(Frozen):
    """A threshold on a number of the summary: absolute (`max`, `min`) or against a baseline."""

    model_config = rules(
        (
            "has(self.baseline) == (has(self.maxIncrease) || has(self.maxDecrease))",
            "baseline and maxIncrease (or maxDecrease) belong together",
        ),
        (
            "has(self.max) || has(self.min) || has(self.baseline)",
            "must have max, min, or baseline with maxIncrease or maxDecrease",
        ),
    )

    measure: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    """The measure, as in `timer:hot/inclusive` or `app/duration`, or a pattern, as in
    `timer:io*/inclusive`: each measure that it matches is judged."""
    statistic: Statistic = Statistic.MEDIAN
    """Over the repetitions; `p95` of fewer than 20 is the largest."""
    max: Limit | None = None
    """Upper limit: a number in the measure's unit, a duration for a time, or a quantity with a
    suffix for what is no time."""
    min: Limit | None = None
    """Lower limit."""
    baseline: DnsLabel | None = None
    """The baseline's name, as in `main`."""
    max_increase: Percentage | None = None
    """How far above the baseline, as in `5%`."""
    max_decrease: Percentage | None = None
    """How far below the baseline."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Gate:
        relative = self.max_increase is not None or self.max_decrease is not None
        if relative != (self.baseline is not None):
            raise ValueError("baseline and maxIncrease (or maxDecrease) belong together")
        if not relative and self.max is None and self.min is None:
            raise ValueError("must have max, min, or baseline with maxIncrease or maxDecrease")
        return self


class Toleration(Frozen):
    """A node taint that is tolerated."""

    key: Annotated[str, StringConstraints(max_length=317)] = ""
    """The taint's key; empty with `Exists` tolerates all."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """How the value is compared."""
    value: Annotated[str, StringConstraints(max_length=63)] = ""
    """The taint's value."""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    """The effect; empty means all."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long a NoExecute taint is tolerated."""


class Placement(Frozen):
    """Where it may run. Where there is only one place, only `host` matters."""

    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Labels that the node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints that are tolerated."""
    runtime_class_name: OptionalName = ""
    """Runtime class of the pod, as in `nvidia`."""
    priority_class_name: OptionalName = ""
    """Priority class of the pod."""
    queue_name: OptionalName = ""
    """Kueue's local queue."""
    host: OptionalName = ""
    """The Docker host whose agent shall take the job."""


class Deadlines(Frozen):
    """Nothing waits for ever."""

    queue_seconds: Seconds = 86400
    """Waiting for a place and a GPU."""
    start_seconds: Seconds = 600
    """From having a place to the application's start: image pull, delivery, playback."""
    collect_seconds: Seconds = 600
    """Converting and uploading."""


class Retries(Frozen):
    """New attempts after a failure."""

    infrastructure: Annotated[int, Field(ge=0, le=10)] = 3
    """When the place was lost: eviction, node loss, a killed uploader."""
    app: Annotated[int, Field(ge=0, le=10)] = 0
    """When the application failed."""


class ProfilingJobSpec(Frozen):
    """What to profile, with what, for how long. Immutable, but for the last three fields."""

    series: LabelValue | None = None
    """What is compared with what over time. Default: the job's name without a trailing number."""
    app: App
    """The application to profile."""
    gpu: Gpu | None = None
    """GPUs; absent: none."""
    collectors: Annotated[tuple[CollectorSpec, ...], Field(min_length=1, max_length=8)] = Field(
        json_schema_extra=keyed_by("name")
    )
    """One or more collectors that can work together."""
    timeout_seconds: Seconds = 3600
    """How long one run of the application may take."""
    on_timeout: OnTimeout = OnTimeout.FAIL
    """`Stop`: reaching the limit is the normal end of a run, as for a server or a simulation."""
    grace_period_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """How long the application has to end after TERM, before KILL."""
    repetitions: Annotated[int, Field(ge=1, le=100)] = 1
    """Measured runs, one after the other on the same device."""
    warmups: Annotated[int, Field(ge=0, le=100)] = 0
    """Runs before them that do not count."""
    playback: Playback | None = None
    """A server that the application talks to."""
    output: Output = Output()
    """Where the collectors write, and what becomes of it."""
    gates: Annotated[tuple[Gate, ...], Field(max_length=32)] = ()
    """Thresholds on the summary's numbers."""
    placement: Placement = Placement()
    """Where it may run."""
    deadlines: Deadlines = Deadlines()
    """How long each stage may take."""
    retries: Retries = Retries()
    """New attempts after a failure."""
    suspend: bool = Field(default=False, json_schema_extra={"mutable": True})
    """Do not start, or stop and start anew later. May be changed."""
    cancel: bool = Field(default=False, json_schema_extra={"mutable": True})
    """End now, keep what was measured. May be set once."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=10 * 365 * 86400)] | None = Field(
        default=None, json_schema_extra={"mutable": True}
    )
    """Delete the resource so long after its end; absent: keep it. May be changed."""

    @field_validator("collectors")
    @classmethod
    def _each_once(cls, value: tuple[CollectorSpec, ...]) -> tuple[CollectorSpec, ...]:
        listed = [collector.name for collector in value]
        if len(set(listed)) != len(listed):
            raise ValueError(f"must not name a collector twice: {', '.join(listed)}")
        return value


class Metadata(Frozen):
    """The part of the object's metadata that matters here; the rest is kept as it is."""

    model_config = ConfigDict(
        frozen=True, extra="allow", alias_generator=to_camel,
        validate_by_name=True, validate_by_alias=True,
    )  # fmt: skip

    name: DnsName
    """Name of the job."""
    namespace: DnsLabel = "default"
    """Namespace of the job."""
    uid: str = ""
    """Set by the API server."""
    generation: int = 1
    """Set by the API server."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations."""


class ProfilingJob(Frozen):
    """One profiling job: write it, apply it, read the result off its status."""

    api_version: Literal["profiling.dev/v1alpha1"] = "profiling.dev/v1alpha1"
    kind: Literal["ProfilingJob"] = "ProfilingJob"
    metadata: Metadata
    spec: ProfilingJobSpec
    status: dict[str, Any] = Field(default_factory=dict)
    """Written by the operator; ignored on input."""

    @property
    def series(self) -> str:
        """What the job is compared with over time."""
        return self.spec.series or names.default_series(self.metadata.name)

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
