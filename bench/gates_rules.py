"""The gate of this project, and the usual rules beside it: does a job fail?"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from profiling_operator import gates
from profiling_operator.baselines import Accepted, Identity, Snapshot, Values, Window
from profiling_operator.machines import Machine
from profiling_operator.spec.job import Gate, Statistic
from profiling_operator.summary import Measured

Job = Sequence[float]
"""The repetitions of one job."""
Rule = Callable[[Sequence[Job], Job], bool]
"""From the earlier jobs, the newest first, and a new one."""

FEWEST, WINDOW = 5, 20
MEASURE, NAME = "app/duration", "main"
HERE = Machine(cpu="one and the same")
LIMIT = 1.05
Z95 = statistics.NormalDist().inv_cdf(0.95)


def ours(window: Sequence[Job], new: Job) -> bool:
    """`maxIncrease: 5%`, by the very function that judges jobs."""
    return ours_by(Statistic.MEDIAN)(window, new)


def ours_by(statistic: Statistic) -> Rule:
    """The same by another statistic."""
    gate = Gate(measure=MEASURE, baseline=NAME, max_increase="5%", statistic=statistic)

    def fails(window: Sequence[Job], new: Job) -> bool:
        measured = Measured(MEASURE, "ns", tuple(new))
        (judged,) = gates.evaluate([gate], [measured], [_snapshot(window)], HERE)
        if judged.status.verdict == "Skipped":
            raise ValueError(judged.status.message)
        return judged.status.verdict == "Failed"

    return fails


def _snapshot(window: Sequence[Job]) -> Snapshot:
    jobs = tuple(
        Accepted.model_construct(
            job="job", uid="", attempt=1, accepted_at="", image="", machine=HERE,
            measures={MEASURE: Values.model_construct(unit="ns", values=tuple(one))},
        )
        for one in window
    )  # fmt: skip
    alike = Window.model_construct(identity=Identity(), device=HERE.device, jobs=jobs)
    return Snapshot.model_construct(name=NAME, problem="", others="", left_out="", windows=(alike,))


def last_times(factor: float) -> Rule:
    """github-action-benchmark: the last value times `alert-threshold`."""
    return lambda window, new: statistics.median(new) > factor * statistics.median(window[0])


def z_test(window: Sequence[Job], new: Job) -> bool:
    """As Bencher has it, with an upper boundary of 0.95: by mean and deviation of earlier jobs."""
    values = [statistics.median(one) for one in window]
    return statistics.median(new) > statistics.fmean(values) + Z95 * statistics.stdev(values)


def z_test_and_limit(window: Sequence[Job], new: Job) -> bool:
    """The same, and more than 5 % above the mean of earlier values."""
    values = [statistics.median(one) for one in window]
    return z_test(window, new) and statistics.median(new) > LIMIT * statistics.fmean(values)


RULES: Mapping[str, Rule] = {
    "ours, maxIncrease 5%": ours,
    "last value × 1.05": last_times(LIMIT),
    "last value × 2": last_times(2.0),
    "z 0.95": z_test,
    "z 0.95 and 5 %": z_test_and_limit,
}


def rolling(jobs: Sequence[Job], rule: Rule) -> Iterator[bool]:
    """The verdict on each job by those before it; one that fails is not accepted."""
    window: list[Job] = list(reversed(jobs[:FEWEST]))
    for job in jobs[FEWEST:]:
        fails = rule(window[:WINDOW], job)
        if not fails:
            window.insert(0, job)
        yield fails
