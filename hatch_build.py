"""The wheel's build hook: compiles the launcher and its library. See tools/build_launcher.py."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SPEC = importlib.util.spec_from_file_location(
    "build_launcher", Path(__file__).parent / "tools" / "build_launcher.py"
)
assert SPEC is not None and SPEC.loader is not None  # noqa: S101 - the file is beside this one
build_launcher = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build_launcher)


class LauncherHook(BuildHookInterface):  # type: ignore[type-arg]
    """A wheel serves both architectures, unless PROFJOB_LAUNCHER_ARCHES names fewer."""

    def _architectures(self) -> tuple[str, ...]:
        given = os.environ.get("PROFJOB_LAUNCHER_ARCHES", "")
        return tuple(given.split(",")) if given else build_launcher.ARCHITECTURES

    def dependencies(self) -> list[str]:
        """Zig's compiler, where the machine's own cannot build everything."""
        wanted = build_launcher.needs_zig(self._architectures())
        return ["ziglang>=0.13,<0.18"] if wanted else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are gathered."""
        for architecture in self._architectures():
            build_launcher.build(architecture)
