"""The TAU collector before the run, and files that change under it.

What it makes of files is in test_tau_reading.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from profiling_operator import artifacts
from profiling_operator.captures import Capture, Evidence, Fate, FileNote
from profiling_operator.collectors import Facts, StopStep, Wait, Wrapper, tau
from profiling_operator.errors import Reason

SAMPLES = Path(__file__).parent.parent / "samples/tau"
STARTED = 1_700_000_000_000_000_000
TAU = tau.COLLECTOR


def options(**given: Any) -> tau.Options:
    """Options as a job gives them."""
    return tau.Options.model_validate(given)


def facts(paranoid: int | None, *capabilities: str) -> Facts:
    """A place."""
    return Facts(perf_event_paranoid=paranoid, capabilities=frozenset(capabilities))


def test_wrap_by_default() -> None:
    """Sampling of any program, flat, into the run's own folder."""
    wrapper = TAU.wrap(options())

    assert wrapper.words == (
        *("{tool}/bin/tau_exec", "-T", "serial,pthread", "-ebs"),
        *("-loadlib={launcher}-usr1.so", "--"),
    )
    assert wrapper.path == ("{toolchain}/bin",)
    assert not wrapper.hides_exit_code
    assert wrapper.env == {
        "PROFILEDIR": "{run}/tau",
        "TRACEDIR": "{run}/tau",
        "TAU_PROFILE": "1",
        "TAU_PROFILE_FORMAT": "profile",
        "TAU_TRACE": "0",
        "TAU_METRICS": "TIME",
        "TAU_CALLPATH": "0",
        "TAU_SAMPLING": "1",
        "TAU_EBS_UNWIND": "0",
        "TAU_THROTTLE": "1",
        "TAU_TRACK_MEMORY_FOOTPRINT": "0",
    }


def test_wrap_with_everything() -> None:
    """Every option finds its flag or its variable."""
    wrapper = TAU.wrap(
        options(
            samplingPeriod=5000,
            unwind=True,
            callpathDepth=20,
            metrics=["TIME", "PAPI_TOT_CYC"],
            format="snapshot",
            tracing=True,
            io=True,
            memory=True,
            mpi=True,
            openmp=True,
            cuda=True,
            throttle=False,
            throttleCalls=1000,
            throttleMicroseconds=50,
            selectFile="/app/select.tau",
            stopThread=False,
            args=["-um", "-ebs_source=PAPI_TOT_INS"],
        )
    )

    assert wrapper.words[1:] == (
        *("-T", "mpi,ompt,cupti", "-ebs", "-io", "-memory", "-ompt", "-cupti"),
        *("-um", "-ebs_source=PAPI_TOT_INS", "--"),
    )
    expected = {
        "TAU_METRICS": "TIME,PAPI_TOT_CYC",
        "TAU_PROFILE_FORMAT": "snapshot",
        "TAU_TRACE": "1",
        "TAU_PROFILE": "1",
        "TAU_CALLPATH": "1",
        "TAU_CALLPATH_DEPTH": "20",
        "TAU_EBS_PERIOD": "5000",
        "TAU_EBS_UNWIND": "1",
        "TAU_THROTTLE": "0",
        "TAU_THROTTLE_NUMCALLS": "1000",
        "TAU_THROTTLE_PERCALL": "50",
        "TAU_PLUGINS": "libTAU-filter-plugin.so(/app/select.tau)",
        "TAU_PLUGINS_PATH": "{toolchain}/lib/shared-mpi-ompt-cupti",
    }
    assert expected.items() <= wrapper.env.items()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"binding": "papi-pthread"}, ("tau_exec", "-XrunTAUsh-papi-pthread")),
        ({"tags": ["papi"], "mpi": True}, ("tau_exec", "-T", "papi")),
        ({"python": True}, ("tau_python", "-T", "serial,pthread")),
    ],
    ids=["binding", "tags", "python"],
)
def test_which_program_and_which_build(given: dict[str, Any], words: tuple[str, ...]) -> None:
    """A build can be named; tags that are given are all there are."""
    program, *rest = TAU.wrap(options(sampling=False, stopThread=False, **given)).words

    assert (program.removeprefix("{tool}/bin/"), *rest) == (*words, "--")


def preloaded(wrapper: Wrapper) -> list[str]:
    """What is preloaded, by file."""
    (given,) = [one for one in wrapper.words if one.startswith("LD_PRELOAD=")]
    return [one.rpartition("/")[2] for one in given.removeprefix("LD_PRELOAD=").split(":")]


def test_preload_by_default() -> None:
    """Only the application gets the libraries, and no script is needed."""
    wrapper = TAU.wrap(options(launch="preload"))
    folder = "{toolchain}/lib/shared-pthread"
    libraries = ("libTAU-pthread.so", "libTAU.so", "{launcher}-usr1.so", "libTAU-preload.so")
    expected = [one if "{" in one else f"{folder}/{one}" for one in libraries]

    assert wrapper.words == (
        *("{launcher}", "--exec", "--prepend", f"LD_PRELOAD={':'.join(expected)}"),
        *("--prepend", f"LD_LIBRARY_PATH={folder}", "--"),
    )
    assert (wrapper.path, wrapper.is_inner) == ((), True)
    assert wrapper.env == TAU.wrap(options()).env


