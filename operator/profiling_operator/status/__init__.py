"""What the user is told: the models of the status, how facts become one, and how it is kept small.

Phase is derived from the conditions, which are the contract (docs/reference.md).
"""

from profiling_operator.status.deciding import next_status
from profiling_operator.status.fitting import SIZE_LIMIT, SUMMARY_LIMIT, fit
from profiling_operator.status.judging import Collected, Facts, Verdict
from profiling_operator.status.resource import (
    MESSAGE_LIMIT,
    AppOutcome,
    AttemptStatus,
    CollectorOutcome,
    Condition,
    ConditionType,
    GateStatus,
    Measure,
    Phase,
    ResultFile,
    Results,
    RunStatus,
    Status,
    cut,
    time_text,
)

__all__ = [
    "MESSAGE_LIMIT",
    "SIZE_LIMIT",
    "SUMMARY_LIMIT",
    "AppOutcome",
    "AttemptStatus",
    "Collected",
    "CollectorOutcome",
    "Condition",
    "ConditionType",
    "Facts",
    "GateStatus",
    "Measure",
    "Phase",
    "ResultFile",
    "Results",
    "RunStatus",
    "Status",
    "Verdict",
    "cut",
    "fit",
    "next_status",
    "time_text",
]
