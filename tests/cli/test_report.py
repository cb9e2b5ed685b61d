"""What people see of a finished job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from making import job
from profiling_operator.cli.printing import print_result
from profiling_operator.status import Status


def test_names_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets in a function's name are no markup."""
    top = [{"name": "[unknown] (libfoo.so)", "nanoseconds": 3_000_000, "share": 0.25}]
    (tmp_path / "summary.json").write_text(json.dumps({"top": top}))

    print_result(job(), Status(), "text", tmp_path)

    (row,) = [line for line in capsys.readouterr().out.splitlines() if "libfoo" in line]
    assert row.split() == ["25.0", "%", "3", "ms", "[unknown]", "(libfoo.so)"]
