"""What is to be done about one ProfilingJob, from what is to be seen of it: the whole decision.

`reconcile` is pure: the same world gives the same decision, whoever asks and however often, so a
lost event, a crash in the middle or a second look changes nothing. Where it cannot decide without
asking somebody, it says whom (`needs`), and is called again with the answer.
"""

from profiling_operator.reconcile.case import SUSPENDED
from profiling_operator.reconcile.cluster import on_cluster
from profiling_operator.reconcile.deciding import reconcile
from profiling_operator.reconcile.world import (
    Accept,
    Action,
    CreateJob,
    Decision,
    Delete,
    Need,
    Notice,
    Platform,
    Words,
    World,
    is_finished,
    open_number,
    status_of,
)

__all__ = [
    "SUSPENDED",
    "Accept",
    "Action",
    "CreateJob",
    "Decision",
    "Delete",
    "Need",
    "Notice",
    "Platform",
    "Words",
    "World",
    "is_finished",
    "on_cluster",
    "open_number",
    "reconcile",
    "status_of",
]
