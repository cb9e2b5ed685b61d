"""perf's frames and stacks."""

from __future__ import annotations

import pytest

from profiling_operator.formats import perf_frames
from profiling_operator.formats.perf_frames import EMPTY, Frame, Frames, parse_frame

KERNEL = b"\tffffffffad14d115 schedule ([kernel.kallsyms])"
HOT = b"\t            11ad hot+0x44 (/opt/app)"
MAIN = b"\t            12f7 main (/opt/app)"
START = b"\t           891f5 start_thread (/usr/lib/libc.so.6)"


def told(frame: Frame | None) -> tuple[str, str, bool] | None:
    """Name, module, and whether it has a name of its own."""
    return (frame.name, frame.module, frame.is_resolved) if frame else None


@pytest.mark.parametrize(("text", "name", "module"), [
    ("hot (/opt/app)", "hot", "/opt/app"),
    ("hot+0x44 (/opt/app)", "hot", "/opt/app"),
    ("hot", "hot", ""),
    ("hot(int) const+0x4", "hot(int) const", ""),
    ("hot(int) (inlined)", "hot(int)", ""),
    ("void f<int (*)(char)>(g<void (int)>)+0x1f (/a b/x.so)",
     "void f<int (*)(char)>(g<void (int)>)", "/a b/x.so"),
    ("operator()(int) const (/opt/My App (x86)/x)",
     "operator()(int) const", "/opt/My App (x86)/x"),
    ("hot (/opt/app (deleted))", "hot", "/opt/app (deleted)"),
    ("  two   blanks  (/opt/app)\r\n", "two blanks", "/opt/app"),
    ("_Z5gammav (/workdir/forks)", "gamma()", "/workdir/forks"),
    ("_ZN3app3hotEPKcm+0x12 (/opt/app)", "app::hot(char const*, unsigned long)", "/opt/app"),
    ("_RNvCs8K9WJNlS7Dz_5trace17multiply_matrices+0x4 (/trace)",
     "trace::multiply_matrices", "/trace"),
    ("_ZN4core3fmt5write17h05af221e174051e9E (/trace)", "core::fmt::write", "/trace"),
])  # fmt: skip
def test_a_frame_is_a_name_and_a_file(text: str, name: str, module: str) -> None:
    """Without the offset, and as it was written in C++ or Rust."""
    assert told(parse_frame(text)) == (name, module, True)


@pytest.mark.parametrize(("text", "name", "module"), [
    ("[unknown] (/usr/lib/libfoo.so.1)", "[unknown] (libfoo.so.1)", "/usr/lib/libfoo.so.1"),
    ("[unknown] (/usr/lib/libfoo.so (deleted))",
     "[unknown] (libfoo.so (deleted))", "/usr/lib/libfoo.so (deleted)"),
    ("[unknown] ([unknown])", "[unknown]", ""),
    ("[unknown] ([JIT] tid 9)", "[unknown] ([JIT] tid 9)", "[JIT] tid 9"),
    ("[unknown] ([kernel.kallsyms])", "[unknown] ([kernel.kallsyms])", "[kernel.kallsyms]"),
    ("", "[unknown]", ""),
    ("(/opt/app)", "[unknown] (app)", "/opt/app"),
])  # fmt: skip
def test_what_has_no_symbol_is_told_apart_by_its_file(text: str, name: str, module: str) -> None:
    """It counts as unresolved."""
    assert told(parse_frame(text)) == (name, module, False)


@pytest.mark.parametrize(("line", "is_kernel"), [
    (KERNEL, True), (HOT, False),
    (b"\tffffffffc0a00000 ext4_read ([ext4])", True),
    (b"\tffffffffc0a00000 ext4_read (/lib/modules/6.1/kernel/fs/ext4.ko.xz)", True),
    (b"\tffffffffad14d115 [unknown] ([unknown])", True),
    (b"\t 606258d4c544155 [unknown] ([unknown])", False),
    (b"\t    7ffc3a1fe000 clock_gettime ([vdso])", False),
    (b"\tffffffffff600000 time ([vsyscall])", False),
    (b"\t    7f0000001000 [unknown] ([JIT] tid 900)", False),
    (b"\t    7f0000002000 [unknown] (//anon)", False),
])  # fmt: skip
def test_the_kernels_frames_are_told_apart(line: bytes, is_kernel: bool) -> None:
    """By the file that perf names; where it names none, by the half of the addresses."""
    frame = Frames().frame(line)

    assert frame is not None and frame.is_kernel is is_kernel


def test_inlined_functions_are_frames() -> None:
    """They are marked, since they are no function of the program any more."""
    stack = Frames().stack(b"\t            1a90 inner (inlined)\n" + MAIN)

    assert stack is not None and stack.path == ("main", "inner")
    assert stack.kind == ("", True, 0)


@pytest.mark.parametrize("line", [
    b"", b"hot", b"\t", b"\thot (/opt/app)", b"\t12345678901234567 hot", b"\t11adx hot",
])  # fmt: skip
def test_what_has_no_address_is_no_frame(line: bytes) -> None:
    """Alone, and among others."""
    frames = Frames()

    assert frames.frame(line) is None
    assert frames.stack(b"\n".join([HOT, line, MAIN])) is None
    assert frames.stack(b"\n".join([line, MAIN])) is None


def test_equal_stacks_are_one() -> None:
    """Whatever their addresses within a function; those of other callers are others."""
    frames = Frames()

    first = frames.stack(b"\n".join([HOT, MAIN, START]))
    same = frames.stack(b"\n".join([HOT.replace(b"11ad hot+0x44", b"11ae hot+0x45"), MAIN, START]))
    other = frames.stack(b"\n".join([HOT, MAIN]))

    assert first is same is not other
    assert first is not None and first.path == ("start_thread", "main", "hot")
    assert other is not None and other.path == ("main", "hot")


def test_deep_stacks_share_their_roots() -> None:
    """What is read for one is not read for the next one, and the order stays."""
    frames = Frames()
    lines = [b"\t%16x f%d (/opt/app)" % (n, n) for n in range(40)]

    for cut in range(35):
        stack = frames.stack(b"\n".join(lines[cut:]))

        assert stack is not None
        assert stack.path == tuple(f"f{n}" for n in range(39, cut - 1, -1))


def test_the_kernels_share_of_a_stack_is_counted() -> None:
    """From its innermost frame on."""
    stack = Frames().stack(b"\n".join([KERNEL, KERNEL, HOT, MAIN]))

    assert stack is not None and stack.kind == ("[kernel.kallsyms]", False, 2)
    assert Frames().put_together(list(reversed(stack.frames))).kind == stack.kind


def test_frames_one_by_one_become_a_stack() -> None:
    """Innermost first; none is no stack."""
    frames = Frames()
    hot, main = (frames.frame(line) for line in (HOT, MAIN))
    assert hot and main

    assert frames.put_together([hot, main]).path == ("main", "hot")
    assert frames.put_together([hot]) is frames.put_together([hot])
    assert frames.put_together([]) is EMPTY


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and stacks by the million do not stay; what is read is the same."""
    monkeypatch.setattr(perf_frames, "FRAME_BYTES", 1000)
    monkeypatch.setattr(perf_frames, "STACK_BYTES", 1000)
    frames = Frames()

    for _ in range(2):
        for n in range(100):
            stack = frames.stack(b"\t%16x f%d (/opt/app)\n" % (n, n) + MAIN)
            assert stack is not None and stack.path == ("main", f"f{n}")
    kept = [value for value in vars(frames).values() if isinstance(value, dict)]
    assert kept and all(len(one) < 10 for one in kept)