def test_preload_with_everything() -> None:
    """What tau_exec would preload and set, in its order."""
    wrapper = TAU.wrap(
        options(
            launch="preload",
            binding="mpi-ompt",
            openmp=True,
            cuda=True,
            io=True,
            memory=True,
            stopThread=False,
            metrics=["TIME", "PAPI_TOT_CYC"],
        )
    )

    assert preloaded(wrapper) == [
        *("libTAU-CudaQP.so", "libTAU-CUpti.so", "libTAU-CUact.so", "libTAU-memorywrap.so"),
        *("libTAU-iowrap.so", "libTAU.so", "libTAU-preload.so"),
    ]
    folder = "{toolchain}/lib/shared-mpi-ompt"
    expected = {
        "TAU_METRICS": "TAUGPU_TIME,PAPI_TOT_CYC",
        "TAU_TRACK_HEAP": "1",
        "TAU_TRACK_MEMORY_LEAKS": "1",
        "OMP_TOOL": "enabled",
        "OMP_TOOL_LIBRARIES": f"{folder}/libTAU.so",
        "NVTX_INJECTION64_PATH": f"{folder}/libTAU-CUpti.so",
    }
    assert expected.items() <= wrapper.env.items()


def test_wrap_without_sampling() -> None:
    """Nothing of sampling is left."""
    wrapper = TAU.wrap(options(sampling=False, samplingPeriod=5000, unwind=True))

    assert "-ebs" not in wrapper.words
    assert (wrapper.env["TAU_SAMPLING"], wrapper.env["TAU_EBS_UNWIND"]) == ("0", "0")
    assert "TAU_EBS_PERIOD" not in wrapper.env


@pytest.mark.parametrize(
    "wrong",
    [
        {"callpathDepth": 201},
        {"callpathDepth": -1},
        {"samplingPeriod": 1},
        {"metrics": []},
        {"metrics": ["TIME,PAPI_TOT_CYC"]},
        {"tags": ["serial pthread"]},
        {"args": ["--"]},
        {"args": ["./app"]},
        {"binding": "../x"},
        {"selectFile": "a:b"},
        {"selectFile": "f(x)"},
        {"launch": "preload", "python": True},
        {"launch": "preload", "args": ["-um"]},
        {"format": "sqlite"},
        {"depth": 3},
    ],
    ids=str,
)
def test_options_have_bounds(wrong: dict[str, Any]) -> None:
    """What would end tau_exec's options, or name something unknown, is refused."""
    with pytest.raises(ValidationError):
        options(**wrong)


def test_options_are_described() -> None:
    """The CRD takes its field descriptions from here."""
    assert all(field.description for field in tau.Options.model_fields.values())


def test_stop() -> None:
    """USR1 makes TAU write while the program runs; TERM would lose the profile."""
    assert TAU.stop(options()) == (StopStep("USR1", "mapped=libTAU", Wait.FILES, 10.0),)


@pytest.mark.parametrize(
    ("given", "place", "impossible"),
    [
        ({}, facts(4), False),
        ({"metrics": ["TIME", "PAPI_TOT_CYC"]}, facts(3), True),
        ({"metrics": ["PAPI_TOT_CYC"]}, facts(2), False),
        ({"metrics": ["PAPI_TOT_CYC"]}, facts(None), False),
        ({"metrics": ["PAPI_TOT_CYC"]}, facts(4, "CAP_PERFMON"), False),
        ({"metrics": ["PAPI_TOT_CYC"]}, facts(4, "SYS_ADMIN"), False),
    ],
)
def test_preflight(given: dict[str, Any], place: Facts, impossible: bool) -> None:
    """Only hardware counters need a permission; the message says who can give it."""
    found = TAU.preflight(place, options(**given))

    assert [one.reason for one in found] == [Reason.COUNTERS_NOT_PERMITTED] * impossible
    assert all("PAPI_TOT_CYC" in one.message for one in found)
    assert all("administrator" in one.message for one in found)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, set()),
        ({"cuda": True}, {"cupti"}),
        ({"cuda": True, "launch": "preload"}, {"cupti"}),
        ({"binding": "cupti-pthread"}, {"cupti"}),
        ({"tags": ["serial", "cupti"]}, {"cupti"}),
        ({"args": ["-cupti"]}, {"cupti"}),
        ({"args": ["-um"]}, {"cupti"}),
        ({"args": ["-loadlib=x.so"]}, set()),
    ],
)
def test_clashes(given: dict[str, Any], expected: set[str]) -> None:
    """CUPTI is exclusive."""
    assert TAU.clashes(options(**given)) == expected


def test_the_verdict_is_that_of_its_files() -> None:
    """See test_tau_verdict.py."""
    verdict = TAU.usable(Evidence(entries=0, kinds={}, notes=[]))

    assert (verdict.usable, verdict.reason) == (False, Reason.NOTHING_MEASURED)


def test_a_file_that_vanishes_is_refused(tmp_path: Path) -> None:
    """Bad files never raise."""
    shutil.copy(SAMPLES / "hand-made/negative/profile.0.0.0", tmp_path)
    found = artifacts.scan(tmp_path).artifacts
    (tmp_path / "profile.0.0.0").unlink()

    items = list(TAU.read(Capture(found, tau.Options(), STARTED)))
    assert [item.fate for item in items if isinstance(item, FileNote)] == [Fate.REFUSED]


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    """Its entries are out already; TAU rewrites files in place."""
    shutil.copy(SAMPLES / "hand-made/negative/profile.0.0.0", tmp_path)
    reading = TAU.read(Capture(artifacts.scan(tmp_path).artifacts, tau.Options(), STARTED))
    next(reading)
    with (tmp_path / "profile.0.0.0").open("ab") as file:
        file.write(b"more\n")

    last = [item for item in reading if isinstance(item, FileNote)][-1]
    assert (last.fate, "changed" in last.message) == (Fate.CONVERTED, True)
