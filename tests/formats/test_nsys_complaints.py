"""What nsys complains of."""

from __future__ import annotations

import pytest

from profiling_operator.captures import complained
from profiling_operator.errors import Reason
from profiling_operator.formats import nsys_complaints


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Failed: ERR_NVGPUCTRPERM", Reason.COUNTERS_NOT_PERMITTED),
        ("error: Insufficient privilege, see RmProfilingAdminOnly", Reason.COUNTERS_NOT_PERMITTED),
        ("The application is already under profiling.", Reason.COLLECTORS_CLASH),
        ("Illegal --trace argument 'cuda-sw'.", Reason.COLLECTOR_FAILED),
        ("unrecognised option '--soon'", Reason.COLLECTOR_FAILED),
        (
            "warning: Installed CUDA driver version (13.3) is not supported by this build of "
            "Nsight Systems.",
            Reason.NO_GPU_DATA,
        ),
    ],
)
def test_what_is_known(said: str, reason: Reason) -> None:
    """Its own words, and what to do."""
    found = complained(nsys_complaints.COMPLAINTS, ["Collecting data...", said])

    assert found is not None
    assert found.reason is reason
    assert found.message.startswith(f"{said.rstrip('.')}; ")


def test_what_is_not_known() -> None:
    """Most of what is said is no complaint."""
    assert (
        complained(nsys_complaints.COMPLAINTS, ["Generating '/tmp/nsys-report-1.qdstrm'"]) is None
    )


@pytest.mark.parametrize(
    ("log", "is_hung"),
    [
        ("Generating '/tmp/nsys-report-41af.qdstrm'\n", True),
        ("Generating '/tmp/nsys-report-41af.qdstrm'\nGenerated:\n    /w/nsys.nsys-rep\n", False),
        ("hello\n", False),
    ],
)
def test_a_report_that_was_begun(log: str, is_hung: bool) -> None:
    """Between its two messages nsys writes its report."""
    assert nsys_complaints.hung(log) is is_hung
