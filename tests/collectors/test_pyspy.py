"""py-spy: what it is told, and what its files become."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from profiling_operator import artifacts
from profiling_operator.captures import ATTACH_LOG, Capture, Evidence, Fate, FileNote
from profiling_operator.collectors import Facts
from profiling_operator.collectors.pyspy import COLLECTOR, Options
from profiling_operator.entries import Entry, Kind
from profiling_operator.errors import Reason

SAMPLES = Path(__file__).parent.parent / "samples" / "pyspy" / "0.4.3"


def read(folder: Path, **options: object) -> tuple[list[Entry], list[FileNote]]:
    """Entries and notes of a folder."""
    capture = Capture(
        artifacts.scan(folder).artifacts, Options.model_validate(options), started=10**18
    )
    items = list(COLLECTOR.read(capture))
    entries = [item for item in items if isinstance(item, Entry)]
    return entries, [item for item in items if isinstance(item, FileNote)]


def write(folder: Path, text: str, name: str = "profile.folded") -> Path:
    """A file of py-spy's."""
    (folder / name).write_text(text)
    return folder


def test_the_command_is_wrapped() -> None:
    """Options become words of `py-spy record`, more words of the user's come last."""
    options = Options(rate=250, native=True, subprocesses=False, args=("--full-filenames",))

    wrapper = COLLECTOR.wrap(options)

    assert list(wrapper.words) == [
        *("{tool}/bin/py-spy", "record", "--threads", "--format", "raw", "--rate", "250"),
        *("--output", "{run}/pyspy/profile.folded", "--subprocesses", "--native"),
        *("--full-filenames", "--"),
    ]
    assert wrapper.hides_exit_code and wrapper.ends_with_app and wrapper.is_impatient


def test_it_is_attached_with_the_same_words() -> None:
    """Options mean the same, and the file is the same, so that the same reader reads it."""
    options = Options(rate=250, args=("--full-filenames",))

    attachment = COLLECTOR.attach(options)

    assert attachment.words == (*COLLECTOR.wrap(options).words[:-1], "--pid", "{pid}")
    assert not attachment.after


def test_stacks_become_samples_and_functions_timers(tmp_path: Path) -> None:
    """A function's inclusive time counts each stack once, its exclusive time where it is last."""
    folder = write(
        tmp_path,
        'process 7:"python a.py";thread (8): MainThread;main (a.py:9);hot (a.py:3) 40\n'
        'process 7:"python a.py";thread (8): MainThread;main (a.py:9);hot (a.py:4);hot (a.py:3) 2\n'
        'process 7:"python a.py";thread (8): MainThread;main (a.py:8) 8\n',
    )

    entries, notes = read(folder, rate=100)

    timers = {one.name: one for one in entries if one.kind is Kind.TIMER}
    assert (timers["hot"].inclusive, timers["hot"].exclusive) == (420_000_000, 420_000_000)
    assert (timers["main"].inclusive, timers["main"].exclusive) == (500_000_000, 80_000_000)
    assert timers["hot"].calls == 42
    samples = [one for one in entries if one.kind is Kind.SAMPLE]
    assert samples[0].path == ("main (a.py:9)", "hot (a.py:3)")
    assert {(one.process, one.thread) for one in entries} == {(7, 8)}
    assert entries[0].attributes == {"threadName": "MainThread"}
    assert [note.fate for note in notes] == [Fate.CONVERTED]


def test_command_lines_never_reach_an_entry(tmp_path: Path) -> None:
    """A process' command line may hold a secret, blanks, quotes and semicolons."""
    line = 'process 7:"sh -c a; b";process 8:"py --token=SECRET; (x)";thread (9): T;f (a.py:1) 5\n'

    entries, _ = read(write(tmp_path, line))

    assert "SECRET" not in repr(entries)
    assert {(one.process, one.thread) for one in entries} == {(8, 9)}
    assert {one.name for one in entries} == {"f"}


def test_additive_exclusive_times_add_up_to_what_was_sampled() -> None:
    """Over the real sample: each thread's exclusive times are its samples at 100 per second."""
    entries, _ = read(SAMPLES / "subprocess", rate=100)

    by_thread: Counter[int | None] = Counter()
    for one in entries:
        by_thread[one.thread] += (one.exclusive or 0) if one.additive else 0
    sampled: Counter[int | None] = Counter()
    for one in entries:
        sampled[one.thread] += int(one.calls or 0) * 10**7 if one.kind is Kind.SAMPLE else 0

    assert by_thread == sampled
    assert sum(by_thread.values()) > 0


@pytest.mark.parametrize("suffix", [".folded", ".speedscope.json"])
def test_both_formats_tell_the_same_of_the_threads(suffix: str, tmp_path: Path) -> None:
    """Raw and speedscope files of one program name its threads and its hot function."""
    name = f"profile{suffix}"
    (tmp_path / name).write_bytes((SAMPLES / "threads" / name).read_bytes())

    entries, _ = read(tmp_path)

    hot = [one for one in entries if one.name == "hot" and one.kind is Kind.TIMER]
    names = {(one.attributes or {}).get("threadName") for one in hot}
    assert {"worker-0", "worker-1", "worker-2"} & names
    assert all((one.exclusive or 0) > 0 for one in hot)


def test_a_thread_is_one_thread_before_and_after_it_has_a_name(tmp_path: Path) -> None:
    """A function has one timer per thread; the name that came later is the thread's."""
    lines = "thread (8);hot (a.py:1) 3\nthread (8): worker;hot (a.py:1) 4\n"

    entries, _ = read(write(tmp_path, lines))

    (timer,) = (one for one in entries if one.kind is Kind.TIMER)
    assert (timer.calls, timer.attributes) == (7, {"threadName": "worker"})


