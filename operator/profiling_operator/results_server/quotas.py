"""How much an attempt may store."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from profiling_operator.results_server.answers import Refusal
from profiling_operator.results_server.folders import Folders, short
from profiling_operator.stores import Key

TOO_LARGE, NO_ROOM = 413, 507
REMEMBERED = 256
SPARE_BYTES = 16 << 20
"""Room that is left on the disk, for the server's own files and for removing others."""


@dataclass(frozen=True)
class Limits:
    """The most that is taken: of an attempt, but for the last."""

    file_bytes: int = 16 << 30
    attempt_bytes: int = 64 << 30
    files: int = 20_000
    baselines: int = 1000
    """Of a namespace."""


class Quotas:
    """Sizes by attempt: read from the disk once, then counted along with the uploads."""

    def __init__(self, folders: Folders, limits: Limits) -> None:
        """Nothing is read yet."""
        self._folders = folders
        self.limits = limits
        self._sizes: OrderedDict[Key, dict[str, int]] = OrderedDict()

    async def claim(self, key: Key, path: str, total: int) -> None:
        """Make room for a file. Refuses what is more than the limits or than the disk has."""
        if total > self.limits.file_bytes:
            raise Refusal(TOO_LARGE, f"{path}: {total} bytes; a file has at most "
                                     f"{self.limits.file_bytes}")  # fmt: skip
        if key not in self._sizes:
            found = await asyncio.to_thread(self._folders.sizes, key)
            self._sizes.setdefault(key, found)
        self._sizes.move_to_end(key)
        self._require_within(key, path, total)
        self._sizes[key][short(path)] = total
        while len(self._sizes) > REMEMBERED:
            self._sizes.popitem(last=False)

    def _require_within(self, key: Key, path: str, total: int) -> None:
        others = {name: size for name, size in self._sizes[key].items() if name != short(path)}
        if len(others) >= self.limits.files:
            raise Refusal(TOO_LARGE, f"{path}: an attempt has at most {self.limits.files} files")
        if sum(others.values()) + total > self.limits.attempt_bytes:
            raise Refusal(
                TOO_LARGE,
                f"{path}: with its {total} bytes the attempt has more than "
                f"{self.limits.attempt_bytes}",
            )

    def release(self, key: Key, path: str) -> None:
        """The file did not come to be."""
        self._sizes.get(key, {}).pop(short(path), None)

    def forget(self, key: Key) -> None:
        """The attempt is gone."""
        self._sizes.pop(key, None)


def require_room(root: Path, count: int) -> None:
    """Refuse bytes that the disk has no room for. Raises OSError."""
    disk = os.statvfs(root)
    free = disk.f_bavail * disk.f_frsize
    if count + SPARE_BYTES > free:
        raise Refusal(NO_ROOM, f"the disk has room for {max(0, free - SPARE_BYTES)} bytes more, "
                               f"not for {count}", {"Retry-After": "30"})  # fmt: skip
