"""Nsight Systems: what it is told, and what its verdicts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from making import job
from profiling_operator import plan
from profiling_operator.captures import Evidence, Fate, FileNote
from profiling_operator.collectors import Facts
from profiling_operator.collectors.nsys import COLLECTOR, Options
from profiling_operator.errors import CollectorsClashError, Reason, SpecError

CONVERTED = FileNote("nsys.sqlite", Fate.CONVERTED)


def words(**options: Any) -> str:
    """The words in front of the command."""
    return " ".join(COLLECTOR.wrap(Options(**options)).words)


def evidence(
    kinds: dict[str, int], notes: Sequence[FileNote] = (CONVERTED,), log: str = "", gpus: int = 0
) -> Evidence:
    """What was read."""
    return Evidence(sum(kinds.values()), kinds, notes, log_tail=log, gpus=gpus)


def test_the_command_is_wrapped_by_default() -> None:
    """CUDA, NVTX and system calls, to the application's end; no perf events."""
    wrapper = COLLECTOR.wrap(Options())

    assert " ".join(wrapper.words) == (
        "{tool}/bin/nsys profile --trace=cuda,nvtx,osrt --sample=none --cpuctxsw=none "
        "--force-overwrite=true --output={run}/nsys/nsys"
    )
    assert wrapper.hides_exit_code and not wrapper.is_inner
    assert wrapper.system_calls == ()


def test_the_report_is_exported_after_the_run() -> None:
    """First the importer, for an nsys that does not find it by itself."""
    first, _, then = " ".join(COLLECTOR.wrap(Options()).after).partition(" ; ")

    assert first == "{tool}/host-linux-x64/QdstrmImporter -i {run}/nsys/nsys.qdstrm"
    assert then == (
        "{tool}/bin/nsys export --type=sqlite --force-overwrite=true "
        "--output={run}/nsys/nsys.sqlite {run}/nsys/nsys.nsys-rep"
    )


@pytest.mark.parametrize(
    ("options", "there"),
    [
        ({"trace": ("mpi", "nvtx", "mpi")}, "--trace=mpi,nvtx "),
        ({"trace": ()}, "--trace=none "),
        ({"cuda": "sw"}, "--trace=cuda-sw,nvtx,osrt "),
        (
            {"sampling": True},
            "--sample=process-tree --sampling-period=1000000 --backtrace=fp ",
        ),
        ({"sampling": True, "frequency": 8000, "call_graph": "lbr"}, "=125000 --backtrace=lbr "),
        ({"cuda_graph_trace": "node"}, " --cuda-graph-trace=node "),
        ({"delay": 5, "duration": 10}, " --delay=5 --duration=10 --kill=none "),
        ({"args": ("--gpu-metrics-device=all",)}, "/nsys/nsys --gpu-metrics-device=all"),
    ],
)
def test_options_become_words(options: dict[str, Any], there: str) -> None:
    """Each in nsys's own form."""
    assert there in words(**options)


