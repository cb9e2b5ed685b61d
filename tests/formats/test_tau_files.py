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
    groups, unused = tau_files.arrange(artifacts.scan(root).artifacts)
    found = [*unused, *(one for group in groups for one in group.superseded)]
    threads = [thread for group in groups for thread in group.threads]
    return threads, {one.artifact.path: one.reason for one in found}


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


def earlier(threads: list[tau_files.Thread]) -> list[list[str]]:
    """The states before the last ones."""
    return [[file.path for file in thread.earlier] for thread in threads]


def test_a_final_profile_wins_over_dumps(tmp_path: Path) -> None:
    """Even when it is the older file; dumps without a time and selective ones say what is read."""
    threads, unused = arrange(
        tmp_path,
        "profile.0.0.0",
        "dump.0.0.0",
        "dump__Mon-Nov-23-12:31:27-2026__.0.0.0",
        "sel_dump__Mon-Nov-23-12:31:27-2026__.0.0.0",
    )

    assert paths(threads) == [["profile.0.0.0"]]
    assert earlier(threads) == [["dump__Mon-Nov-23-12:31:27-2026__.0.0.0"]]
    assert set(unused) == {"dump.0.0.0", "sel_dump__Mon-Nov-23-12:31:27-2026__.0.0.0"}
    assert "profile.0.0.0 is read" in unused["dump.0.0.0"]


def test_dumps_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    """By the time in the name, since copying changes the files' own."""
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
    assert sorted(earlier(threads)) == [[], ["dump__Mon-Nov-30-23:59:59-2026__.0.0.0"]]
    assert not unused


def test_whole_dumps_before_selective_ones_and_impossible_times(tmp_path: Path) -> None:
    """A selective dump holds only some functions; a date that does not exist is no time."""
    threads, _ = arrange(
        tmp_path, "dump__Mon-Feb-31-00:00:00-2026__.0.0.0", "sel_dump.0.0.0", "libc.so.0.0.0"
    )

    assert paths(threads) == [["dump__Mon-Feb-31-00:00:00-2026__.0.0.0"]]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mine.trc", "a trace without its place in its name"),
        ("mine.edf", "definitions without a node in their name"),
        ("trial.ppk", "a packed profile of ParaProf, which reads it itself"),
        ("traces.otf2", "an OTF2 trace, for Vampir and otf2-print"),
        ("tauprofile.db", "a database of TAU's SQLite plugin"),
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


def groups(root: Path, *names: str) -> list[tau_files.Group]:
    """Groups of empty files."""
    arrange(root, *names)
    return tau_files.arrange(artifacts.scan(root).artifacts)[0]


def test_a_trace_finds_its_definitions(tmp_path: Path) -> None:
    """Those of its node, in its folder."""
    found = groups(
        tmp_path, "tautrace.0.0.1.trc", "tautrace.1.0.0.trc", "events.0.edf", "a/events.1.edf"
    )

    traces = [trace for group in found for trace in group.traces]
    assert [(one.artifact.path, one.wanted) for one in traces] == [
        ("tautrace.0.0.1.trc", "events.0.edf"),
        ("tautrace.1.0.0.trc", "events.1.edf"),
    ]
    assert [one.definitions and one.definitions.path for one in traces] == ["events.0.edf", None]
    assert [one.place for one in traces] == [(0, 0, 1), (1, 0, 0)]


def test_a_node_is_read_together(tmp_path: Path) -> None:
    """Its profiles, snapshots, traces and definitions; another node apart from it."""
    found = groups(
        tmp_path,
        *("events.0.edf", "profile.0.0.0", "profile.1.0.0", "snapshot.0.0.0"),
        *("tautrace.0.0.0.trc", "dump.0.0.0"),
    )

    assert [{one.path for one in group.files} for group in found] == [
        {"events.0.edf", "profile.0.0.0", "snapshot.0.0.0", "tautrace.0.0.0.trc", "dump.0.0.0"},
        {"profile.1.0.0"},
    ]


@pytest.mark.parametrize("name", ["tauprofile.xml", "mine-tauprofile.xml.gz", "tau.trc", "tau.edf"])
def test_a_file_of_all_nodes_binds_its_folder(tmp_path: Path, name: str) -> None:
    """Whoever reads one of the nodes has to know of it."""
    found = groups(tmp_path, name, "profile.0.0.0", "profile.1.0.0", "a/profile.0.0.0")

    assert sorted(len(group.files) for group in found) == [1, 3]
    assert tau_files.is_read(name)
