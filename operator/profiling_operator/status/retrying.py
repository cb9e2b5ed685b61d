"""Whether another attempt is due."""

from __future__ import annotations

from collections.abc import Sequence

from profiling_operator.errors import Reason
from profiling_operator.spec.job import Retries

OF_APP = frozenset({Reason.APP_FAILED, Reason.APP_KILLED, Reason.APP_OOM_KILLED})
OF_INFRASTRUCTURE = frozenset({Reason.INFRASTRUCTURE_LOST, Reason.RESULTS_LOST})


def retry_is_due(outcome: str, earlier: Sequence[str], budget: Retries) -> bool:
    """Whether an attempt of that outcome is followed by another one.

    `earlier` are the outcomes of the attempts before it; each budget counts its own kind only.
    """
    for kind, allowed in ((OF_APP, budget.app), (OF_INFRASTRUCTURE, budget.infrastructure)):
        if outcome in kind:
            return sum(one in kind for one in earlier) < allowed
    return False
