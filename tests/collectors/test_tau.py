"""The TAU collector before the run, its verdict, and files that change under it.

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
from profiling_operator.collectors import Facts, StopStep, Wait, tau
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

    assert wrapper.words == ("{tool}/bin/tau_exec", "-T", "serial,pthread", "-ebs", "--")
    assert wrapper.path == ("{toolchain}/bin",)
    assert not wrapper.hides_exit_code
    assert wrapper.env == {
        "PROFILEDIR": "{run}/tau",
        "TAU_PROFILE_FORMAT": "profile",
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
            io=True,
            memory=True,
            throttle=False,
            tags=["mpi", "cupti"],
            args=["-cupti", "-ebs_source=PAPI_TOT_INS"],
        )
    )

    assert wrapper.words[1:] == (
        *("-T", "mpi,cupti", "-ebs", "-io", "-memory"),
        *("-cupti", "-ebs_source=PAPI_TOT_INS", "--"),
    )
    expected = {
        "TAU_METRICS": "TIME,PAPI_TOT_CYC",
        "TAU_CALLPATH": "1",
        "TAU_CALLPATH_DEPTH": "20",
        "TAU_EBS_PERIOD": "5000",
        "TAU_EBS_UNWIND": "1",
        "TAU_THROTTLE": "0",
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
        ({"tags": ["serial", "cupti"]}, {"cupti"}),
        ({"args": ["-cupti"]}, {"cupti"}),
        ({"args": ["-um"]}, {"cupti"}),
        ({"args": ["-loadlib=x.so"]}, set()),
    ],
)
def test_clashes(given: dict[str, Any], expected: set[str]) -> None:
    """CUPTI is exclusive."""
    assert TAU.clashes(options(**given)) == expected


def evidence(
    *messages: str, entries: int = 2, names: int = 1, fate: Fate = Fate.CONVERTED, **kinds: int
) -> Evidence:
    """What was read."""
    notes = [FileNote(f"profile.{at}.0.0", fate, text) for at, text in enumerate(messages)]
    return Evidence(entries=entries, kinds=kinds, notes=notes, names=names)


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
    ],
)
def test_verdicts(given: Evidence, reason: Reason) -> None:
    """A profile with only the whole program in it is of no use, and the hint says what helps."""
    verdict = TAU.usable(given)

    assert verdict.reason is reason
    assert verdict.usable == (reason is Reason.COMPLETED)


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
