"""Progress on stderr, where it is no terminal."""

from __future__ import annotations

import io
import threading

from rich.console import Console

from making import job
from profiling_operator.cli.progress import Progress
from profiling_operator.status import Phase, Status


class Told(io.StringIO):
    """A stream that tells when so many lines have come."""

    def __init__(self, lines: int) -> None:
        """Of how many lines to tell."""
        super().__init__()
        self.enough = threading.Event()
        self._lines = lines

    def write(self, text: str) -> int:
        """Count the lines."""
        written = super().write(text)
        if self.getvalue().count("\n") >= self._lines:
            self.enough.set()
        return written


def test_a_line_comes_again_where_nothing_changes() -> None:
    """Agents and proxies cut streams that are silent; at the end it stops."""
    stream = Told(3)
    with Progress(Console(file=stream), job(), silence=0.01) as progress:
        progress(Status(phase=Phase.QUEUED))
        assert stream.enough.wait(60)
        progress(Status(phase=Phase.SUCCEEDED))

    first, *again, last = stream.getvalue().splitlines()
    assert first == "ci/test: Queued"
    assert all(line.startswith("ci/test: Queued (after ") for line in again)
    assert last == "ci/test: Succeeded"


def test_changes_are_told_once() -> None:
    """The same words are not said again before that."""
    stream = Told(9)
    with Progress(Console(file=stream), job()) as progress:
        progress(Status(phase=Phase.QUEUED))
        progress(Status(phase=Phase.QUEUED, headline="so far"))

    assert stream.getvalue() == "ci/test: Queued\n"


def test_quiet_is_silent() -> None:
    """No line, and no thread for lines."""
    threads = threading.active_count()
    with Progress(Console(file=Told(1), quiet=True), job(), silence=0.0):
        assert threading.active_count() == threads
