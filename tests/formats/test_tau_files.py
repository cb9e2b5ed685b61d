"""Which files belong together, and which are not read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from profiling_operator import artifacts
from profiling_operator.formats import tau_files


def arrange(root: Path, *paths: str) -> tuple[list[tau_files.Thread], dict[str, str]]:
    """Make empty files, the later ones newer, and sort them."""
    for index, path in enumerate(paths):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
        os.utime(file, ns=(index, index))
    threads, unused = tau_files.arrange(artifacts.scan(root).artifacts)
    return threads, {one.artifact.path: one.reason for one in unused}


def paths(threads: list[tau_files.Thread]) -> list[list[str]]:
    """The threads' files."""
    return [[file.path for file in thread.files] for thread in threads]


def test_ranks_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """10 after 2; node, context and thread are numbers, a node may be negative."""
    threads, unused = arrange(tmp_path, "profile.10.0.0", "profile.2.1.3", "profile.-1.0.0")

    numbers = [(one.node, one.context, one.thread) for one in threads]
    assert sorted(numbers) == [(-1, 0, 0), (2, 1, 3), (10, 0, 0)]
    assert numbers.index((2, 1, 3)) < numbers.index((10, 0, 0))
    assert not unused


def test_metrics_of_a_thread_belong_together(tmp_path: Path) -> None:
    """Also where a rank has fewer metrics than the others."""
    threads, _ = arrange(
        tmp_path,
        "MULTI__TIME/profile.0.0.0",
        "MULTI__PAPI/profile.0.0.0",
        "MULTI__PAPI/profile.1.0.0",
    )

    assert paths(threads) == [
        ["MULTI__PAPI/profile.0.0.0", "MULTI__TIME/profile.0.0.0"],
        ["MULTI__PAPI/profile.1.0.0"],
    ]
    assert {one.folder for one in threads} == {""}


def test_folders_tell_processes_apart(tmp_path: Path) -> None:
    """One folder per process: the part that differs is kept."""
    threads, _ = arrange(
        tmp_path, "run-0/tau/a/profile.0.0.0", "run-0/tau/b/MULTI__TIME/profile.0.0.0"
    )

    assert [one.folder for one in threads] == ["a", "b"]


def test_a_common_folder_tells_nothing(tmp_path: Path) -> None:
    """What all files have in common is left out."""
    threads, _ = arrange(tmp_path, "run-0/tau/profile.0.0.0", "run-0/tau/profile.1.0.0")

    assert {one.folder for one in threads} == {""}


def test_a_final_profile_wins_over_dumps(tmp_path: Path) -> None:
    """Even when it is the older file; the dumps say what is read instead."""
    threads, unused = arrange(
        tmp_path, "profile.0.0.0", "dump.0.0.0", "dump__Mon-Nov-23-12:31:27-2026__.0.0.0"
    )

    assert paths(threads) == [["profile.0.0.0"]]
    assert set(unused) == {"dump.0.0.0", "dump__Mon-Nov-23-12:31:27-2026__.0.0.0"}
    assert "profile.0.0.0 is read" in unused["dump.0.0.0"]


def test_the_last_of_several_dumps_is_read(tmp_path: Path) -> None:
    """By the time in the name, since copying changes the files' own; they are cumulative."""
    threads, unused = arrange(
        tmp_path,
        "dump__Tue-Dec-1-00:00:09-2026__.0.0.0",
        "dump__Mon-Nov-30-23:59:59-2026__.0.0.0",
        "dump__Mon-Nov-30-23:59:59-2026__.0.0.1",
    )

    assert sorted(paths(threads)) == [
        ["dump__Mon-Nov-30-23:59:59-2026__.0.0.1"],
        ["dump__Tue-Dec-1-00:00:09-2026__.0.0.0"],
    ]
    assert list(unused) == ["dump__Mon-Nov-30-23:59:59-2026__.0.0.0"]


def test_whole_dumps_before_selective_ones_and_impossible_times(tmp_path: Path) -> None:
    """A selective dump holds only some functions; a date that does not exist is no time."""
    threads, _ = arrange(
        tmp_path, "dump__Mon-Feb-31-00:00:00-2026__.0.0.0", "sel_dump.0.0.0", "libc.so.0.0.0"
    )

    assert paths(threads) == [["dump__Mon-Feb-31-00:00:00-2026__.0.0.0"]]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tautrace.0.0.0.trc", "a TAU trace: not read yet"),
        ("events.0.edf", "a TAU trace: not read yet"),
        ("tau.trc", "a TAU trace: not read yet"),
        ("tauprofile.xml", "a merged profile: not read yet"),
        ("mine-tauprofile.xml", "a merged profile: not read yet"),
        ("snapshot.0.0.0", "a snapshot profile: not read yet"),
        ("trial.ppk", "a packed profile of ParaProf: not read yet"),
        ("traces.otf2", "an OTF2 trace: not read yet"),
        ("core.123", "not a file of TAU's"),
        ("profile.0.0", "not a file of TAU's"),
        ("profile.0.0.0.gz", "not a file of TAU's"),
    ],
)
def test_files_that_are_not_read(tmp_path: Path, name: str, reason: str) -> None:
    """Each says what it is."""
    assert arrange(tmp_path, name) == ([], {name: reason})


def test_only_tau_names_profiles(tmp_path: Path) -> None:
    """A library's version looks like node, context and thread."""
    assert tau_files.is_surely_tau("profile.0.0.0")
    assert tau_files.is_surely_tau("dump__Mon-Nov-23-12:31:27-2026__.0.0.0")
    assert not tau_files.is_surely_tau("libc.so.2.3.6")
    assert not tau_files.is_surely_tau("profile")
