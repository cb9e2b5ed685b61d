"""Verdicts on TAU's profiles, and what they say helps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profiling_operator.captures import Evidence, Fate, FileNote
from profiling_operator.collectors.tau import Options
from profiling_operator.errors import Reason
from profiling_operator.formats import tau_verdict

OWN = tau_verdict.ONLY_OWN_TIMERS
NAMELESS = f"{OWN}; {tau_verdict.NO_NAMES}"


def evidence(
    *messages: str,
    entries: int = 2,
    names: int = 1,
    fate: Fate = Fate.CONVERTED,
    log: str = "",
    **kinds: int,
) -> Evidence:
    """What was read, and what was printed."""
    notes = [FileNote(f"profile.{at}.0.0", fate, text) for at, text in enumerate(messages)]
    return Evidence(entries=entries, kinds=kinds, notes=notes, names=names, log_tail=log)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (evidence("", names=5, timer=5), Reason.COMPLETED),
        (evidence("", names=1, sample=9), Reason.COMPLETED),
        (evidence("only TAU's own timers", names=3, counter=1), Reason.COMPLETED),
        (evidence("truncated: 1 of 2 timers", names=5), Reason.COMPLETED),
        (evidence(entries=0), Reason.NOTHING_MEASURED),
        (evidence("odd", entries=0, fate=Fate.REFUSED), Reason.OUTPUT_UNREADABLE),
        (evidence("truncated: it is empty", entries=0, fate=Fate.REFUSED), Reason.OUTPUT_TRUNCATED),
        (evidence("truncated: 1 of 9 timers", names=1), Reason.OUTPUT_TRUNCATED),
        (evidence("", names=1, timer=1), Reason.NOTHING_MEASURED),
        (evidence("only TAU's own timers", names=2, timer=2), Reason.NOTHING_MEASURED),
        (evidence("", entries=0), Reason.NOTHING_MEASURED),
        (evidence(NAMELESS, "", names=3, sample=9), Reason.COMPLETED),
        (evidence(tau_verdict.NO_NAMES, names=5, sample=9), Reason.COMPLETED),
        (
            evidence("", f"{tau_verdict.NO_NAMES}: stripped", names=1, sample=9),
            Reason.NOTHING_MEASURED,
        ),
        (evidence("", "overwritten by 2 processes", names=9, timer=9), Reason.PROFILE_OVERWRITTEN),
    ],
)
def test_verdicts(given: Evidence, reason: Reason) -> None:
    """A profile with only the whole program in it is of no use, and the hint says what helps."""
    verdict = tau_verdict.usable(given)

    assert verdict.reason is reason
    assert verdict.usable == (reason is Reason.COMPLETED)


@pytest.mark.parametrize(
    ("gpus", "kinds", "options", "reason"),
    [
        (1, {"timer": 5}, Options(cuda=True), Reason.NO_GPU_DATA),
        (1, {"timer": 5, "kernel": 1}, Options(cuda=True), Reason.COMPLETED),
        (1, {"timer": 5}, Options(), Reason.COMPLETED),
        (0, {"timer": 5}, Options(cuda=True), Reason.COMPLETED),
    ],
    ids=["nothing of it", "measured", "not to be measured", "none asked for"],
)
def test_a_gpu_that_was_asked_for(
    gpus: int, kinds: dict[str, int], options: Options, reason: Reason
) -> None:
    """A profile that lacks it is of no use, whatever else it holds."""
    given = replace(evidence("", names=5, **kinds), gpus=gpus, options=options)

    assert tau_verdict.usable(given).reason is reason


LOADER = "ERROR: ld.so: object '/t/lib/shared-x/libTAU.so' from LD_PRELOAD cannot be preloaded (…)"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("Binding not found. Exiting...", "tags"),
        ("ERROR: CUPTI library not found. Please ensure that 'cupti' is on the list", "binding"),
        (f"{LOADER}: ignored.", "lib/shared-*"),
        ("x: /lib/libc.so.6: version `GLIBC_2.34' not found (required by libTAU.so)", "older"),
        ("x: /lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by y)", "older"),
        ("x: error while loading shared libraries: libbfd-2.40.so: cannot open", "beside libTAU"),
        ("/usr/bin/python3: No module named tau_python_wrapper", "-python"),
    ],
    ids=["binding", "cupti", "preload", "glibc", "libstdcxx", "missing", "python"],
)
def test_a_toolchain_that_does_not_fit(said: str, hint: str) -> None:
    """Where nothing is there, the tool's own words explain it, and what to do stands behind."""
    verdict = tau_verdict.usable(evidence(entries=0, log=f"before\n{said}\nafter\n"))

    assert verdict.reason is Reason.TOOLCHAIN_INCOMPATIBLE
    assert verdict.message.startswith(f"{said.rstrip('.')}; ")
    assert hint in verdict.message


def test_complaints_beside_a_profile_count_for_nothing() -> None:
    """A child that an older library kept from loading, say."""
    assert tau_verdict.usable(evidence("", names=5, timer=5, log=LOADER)).usable


def test_an_overwritten_profile_names_its_file() -> None:
    """And what to do."""
    verdict = tau_verdict.usable(evidence("", "overwritten: pids 1 and 2", names=9))

    assert verdict.message.startswith("profile.1.0.0: overwritten: pids 1 and 2; ")
    assert "exec" in verdict.message
