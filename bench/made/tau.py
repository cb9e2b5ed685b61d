"""Text profiles of TAU's that a run of many ranks could have left, of any size.

All that is in them depends on the seed. Ranks of one run share most of their timers, as those of
one program do, and each has some of its own; none is a copy of another one. Call paths make a tree
under a root of whole microseconds, and events have no context: other readers cannot take more. The
tree is the same in all ranks, of which each has another part: hatchet makes all paths of each rank,
and its time would grow with the square of the ranks if each had paths of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUPS = ("MPI", "TAU_USER", "TAU_DEFAULT", "IO", "TAU_OPENMP")
WORDS = (
    *("solve", "exchange", "halo", "update", "pack", "reduce", "assemble", "flux", "read", "mesh"),
    *("limit", "advect", "project", "restrict", "smooth", "gather", "scatter", "norm", "filter"),
)
ROOT = ".TAU application"
OWN_NAMES = 3
SHARED = 0.9
"""Of the names and paths that there are, how many a rank has; those below a missing one are
missing, too."""
COLUMNS = "# Name Calls Subrs Excl Incl ProfileCalls # "
STARTED = 1_795_436_464_427_427


@dataclass(frozen=True)
class Shape:
    """What the ranks of a run have in common: so many flat timers and call paths, so deep."""

    timers: int
    paths: int
    depth: int


RANKS = Shape(timers=120, paths=80, depth=4)
DEEP = Shape(timers=200, paths=400, depth=16)


def write(folder: Path, size: int, seed: int, shape: Shape) -> None:
    """Profiles of as many ranks as make `size` bytes."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    names = [_name(chance, index) for index in range(shape.timers)]
    tree = _tree(chance, names, shape)
    rank = 0
    while size > 0:
        text = _profile(chance, names, tree, rank)
        (folder / f"profile.{rank}.0.0").write_text(text, encoding="utf-8")
        size -= len(text)
        rank += 1


def _name(chance: random.Random, index: int) -> str:
    """As real ones are: C++ signatures, source regions, MPI functions."""
    words = "_".join(chance.sample(WORDS, 2))
    line = chance.randrange(1, 4000)
    kind = chance.randrange(3)
    if kind == 0:
        return f"MPI_{words.title()}{index}()  "
    if kind == 1:
        return f"{words}_{index} C [{{/home/me/app/src/{words}.c}} {{{line},1}}-{{{line + 40},1}}]"
    return (
        f"void app::{words}{index}(double*, int, std::vector<int> const&) "
        f"[{{/home/me/app/src/{words}.cpp}} {{{line},0}}]"
    )


def _tree(chance: random.Random, names: list[str], shape: Shape) -> list[tuple[int, str]]:
    """Call paths as the number of the caller's path, -1 for the root, and the name behind it."""
    tree: list[tuple[int, str]] = []
    depths: list[int] = []
    known = set()
    while len(tree) < shape.paths:
        # Among the latest, so that the tree gets deep.
        caller = chance.randrange(max(-1, len(tree) - shape.timers), len(tree)) if tree else -1
        depth = depths[caller] + 1 if caller >= 0 else 2
        path = caller, chance.choice(names)
        if depth <= shape.depth and path not in known:
            known.add(path)
            tree.append(path)
            depths.append(depth)
    return tree


def _profile(
    chance: random.Random, names: list[str], tree: list[tuple[int, str]], rank: int
) -> str:
    own = [_name(chance, 1000 * (rank + 1) + index) for index in range(OWN_NAMES)]
    mine = [name for name in names if chance.random() < SHARED]
    lines = [f'"{ROOT}" 1 7 1000 90000000 0 GROUP="TAU_DEFAULT" \n']
    lines += [_timer(chance, name, chance.choice(GROUPS)) for name in mine + own]
    lines += [_timer(chance, path, "TAU_CALLPATH|TAU_USER") for path in _paths(chance, tree)]
    events = [_event(chance, word) for word in WORDS]
    return "".join([*_head(rank, len(lines)), *lines, *_heading(len(events)), *events])


def _paths(chance: random.Random, tree: list[tuple[int, str]]) -> Iterator[str]:
    """A rank's part of the tree."""
    paths: dict[int, str] = {-1: ROOT}
    for index, (caller, name) in enumerate(tree):
        if caller in paths and chance.random() < (SHARED if caller < 0 else 0.99):
            paths[index] = f"{paths[caller]} => {name}"
            yield paths[index]


def _timer(chance: random.Random, name: str, groups: str) -> str:
    """A line with numbers of varied length; one in fifty has decimals, as GPU times have."""
    exclusive = int(chance.lognormvariate(8, 3))
    inclusive = exclusive + int(chance.lognormvariate(6, 3))
    calls, subroutines = int(chance.lognormvariate(3, 2)) + 1, chance.choice((0, 0, 0, 7, 120))
    fraction = chance.choice((".25", ".5", ".75")) if chance.random() < 0.02 else ""
    numbers = f"{calls} {subroutines} {exclusive}{fraction} {inclusive}{fraction} 0"
    return f'"{name}" {numbers} GROUP="{groups}" \n'


def _event(chance: random.Random, word: str) -> str:
    times = int(chance.lognormvariate(3, 2)) + 1
    low, high = sorted((chance.randrange(1, 1 << 12), chance.randrange(1, 1 << 20)))
    mean = (low + high) / 2.5
    squares = mean * mean * times
    return f'"Message size for {word}" {times} {high} {low} {mean:.16G} {squares:.16G}\n'


def _head(rank: int, timers: int) -> Iterator[str]:
    settings = "".join(
        f"<attribute><name>TAU_SETTING_{index}</name><value>off</value></attribute>"
        for index in range(80)
    )
    yield f"{timers} templated_functions_MULTI_TIME\n{COLUMNS}<metadata>"
    yield "<attribute><name>Metric Name</name><value>TIME</value></attribute>"
    yield f"<attribute><name>Hostname</name><value>node{rank // 32}</value></attribute>"
    yield f"{settings}<attribute><name>Starting Timestamp</name>"
    yield f"<value>{STARTED + 17 * rank}</value></attribute></metadata>\n"


def _heading(events: int) -> Iterator[str]:
    yield f"0 aggregates\n{events} userevents\n# eventname numevents max min mean sumsqr\n"
