"""Whether a job that has ended becomes a part of a baseline, as its annotation may ask."""

from __future__ import annotations

from profiling_operator import baselines, names
from profiling_operator.reconcile.case import Case
from profiling_operator.reconcile.world import Accept, Decision, Notice
from profiling_operator.reporting import Report
from profiling_operator.status import ConditionType, Status

ACCEPTED, NOT_WRITTEN = "BaselineAccepted", "BaselineNotWritten"


def accepting(case: Case, final: Status, report: Report | None) -> Decision:
    """The end of a job. Nothing about baselines changes its status."""
    wanted = case.job.metadata.annotations.get(names.ACCEPT_BASELINE)
    if wanted is None or not final.holds(ConditionType.COMPLETE):
        return Decision(final)
    if why := baselines.name_problem(wanted) or _why_not(case, final):
        said = f"not added to a baseline ({names.ACCEPT_BASELINE}): {why}"
        return Decision(final, notices=(Notice(NOT_WRITTEN, said, is_warning=True),))
    return Decision(final, actions=(Accept(case.plan, wanted, report),))


def _why_not(case: Case, final: Status) -> str:
    """Why a complete job is not what others are to be compared with; empty: it may be."""
    failed = [one.measure for one in final.gates if one.verdict == "Failed"]
    if failed:
        return f"a gate failed: {failed[0]}"
    if case.plan.gates and not final.gates:  # only the uploader's last words came
        return "the verdicts of its gates are not known"
    return "" if final.holds(ConditionType.PROFILE_USABLE) else "its profile is not usable"
