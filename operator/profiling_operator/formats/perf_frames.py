"""Frames of perf's stacks: what stands behind an address, and stacks put together of them.

    hot+0x44 (/opt/app)     inner (inlined)     schedule ([kernel.kallsyms])     [unknown] (//anon)

The symbol may hold blanks and parentheses, the file's path too. Equal frames are one object, equal
stacks mostly: a text repeats the same few thousand times and again, and each is read once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import cast

from profiling_operator.formats.demangling import demangled

UNKNOWN = "[unknown]"
INLINED = " (inlined)"
DEEPEST_STACK = 4096
FRAME_BYTES = 1 << 23  # for frames
STACK_BYTES = 1 << 24  # for stacks
LONGEST_TEXT = 1 << 16
"""A stack with more text than this is read each time."""
NEAR = 3
"""So many of the callers differ more often than those that called them."""

#                11ad hot+0x44 (/opt/app)
FRAME = re.compile(rb"[ \t]{1,64}([0-9a-f]{1,16})(?:\s(.*))?", re.DOTALL)
# Nearly all lines of a stack are such, the address in 16 columns.
PADDED = re.compile(rb"(?:\t[ 0-9a-f]{16} [^\n]*(?:\n|\Z))*")
TEXT_AT = len("\t") + 16 + len(" ")
NOTHING_KNOWN = b"[unknown] ([unknown])"
UPPER_HALF = re.compile(rb"ffff[0-9a-f]{12}")  # of all addresses is the kernel's
# hot+0x44
OFFSET = re.compile(r"\+0x[0-9a-f]{1,16}$")
MODULES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")  # the kernel's own
# Other names in brackets are the kernel and what was loaded into it.
USER_PAGES = ("[unknown]", "[vdso", "[vsyscall]", "[heap]", "[stack", "[JIT]", "[anon", "[uprobes]")


class Frame:
    """A line of a stack: the function, and the file that it was loaded from."""

    __slots__ = ("is_inlined", "is_kernel", "is_resolved", "module", "name")

    def __init__(
        self,
        name: str,
        module: str = "",
        *,
        is_resolved: bool = True,
        is_kernel: bool = False,
        is_inlined: bool = False,
    ) -> None:
        """`name`: the symbol; without one, `[unknown]` and the last part of the file's path."""
        self.name = name
        self.module = module
        self.is_resolved = is_resolved
        self.is_kernel = is_kernel
        self.is_inlined = is_inlined


class Callers:
    """All frames of a stack but the innermost one, root first, and the stacks seen upon them."""

    __slots__ = ("frames", "path", "stacks")

    def __init__(self, frames: tuple[Frame, ...], path: tuple[str, ...]) -> None:
        """At most DEEPEST_STACK, the first of which may be OMITTED; and their names."""
        self.frames = frames
        self.path = path
        self.stacks: dict[Frame, Stack] = {}

    @property
    def kernel_frames(self) -> int:
        """How many there are in the kernel, where the innermost frame is."""
        frames = reversed(self.frames)
        return sum(1 for _ in itertools.takewhile(lambda one: one.is_kernel, frames))


Kind = tuple[str, bool, int]
"""What samples tell of a stack: the file of its innermost frame, whether that was inlined, and how
many frames at its end are in the kernel."""


class Stack:
    """Frames, root first."""

    __slots__ = ("callers", "kind", "leaf", "path")

    def __init__(self, callers: Callers, leaf: Frame) -> None:
        """The innermost frame upon all others."""
        self.callers = callers
        self.leaf = leaf
        self.path = (*callers.path, leaf.name)
        kernel_frames = 1 + callers.kernel_frames if leaf.is_kernel else 0
        self.kind: Kind = (leaf.module, leaf.is_inlined, kernel_frames)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """All of them."""
        return (*self.callers.frames, self.leaf)

    @property
    def is_resolved(self) -> bool:
        """Whether any of them has a name."""
        return any(one.is_resolved for one in self.frames)


NO_FRAME = Frame("[no frame]", is_resolved=False)
USER_UNKNOWN = Frame(UNKNOWN, is_resolved=False)
KERNEL_UNKNOWN = Frame(UNKNOWN, is_resolved=False, is_kernel=True)
OMITTED = Frame("[more callers]", is_resolved=False)
EMPTY = Stack(Callers((), ()), NO_FRAME)
"""The stack of a sample that has none."""


