"""Leaves out what the machine cannot run, and names it."""

from __future__ import annotations

import signal
import sys
from collections import defaultdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import capabilities

LEFT_OUT: dict[str, list[str]] = defaultdict(list)


def pytest_configure(config: pytest.Config) -> None:
    """A required capability that is missing ends the run before it starts.

    What a shell starts in the background ignores interruptions, and so would all that tests start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    lacking = {name: capabilities.missing(name) for name in capabilities.required()}
    told = [f"{name}: {how}" for name, how in sorted(lacking.items()) if how]
    if told:
        raise pytest.UsageError("PROFJOB_REQUIRE asks for what is missing:\n" + "\n".join(told))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests whose needs are not met."""
    for item in items:
        for mark in item.iter_markers("needs"):
            for name in mark.args:
                how = capabilities.missing(name)
                if how:
                    LEFT_OUT[f"{name} ({how})"].append(item.nodeid)
                    item.add_marker(pytest.mark.skip(reason=f"needs {name}: {how}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was left out, and why."""
    if not LEFT_OUT:
        return
    terminalreporter.section("left out on this machine")
    for why, tests in sorted(LEFT_OUT.items()):
        terminalreporter.line(f"needs {why}:")
        for nodeid in sorted(set(tests)):
            terminalreporter.line(f"  {nodeid}")
