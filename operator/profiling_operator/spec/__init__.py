"""What the user asks for: frozen models of the resource, and how they are read."""

from profiling_operator.spec.app import App, EnvVar
from profiling_operator.spec.changes import changed
from profiling_operator.spec.job import (
    CollectorSpec,
    Gate,
    OnTimeout,
    Playback,
    ProfilingJob,
    ProfilingJobSpec,
)
from profiling_operator.spec.reading import one_body, read, read_body, read_object, with_name

__all__ = [
    "App",
    "CollectorSpec",
    "EnvVar",
    "Gate",
    "OnTimeout",
    "Playback",
    "ProfilingJob",
    "ProfilingJobSpec",
    "changed",
    "one_body",
    "read",
    "read_body",
    "read_object",
    "with_name",
]
