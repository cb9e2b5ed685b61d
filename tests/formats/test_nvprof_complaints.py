"""What nvprof's words mean."""

from __future__ import annotations

import pytest

from profiling_operator.captures import complained
from profiling_operator.errors import Reason
from profiling_operator.formats import nvprof_complaints


@pytest.mark.parametrize(("words", "reason"), [
    ("Warning: ERR_NVGPUCTRPERM - The user does not have permission to profile on the target",
     Reason.COUNTERS_NOT_PERMITTED),
    ("Warning: nvprof is not supported on devices with compute capability 8.0 and higher.",
     Reason.TOOLCHAIN_INCOMPATIBLE),
    ("Error: This version of nvprof doesn't support the underlying device",
     Reason.TOOLCHAIN_INCOMPATIBLE),
    ("Error: incompatible CUDA driver version.", Reason.TOOLCHAIN_INCOMPATIBLE),
    ("Error: internal error.", Reason.COLLECTOR_FAILED),
    ("Warning: CUDA device error, GPU profiling skipped", Reason.NO_GPU_DATA),
    ("truncated: the last line is cut off", Reason.OUTPUT_TRUNCATED),
    ("Error: Application returned non-zero code 3", Reason.NO_GPU_DATA),
    ("No kernels were profiled.", Reason.NO_GPU_DATA),
])  # fmt: skip
def test_a_complaint_has_a_reason_and_advice(words: str, reason: Reason) -> None:
    """The words stand first, then what to do."""
    found = complained(nvprof_complaints.COMPLAINTS, ["something else", words])

    assert found is not None
    assert found.reason is reason
    assert found.message.startswith(words.rstrip(".") + "; ")


def test_the_more_exact_complaint_is_told() -> None:
    """Whatever its place: a GPU that is too new also leaves no data."""
    said = ["Warning: No profile data collected.", "Warning: compute capability 8.0 and higher"]

    found = complained(nvprof_complaints.COMPLAINTS, said)

    assert found is not None and found.reason is Reason.TOOLCHAIN_INCOMPATIBLE


def test_other_words_mean_nothing() -> None:
    """Also none at all."""
    assert complained(nvprof_complaints.COMPLAINTS, ["hello", ""]) is None
    assert complained(nvprof_complaints.COMPLAINTS, []) is None
