"""Gates: thresholds on the summary's numbers, judged where the results are made. No I/O."""

from __future__ import annotations

from profiling_operator.gates.files import BIGGER_FILE, JUNIT_FILE, SMALLER_FILE, benchmarks, junit
from profiling_operator.gates.noise import STATISTICS, p95
from profiling_operator.gates.parts import Judged
from profiling_operator.gates.verdicts import (
    NAME_LIMIT,
    UNKNOWN,
    VERDICTS_LIMIT,
    evaluate,
    gated,
    skip,
)
from profiling_operator.gates.words import in_unit

__all__ = [
    "BIGGER_FILE",
    "JUNIT_FILE",
    "NAME_LIMIT",
    "SMALLER_FILE",
    "STATISTICS",
    "UNKNOWN",
    "VERDICTS_LIMIT",
    "Judged",
    "benchmarks",
    "evaluate",
    "gated",
    "in_unit",
    "junit",
    "p95",
    "skip",
]
