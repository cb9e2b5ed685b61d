"""What nsys complains of, in its output, its export's log and its diagnostics, and what to do."""

from __future__ import annotations

import re

from profiling_operator.captures import Complaint
from profiling_operator.errors import Reason

# The first one that fits is told: what is more exact is first.
COMPLAINTS = (
    Complaint(
        re.compile(r"ERR_NVGPUCTRPERM|nsufficient privilege|RmProfilingAdminOnly"),
        Reason.COUNTERS_NOT_PERMITTED,
        "the driver keeps counters for administrators: load its module with "
        "NVreg_RestrictProfilingToAdminUsers=0 (RmProfilingAdminOnly), or grant CAP_SYS_ADMIN by "
        "the operator's settings",
    ),
    Complaint(
        re.compile(r"[Aa]lready under profiling"),
        Reason.COLLECTORS_CLASH,
        "another nsys measures this program already, perhaps one in its image's entrypoint",
    ),
    Complaint(
        re.compile(r"Illegal --|unrecogni[sz]ed option|[Uu]nknown option|Unrecognized|usage: nsys"),
        Reason.COLLECTOR_FAILED,
        "this nsys does not know an option: its version may be older than what trace or args ask",
    ),
    Complaint(
        re.compile(r"[Nn]ot supported by this build of Nsight Systems|insufficient driver"),
        Reason.NO_GPU_DATA,
        "nsys and the CUDA driver do not fit: use an nsys that is as new as the driver",
    ),
)
GENERATING = re.compile(r"Generating '[^']*\.qdstrm'")
GENERATED = "Generated:"
HUNG = (
    "nsys was told to end and had not written its report when its time was over; with sampling, "
    "nsys of 2022 was seen to hang so on new kernels: set sampling: false, or use a newer nsys"
)


def hung(log: str) -> bool:
    """Whether nsys began to write its report, and did not finish."""
    begun = list(GENERATING.finditer(log))
    return bool(begun) and GENERATED not in log[begun[-1].end() :]
