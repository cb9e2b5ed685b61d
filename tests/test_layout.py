"""How the repository is laid out."""

from __future__ import annotations

import operator
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import profiling_operator

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "operator"
PACKAGE = SOURCE / "profiling_operator"
GROUPED = {"cli"}  # folders whose tests are by what users do, not by module
NOT_MIRRORED = {"__init__", "__main__"}


def test_the_operator_folder_is_a_source_root_and_no_package() -> None:
    """A package named `operator` would break Python itself, on some machines only."""
    assert [path.name for path in SOURCE.iterdir() if path.suffix == ".py"] == []
    assert SOURCE not in Path(operator.__file__).parents


def test_import_operator_is_the_standard_library_in_the_root() -> None:
    """Also for `python -m` and `python -c` there, which put the folder on the path."""
    code = "import operator, collections; print(operator.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert str(ROOT / "operator") not in done.stdout


def test_every_module_has_its_tests() -> None:
    """`collectors/tau.py` has `tests/collectors/test_tau.py`."""
    missing = [
        f"tests/{mirror}"
        for module in sorted(PACKAGE.rglob("*.py"))
        if module.stem not in NOT_MIRRORED
        and (relative := module.relative_to(PACKAGE)).parts[0] not in GROUPED
        and not (ROOT / "tests" / (mirror := relative.with_name(f"test_{module.name}"))).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("folder", sorted(GROUPED))
def test_grouped_modules_have_tests(folder: str) -> None:
    """One file at least."""
    assert list((ROOT / "tests" / folder).glob("test_*.py"))


def test_there_is_one_version() -> None:
    """The package's, the chart's."""
    chart = yaml.safe_load((ROOT / "charts/profiling-operator/Chart.yaml").read_text())

    assert chart["appVersion"] == profiling_operator.__version__


def test_generated_files_are_fresh() -> None:
    """Otherwise: python tools/generate.py."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools/generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_license_is_complete() -> None:
    """Apache 2.0, from its head to its appendix."""
    text = (ROOT / "LICENSE").read_text()

    assert re.search(r"Apache License\s+Version 2\.0, January 2004", text)
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX: How to apply the Apache License to your work." in text
