"""Which result folders are being read or written: two never write a file, none is removed then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from profiling_operator.results_server.answers import RETRY_SOON, Refusal
from profiling_operator.stores import Key

LOCKED = 423


class Uses:
    """Belongs to the event loop: nothing here waits."""

    def __init__(self) -> None:
        """Nothing is in use."""
        self._keys: Counter[Key] = Counter()
        self._written: set[tuple[Key, str]] = set()

    @contextmanager
    def using(self, key: Key) -> Iterator[None]:
        """The folder stays."""
        self._keys[key] += 1
        try:
            yield
        finally:
            self._keys[key] -= 1
            if not self._keys[key]:
                del self._keys[key]

    @contextmanager
    def writing(self, key: Key, path: str) -> Iterator[None]:
        """Nobody else writes the file. Refuses when somebody does."""
        if (key, path) in self._written:
            raise Refusal(LOCKED, f"{path}: another upload of it is going on", RETRY_SOON)
        self._written.add((key, path))
        try:
            with self.using(key):
                yield
        finally:
            self._written.discard((key, path))

    def is_idle(self, key: Key) -> bool:
        """Whether nobody uses the folder."""
        return key not in self._keys

    def is_idle_below(self, *parts: str) -> bool:
        """Whether nobody uses any folder of a namespace, of its job, or of the job's UID."""
        said = "/".join(parts)
        return not any(f"{key}/".startswith(f"{said}/") for key in self._keys)
