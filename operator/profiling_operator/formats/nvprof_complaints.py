"""What nvprof complains of, what that means, and what to do about it."""

from __future__ import annotations

import re

from profiling_operator.captures import Complaint
from profiling_operator.errors import Reason

# The first one that fits is told. Not in order of how often they come: what is more exact is first.
COMPLAINTS = (
    Complaint(
        re.compile(r"ERR_NVGPUCTRPERM|not have permission"),
        Reason.COUNTERS_NOT_PERMITTED,
        "the driver keeps counters for administrators: load its module with "
        "NVreg_RestrictProfilingToAdminUsers=0, or grant CAP_SYS_ADMIN by the operator's settings",
    ),
    Complaint(
        re.compile(r"compute capability|doesn't support the underlying (?:virtual )?device"),
        Reason.TOOLCHAIN_INCOMPATIBLE,
        "nvprof measures GPUs of compute capability 7.x and older; use nsys on newer ones",
    ),
    Complaint(
        re.compile(r"(?:locate|version of) profiling library|incompatible CUDA driver version"),
        Reason.TOOLCHAIN_INCOMPATIBLE,
        "the application must find libcuinj64.so of the same toolkit: name its folder in "
        "LD_LIBRARY_PATH",
    ),
    Complaint(
        re.compile(r"Error: (?:failed to access tmp directory|can't open log file|internal error)"),
        Reason.COLLECTOR_FAILED,
        "nvprof could not begin; with metrics or events it also says so where there is no GPU",
    ),
    Complaint(
        re.compile(r"CUDA device error|locate cuda driver library"),
        Reason.NO_GPU_DATA,
        "no GPU could be used where the application ran; does the job ask for one (spec.gpu)?",
    ),
    Complaint(
        re.compile(r"truncated:|damaged:"),
        Reason.OUTPUT_TRUNCATED,
        "nvprof was ended before it had written its file",
    ),
    Complaint(
        re.compile(r"Application (?:received signal|returned non-zero code)"),
        Reason.NO_GPU_DATA,
        "the application failed before anything of a GPU was measured",
    ),
    Complaint(
        re.compile(r"No CUDA application|No kernels were profiled|No profile data collected"),
        Reason.NO_GPU_DATA,
        "the application used no GPU, or ended before it did",
    ),
)
