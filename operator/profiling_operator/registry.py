"""Which collectors and executors exist: what lies in the folder, listed without importing it."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent


def names(folder: str) -> list[str]:
    """Names of the modules in a folder of this package, sorted; nothing is imported.

    A module whose name begins with `_` is a part of others and offers nothing itself.
    """
    return list(_listed(ROOT / folder))


@functools.cache  # an operator asks for every job, and an installation does not change
def _listed(folder: Path) -> tuple[str, ...]:
    modules = pkgutil.iter_modules([str(folder)])
    return tuple(sorted(one.name for one in modules if not one.name.startswith("_")))


def load(folder: str, name: str) -> Any:
    """The object that a module of the folder offers: `COLLECTOR` or `EXECUTOR`.

    Raises KeyError with the names that exist when there is no such module.
    """
    if name not in names(folder):
        raise KeyError(f"no {folder.removesuffix('s')} named {name!r}; there are {names(folder)}")
    module = importlib.import_module(f"profiling_operator.{folder}.{name}")
    return getattr(module, folder.removesuffix("s").upper())