def test_no_command_line_is_in_the_entries_of_a_real_file() -> None:
    """Neither format's."""
    entries, _ = read(SAMPLES / "threads")

    assert "--rounds" not in repr(entries)
    assert not any("thread (" in frame for one in entries for frame in one.path or ())


def test_malformed_lines_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    """A line without a count, and one that is cut off, are told with their numbers."""
    entries, notes = read(write(tmp_path, "main (a.py:1) 3\nnonsense\nmain (a.py:2) 4"))

    assert sum(one.calls or 0 for one in entries if one.kind is Kind.SAMPLE) == 3
    assert [(note.line, note.fate) for note in notes] == [
        (2, None), (3, None), (0, Fate.CONVERTED),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", '{"profiles": [{"type": "evented"}]}', "\x00",
        '{"shared": {"frames": []}, "profiles": [{"type": "sampled", "name": "x", '
        '"unit": "seconds", "samples": [[3]], "weights": [1]}]}',
    ],
)  # fmt: skip
def test_what_is_no_speedscope_file_is_refused(text: str, tmp_path: Path) -> None:
    """It is named with what is wrong, and is no entry."""
    entries, notes = read(write(tmp_path, text, "profile.speedscope.json"))

    assert entries == []
    assert [note.fate for note in notes][-1] in {Fate.REFUSED, Fate.CONVERTED}


@pytest.mark.parametrize(
    ("scope", "capabilities", "possible"),
    [(None, (), True), (1, (), True), (2, (), False), (2, ("SYS_PTRACE",), True),
     (3, ("SYS_PTRACE",), False)],
)  # fmt: skip
def test_preflight_knows_yama(
    scope: int | None, capabilities: tuple[str, ...], possible: bool
) -> None:
    """Reading a child's memory is possible up to scope 1, with SYS_PTRACE up to 2."""
    facts = Facts(ptrace_scope=scope, capabilities=frozenset(capabilities))

    found = COLLECTOR.preflight(facts, Options())

    assert (found == []) is possible
    assert all(one.reason is Reason.COUNTERS_NOT_PERMITTED for one in found)


@pytest.mark.parametrize(
    ("scope", "capabilities", "possible"),
    [(None, (), True), (0, (), True), (1, (), False), (1, ("SYS_PTRACE",), True), (2, (), False)],
)
def test_preflight_knows_yama_where_it_is_attached(
    scope: int | None, capabilities: tuple[str, ...], possible: bool
) -> None:
    """From scope 1 on, only a parent may read a process' memory without SYS_PTRACE."""
    facts = Facts(ptrace_scope=scope, capabilities=frozenset(capabilities), attaches=True)

    found = COLLECTOR.preflight(facts, Options())

    assert (found == []) is possible
    assert all(one.reason is Reason.COUNTERS_NOT_PERMITTED for one in found)
    assert all("administrator can set it to 0" in one.message for one in found)


def test_what_it_said_when_attached_is_for_the_verdict(tmp_path: Path) -> None:
    """It is in a file beside the profile, which is no measurement."""
    folder = write(tmp_path, "Error: No python\n processes found\n", ATTACH_LOG)

    entries, notes = read(folder)

    assert entries == []
    assert [(one.fate, one.message) for one in notes] == [
        (Fate.RAW, "Error: No python processes found")
    ]
    verdict = COLLECTOR.usable(Evidence(entries=0, kinds={}, notes=notes))
    assert verdict.message.startswith("the tool left no file: Error: No python processes found; ")
    assert verdict.reason is Reason.NOTHING_MEASURED


def test_no_samples_come_with_a_hint() -> None:
    """NothingMeasured says what may be wrong."""
    verdict = COLLECTOR.usable(Evidence(entries=0, kinds={}, notes=[]))

    assert (verdict.usable, verdict.reason) == (False, Reason.NOTHING_MEASURED)
    assert "Python" in verdict.message


@pytest.mark.parametrize(("said", "reason", "hint"), [
    ("Error: Permission Denied: Try running again with elevated permissions",
     Reason.COUNTERS_NOT_PERMITTED, "administrator"),
    ("Error: Failed to open process 7: Operation not permitted (os error 1)",
     Reason.COUNTERS_NOT_PERMITTED, "CAP_SYS_PTRACE"),
    ("Error: Failed to find python version from target process",
     Reason.COLLECTOR_FAILED, "CPython"),
    ("Error: Unsupported version of Python: 2.4.1", Reason.COLLECTOR_FAILED, "CPython"),
    ("Error: No python processes found in process 7 or any of its subprocesses",
     Reason.NOTHING_MEASURED, "Python program"),
    ("Traceback (most recent call last):", Reason.NOTHING_MEASURED, "Python program"),
])  # fmt: skip
@pytest.mark.parametrize("attached", [False, True])
def test_py_spys_own_complaints_become_reasons(
    said: str, reason: Reason, hint: str, attached: bool
) -> None:
    """In the application's log, or where it was attached in its own file, and what to do."""
    note = FileNote(f"run-0/pyspy/{ATTACH_LOG}", Fate.RAW, said)

    found = COLLECTOR.usable(
        Evidence(0, {}, [note] if attached else [], log_tail="" if attached else f"x\n{said}\ny")
    )

    assert (found.usable, found.reason) == (False, reason)
    assert hint in found.message
    if reason is not Reason.NOTHING_MEASURED:
        assert said in found.message