@pytest.mark.parametrize(
    "options",
    [{"trace": ["gpu"]}, {"frequency": 62}, {"frequency": 8001}, {"delay": 0}, {"callGraph": "x"}],
    ids=str,
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    """By the name of their field."""
    with pytest.raises(SpecError, match=r"spec\.collectors\[0\]\.options"):
        plan.build_plan(job(collectors=[{"name": "nsys", "options": options}]))


def test_the_plan_has_both_commands() -> None:
    """With the tool's place in each; an inner launcher records the application's exit code."""
    planned = plan.build_plan(job(collectors=[{"name": "nsys"}]))

    assert planned.recorded
    assert planned.after.count(";") == 1
    assert planned.after[0] == "{tool:nsys}/host-linux-x64/QdstrmImporter"
    assert "{tool:nsys}/bin/nsys" in planned.after
    assert planned.stop_seconds > 30


def test_nsys_is_told_first() -> None:
    """Ended with its application, nsys's agent leaves no report."""
    (step,) = COLLECTOR.stop(Options())

    assert (step.signal, step.target, step.wait, step.seconds) == ("INT", "tool", "exit", 30.0)


def test_the_system_call_is_asked_for_where_it_is_needed() -> None:
    """Containers are refused it by default."""
    assert COLLECTOR.wrap(Options(sampling=True)).system_calls == ("perf_event_open",)


def test_it_clashes_with_others_that_need_cupti() -> None:
    """Only where CUDA is traced."""
    assert COLLECTOR.clashes(Options()) == {"cupti"}
    assert COLLECTOR.clashes(Options(trace=("osrt",))) == frozenset()
    with pytest.raises(CollectorsClashError, match="cupti"):
        plan.build_plan(job(collectors=[{"name": "nsys"}, {"name": "nvprof"}]))


@pytest.mark.parametrize(
    ("paranoid", "options", "found"),
    [
        (4, Options(trace=(), sampling=True), 1),
        (2, Options(trace=(), sampling=True), 0),
        (4, Options(sampling=True), 0),
        (4, Options(trace=()), 0),
    ],
)
def test_preflight(paranoid: int, options: Options, found: int) -> None:
    """Without the right to sample the rest is measured; impossible where there is no rest."""
    problems = COLLECTOR.preflight(Facts(perf_event_paranoid=paranoid), options)

    assert [one.reason for one in problems] == [Reason.COUNTERS_NOT_PERMITTED] * found


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(evidence({"os": 5}), id="a program without a GPU"),
        pytest.param(evidence({"kernel": 1}, gpus=1), id="kernels"),
        pytest.param(
            evidence({"os": 5}, [FileNote("a", Fate.CONVERTED, "CUDA was not traced")], gpus=1),
            id="CUDA was not asked for",
        ),
        pytest.param(
            evidence({"kernel": 1}, log="ERR_NVGPUCTRPERM", gpus=1), id="kernels without counters"
        ),
    ],
)
def test_usable(found: Evidence) -> None:
    """Something was measured, of the GPU where it should be."""
    assert COLLECTOR.usable(found).usable


GENERATING = "Generating '/tmp/nsys-report-41af.qdstrm'\n"
LEFT = FileNote("nsys.qdstrm", Fate.REFUSED, "`nsys` did not turn it into a report")
CUT = FileNote("nsys.sqlite", Fate.CONVERTED, "truncated or damaged: NVTX_EVENTS: malformed")
TOO_NEW = FileNote(
    "nsys.sqlite", None, "warning: Installed CUDA driver version (13.3) is not supported by this "
    "build of Nsight Systems."
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "reason", "told"),
    [
        pytest.param(
            evidence({"api": 9}, gpus=1), Reason.NO_GPU_DATA, "cuda: sw", id="no kernel on a GPU"
        ),
        pytest.param(
            evidence({"api": 9}, [CONVERTED, TOO_NEW], gpus=1), Reason.NO_GPU_DATA,
            "as new as the driver", id="the driver is newer",
        ),
        pytest.param(
            evidence({"api": 9}, log="ERR_NVGPUCTRPERM\n", gpus=1), Reason.COUNTERS_NOT_PERMITTED,
            "NVreg_RestrictProfilingToAdminUsers=0", id="no permission",
        ),
        pytest.param(
            evidence({"kernel": 9}, [CUT], gpus=1), Reason.OUTPUT_TRUNCATED, "NVTX_EVENTS",
            id="numbers of a damaged database are wrong",
        ),
        pytest.param(
            evidence({}, [], log=GENERATING), Reason.COLLECTOR_HUNG, "sampling: false", id="hung"
        ),
        pytest.param(
            evidence({}, [LEFT], log=f"{GENERATING}Generated:\n"), Reason.COLLECTOR_FAILED,
            "nsys.qdstrm", id="a recording is left",
        ),
        pytest.param(
            evidence({}, [FileNote("x.sqlite", Fate.REFUSED, "not an SQLite database")]),
            Reason.OUTPUT_UNREADABLE, "x.sqlite", id="something else",
        ),
        pytest.param(evidence({}), Reason.NOTHING_MEASURED, "long enough", id="nothing"),
        pytest.param(evidence({}, gpus=1), Reason.NO_GPU_DATA, "nothing", id="nothing of a GPU"),
        pytest.param(
            evidence({}, [], log="The application is already under profiling."),
            Reason.COLLECTORS_CLASH, "another nsys", id="measured already",
        ),
    ],
)  # fmt: skip
def test_not_usable(found: Evidence, reason: Reason, told: str) -> None:
    """The reason, and what to do."""
    verdict = COLLECTOR.usable(found)

    assert (verdict.usable, verdict.reason) == (False, reason)
    assert told in verdict.message