class Frames:
    """Knows the frames and stacks that it has seen, up to a limit."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._texts: dict[bytes, Frame] = {}
        self._same: dict[tuple[str, str, bool, bool], Frame] = {}
        self._callers: dict[bytes, Callers] = {}
        self._frame_room, self._stack_room = FRAME_BYTES, STACK_BYTES

    def frame(self, line: bytes) -> Frame | None:
        """The frame of a line; None where it is none."""
        match = FRAME.fullmatch(line)
        if match is None:
            return None
        address, text = match.groups(b"")
        return self._texts.get(text) or self._new_text(address, text)

    def _padded(self, line: bytes) -> Frame:
        """The frame of a line whose address is in its columns."""
        return self._new_text(line[1 : TEXT_AT - 1], line[TEXT_AT:])

    def _new_text(self, address: bytes, text: bytes) -> Frame:
        if text.startswith(NOTHING_KNOWN):
            return KERNEL_UNKNOWN if UPPER_HALF.fullmatch(address) else USER_UNKNOWN
        self._frame_room -= 3 * len(text) + 400
        if self._frame_room < 0:
            self._texts.clear()
            self._same.clear()
            self._frame_room = FRAME_BYTES
        made = parse_frame(text.decode("utf-8", "replace"))
        key = (made.name, made.module, made.is_kernel, made.is_inlined)
        frame = self._texts[text] = self._same.setdefault(key, made)  # offsets differ
        return frame

    def stack(self, text: bytes) -> Stack | None:
        """The stack of lines that all are frames, innermost first; None where one is not.

        Line feeds stand between them. The callers of a sample are those of many others.
        """
        line, _, rest = text.partition(b"\n")
        callers = self._callers.get(rest) or self._new_callers(rest)
        leaf = self.frame(line)
        if callers is None or leaf is None:
            return None
        return callers.stacks.get(leaf) or self._upon(callers, leaf)

    def put_together(self, frames: Sequence[Frame]) -> Stack:
        """The stack of frames that were read one by one, innermost first."""
        if not frames:
            return EMPTY
        if len(frames) > 1:
            callers = tuple(frames[:0:-1])
            return Stack(Callers(callers, tuple([one.name for one in callers])), frames[0])
        return self._upon(self._callers.get(b"") or self._keep(b"", (), ()), frames[0])

    def _upon(self, callers: Callers, leaf: Frame) -> Stack:
        stack = callers.stacks.get(leaf)
        if stack is None:
            self._spend(8 * len(callers.frames) + 300)
            stack = callers.stacks[leaf] = Stack(callers, leaf)
        return stack

    def _new_callers(self, text: bytes) -> Callers | None:
        """Those of a text; None where a line of it is no frame, or there are too many."""
        *near, far = text.split(b"\n", NEAR)
        if len(near) < NEAR:
            return self._read(text, text, EMPTY.callers)
        known = self._callers.get(far) or self._read(far, far, EMPTY.callers)
        return self._read(text, text[: -len(far) - 1], known) if known else None

    def _read(self, text: bytes, unknown: bytes, far: Callers) -> Callers | None:
        """The callers of a text: the frames of its lines that are unknown upon the others."""
        lines = unknown.split(b"\n") if unknown else []
        lines.reverse()
        frames: list[Frame | None]
        if PADDED.fullmatch(unknown):
            known, new = self._texts.get, self._padded
            frames = [known(line[TEXT_AT:]) or new(line) for line in lines]
        else:
            frames = [self.frame(line) for line in lines]
        if None in frames or len(frames) + len(far.frames) >= DEEPEST_STACK:
            return None
        read = (*far.frames, *cast(list[Frame], frames))
        return self._keep(text, read, tuple([one.name for one in read]))

    def _keep(self, text: bytes, frames: tuple[Frame, ...], path: tuple[str, ...]) -> Callers:
        callers = Callers(frames, path)
        self._spend(len(text) + 16 * len(frames) + 400)
        if len(text) <= LONGEST_TEXT:
            self._callers[text] = callers
        return callers

    def _spend(self, size: int) -> None:
        """Make room for something, in bytes: when there is none left, all is forgotten."""
        self._stack_room -= size
        if self._stack_room < 0:
            for one in self._callers.values():
                one.stacks.clear()
            self._callers.clear()
            self._stack_room = STACK_BYTES


def parse_frame(text: str) -> Frame:
    """What stands behind a frame's address: `hot+0x44 (/opt/app)`, `hot (inlined)`, `hot`."""
    words = " ".join(text.split())
    is_inlined = words.endswith(INLINED)
    symbol, module = _split(words.removesuffix(INLINED))
    symbol = OFFSET.sub("", symbol)
    is_page = module.startswith("[") and not module.startswith(USER_PAGES)
    is_kernel = is_page or module.endswith(MODULES)
    if symbol and symbol != UNKNOWN:
        name = " ".join(demangled(symbol).split())
        return Frame(name, module, is_kernel=is_kernel, is_inlined=is_inlined)
    if module in {"", UNKNOWN}:
        return USER_UNKNOWN
    last = f"{UNKNOWN} ({module.rpartition('/')[2]})"
    return Frame(last, module, is_resolved=False, is_kernel=is_kernel)


def _split(words: str) -> tuple[str, str]:
    """The symbol and the file, which is in the last pair of parentheses; both may hold others."""
    depth = 0
    for at in range(len(words) - 1, -1, -1):
        depth += (words[at] == ")") - (words[at] == "(")
        if depth == 0:
            opens = words[at] == "(" and (at == 0 or words[at - 1] == " ")
            return (words[:at].rstrip(), words[at + 1 : -1]) if opens else (words, "")
    return words, ""
