"""`profjob`: stdout is data, stderr is progress; exit codes are in `exits`."""

from __future__ import annotations

from profiling_operator.cli.application import app

__all__ = ["app"]
