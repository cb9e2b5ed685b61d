"""The tables that nvprof prints for people, without `--csv`: their lines as the cells of its CSV.

                Type  Time(%)      Time     Calls       Avg       Min       Max  Name
     GPU activities:   39.29%  20.990ms        29  723.78us     900ns  6.1017ms  [CUDA memcpy HtoD]
                       21.23%  11.340ms        19  596.84us     900ns  6.1017ms  [CUDA memcpy DtoH]

       Start  Duration            Grid Size      Block Size     Regs*  …   Device  Stream  Name
    17.806us  38.240us              (4 3 1)       (128 1 1)        30  …  Tesla …       7  add(int)

    Invocations                                Event Name         Min         Max         Avg  …
    Device "Tesla V100-SXM2-16GB (0)"
        Kernel: add(int)
              1                            warps_launched          40          40          40  …

Two blanks or more are between cells, and one at most inside, but for names. Units are glued to the
cells, or stand in a line below the head with `--normalized-time-unit`. Checked against nvprof 11.8
on databases made for it, and against logs of CUDA 8 to 11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from profiling_operator.formats.nvprof_units import UNITS

BETWEEN = re.compile(r" {2,}")
WORDS = re.compile(r"\S+(?: \S+)*")
LONGEST_HEAD = 1 << 14
NOTHING = "-"
# (16 2 1)
TRIPLE = re.compile(r"\((\d{1,10}) (\d{1,10}) (\d{1,10})\)")
# Device "Tesla V100-SXM2-16GB (0)"
DEVICE = re.compile(r'Device "(.*)"')
KERNEL = "Kernel: "

BEGINNINGS = (
    ("Type", "Time(%)", "Time", "Calls"),
    ("Time(%)", "Time", "Calls"),
    ("Time(%)", "Time", "Name"),
    ("Start", "Duration"),
    ("Device", "Context", "Stream", "Kernel"),
    ("Invocations", "Event Name"),
    ("Invocations", "Metric Name"),
    ("Count", "Avg Size"),
)
IN_CSV = {
    "Grid Size": ("Grid X", "Grid Y", "Grid Z"),
    "Block Size": ("Block X", "Block Y", "Block Z"),
    "Regs*": ("Registers Per Thread",),
    "SSMem*": ("Static SMem",),
    "DSMem*": ("Dynamic SMem",),
}
"""What a column is called in CSV, where that is something else."""
FREE = ("Event Name", "Name", "Kernel", "Metric Description")
"""The column that may hold two blanks in a row; a table has one of them."""


@dataclass(frozen=True)
class Layout:
    """A table for people: what is below its head, in words of CSV."""

    titles: tuple[str, ...]
    """As they are printed."""
    ends: tuple[int, ...]
    """Where each title ends in its line: numbers and units end there, too."""
    free: int
    """Which of the columns may hold anything."""
    columns: tuple[str, ...]
    """As CSV calls them."""
    device: str = ""
    kernel: str = ""
    type: str = ""
    """What stands once above several lines."""

    def cells(self, text: str) -> list[str] | None:
        """The cells of a line by `columns`; None where it is no line of this table."""
        parts = BETWEEN.split(text.strip())
        missing = len(self.titles) - len(parts)
        if self.titles[0] == "Type" and 0 < missing <= 2:  # noqa: PLR2004 - type, name
            parts = [self.type, *parts, *[""] * (missing - 1)]
        elif missing < 0:
            after = len(self.titles) - self.free - 1
            until = len(parts) - after
            parts[self.free : until] = ["  ".join(parts[self.free : until])]
        elif missing:
            return None
        cells = [*self._above()]
        for part, title in zip(parts, self.titles, strict=True):
            cells += _csv(part, title)
        return cells

    def _above(self) -> tuple[str, ...]:
        if self.titles[0] == "Invocations":
            return self.device, self.kernel
        return (self.device,) if self.titles[0] == "Count" else ()

    def units(self, text: str) -> Mapping[str, str] | None:
        """Units by column; None for a line that is none of units."""
        found = {one.end(): one[0] for one in WORDS.finditer(text[:LONGEST_HEAD])}
        titles = dict(zip(self.ends, self.titles, strict=True))
        if not found or not found.keys() <= titles.keys():
            return None
        if any(unit not in UNITS for unit in found.values()):
            return None
        return {name: unit for end, unit in found.items() for name in _names(titles[end])}

    def told(self, text: str) -> Layout | None:
        """The layout after a line that tells of those below it; None for any other line."""
        words = text.strip()
        device = DEVICE.fullmatch(words)
        if device:
            return replace(self, device=device[1])
        if words.startswith(KERNEL) and self.titles[0] == "Invocations":
            return replace(self, kernel=words.removeprefix(KERNEL))
        return None


def layout(text: str, device: str = "") -> Layout | None:
    """What a head says of the lines below it; None for a line that is no head."""
    if len(text) > LONGEST_HEAD:
        return None
    found = [(one[0], one.end()) for one in WORDS.finditer(text)]
    titles = tuple(title for title, _ in found)
    if not any(titles[: len(one)] == one for one in BEGINNINGS) or not set(FREE) & set(titles):
        return None
    free = next(titles.index(one) for one in reversed(FREE) if one in titles)
    columns = _columns(titles)
    return Layout(titles, tuple(end for _, end in found), free, columns, device)


def _columns(titles: Sequence[str]) -> tuple[str, ...]:
    names = tuple(name for title in titles for name in _names(title))
    if titles[0] == "Invocations":
        return ("Device", "Kernel", *names)
    if titles[0] == "Count":
        return ("Device", *names[:-1], "")  # CSV has no name for the names of unified memory
    return names


def _names(title: str) -> tuple[str, ...]:
    return IN_CSV.get(title, (title,))


def _csv(part: str, title: str) -> Sequence[str]:
    """A cell as CSV has it: `-` is nothing, a size is three numbers."""
    names = _names(title)
    if part == NOTHING:
        return [""] * len(names)
    if len(names) == 1:
        return [part]
    sizes = TRIPLE.fullmatch(part)
    return sizes.groups() if sizes else [part, "", ""]
