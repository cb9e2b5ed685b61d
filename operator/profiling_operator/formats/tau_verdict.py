"""Whether TAU's profile is of use: judged by the notes on its files and by what was printed."""

from __future__ import annotations

import re

from profiling_operator.captures import (
    Complaint,
    Evidence,
    Fate,
    Verdict,
    complained,
    first_note,
    judge_common,
)
from profiling_operator.entries import GPU_KINDS, Kind
from profiling_operator.errors import Reason

# How notes on files begin, or what they say.
OVERWRITTEN = "overwritten"
TRUNCATED = "truncated"
NO_NAMES = "no sample has a name"
NO_GPU = (
    "cuda: true, and nothing of a GPU was measured: does the application use one, and is this TAU "
    "built for its version of CUDA (-T cupti)?"
)
ONLY_OWN_TIMERS = "only TAU's own timers"

ONE_PROGRAM = (
    "processes that TAU is in write to one folder: let the command be the program itself, or let a "
    "script `exec` it; with MPI take a build with MPI (mpi: true)"
)
WITH_NAMES = (
    "the program has no symbols that TAU can read: build it with -g and -no-pie, do not strip it"
)
NO_FILE = (
    "the tool left no file: TAU's library must be loaded into the program itself, so it measures "
    "neither static programs nor one that a wrapper script starts anew without it"
)
NOTHING_MEASURED = (
    "only the root timer: the program is not instrumented; set sampling: true, or, where it is, "
    "give it more time than one sampling period"
)
OTHER_BUILD = (
    "`tau-config --list-options` and the folders lib/shared-* tell which builds of TAU are there; "
    "options tags and binding choose one"
)
COMPLAINTS = tuple(
    Complaint(re.compile(pattern), Reason.TOOLCHAIN_INCOMPATIBLE, hint)
    for pattern, hint in (
        (r"Binding not found|CUPTI library not found", OTHER_BUILD),
        (
            r"version `GLIBC[^']{0,40}' not found",
            "the image's C or C++ library is older than the one that TAU was built with: build TAU "
            "in an image as old as the application's",
        ),
        (
            r"libTAU[^ ]{0,80} from LD_PRELOAD cannot be preloaded",
            f"the build is not there, or not for this machine: {OTHER_BUILD}",
        ),
        (
            r"error while loading shared libraries",
            "libraries that TAU needs must be in the application's image, or beside libTAU.so",
        ),
        (
            r"No module named '?(?:tau_python_wrapper|pstubs)",
            "the build has no support for this Python: TAU has to be configured with -python",
        ),
    )
)


def usable(evidence: Evidence) -> Verdict:
    """A profile is of use when something besides the whole program was measured."""
    if overwritten := first_note(evidence, OVERWRITTEN):
        return Verdict(False, Reason.PROFILE_OVERWRITTEN, f"{overwritten}; {ONE_PROGRAM}")
    common = judge_common(evidence)
    if not common and _lacks_gpu(evidence):
        return Verdict(False, Reason.NO_GPU_DATA, NO_GPU)
    nothing = _all_converted(evidence, ONLY_OWN_TIMERS) or evidence.names <= 1
    samples = evidence.kinds.get(Kind.SAMPLE, 0)
    if nothing and samples and first_note(evidence, NO_NAMES):
        return Verdict(False, Reason.NOTHING_MEASURED, f"{NO_NAMES}; {WITH_NAMES}")
    if not common and (samples or evidence.kinds.get(Kind.COUNTER) or not nothing):
        return Verdict(True)
    if truncated := first_note(evidence, TRUNCATED):
        return Verdict(False, Reason.OUTPUT_TRUNCATED, truncated)
    return complained(COMPLAINTS, evidence.log_tail.splitlines()) or _without_words(
        evidence, common
    )


def _lacks_gpu(evidence: Evidence) -> bool:
    """Whether GPUs were asked for, and to be measured, and none was."""
    wanted = evidence.gpus and getattr(evidence.options, "cuda", False)
    return bool(wanted) and not any(evidence.kinds.get(kind) for kind in GPU_KINDS)


def _all_converted(evidence: Evidence, words: str) -> bool:
    """Whether the words are said of all files that became entries."""
    said = [one.message for one in evidence.notes if one.fate is Fate.CONVERTED]
    return bool(said) and all(words in one for one in said)


def _without_words(evidence: Evidence, common: Verdict | None) -> Verdict:
    if not evidence.notes:
        return Verdict(False, Reason.NOTHING_MEASURED, NO_FILE)
    return common or Verdict(False, Reason.NOTHING_MEASURED, NOTHING_MEASURED)
