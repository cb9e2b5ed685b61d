"""The registry of collectors and executors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from profiling_operator import registry


def test_names_are_the_modules_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorted; packages count, `_parts` and other files do not."""
    folder = tmp_path / "collectors"
    (folder / "zeta").mkdir(parents=True)
    (folder / "zeta" / "__init__.py").touch()
    for name in ("__init__.py", "alpha.py", "_part.py", "notes.txt"):
        (folder / name).touch()
    monkeypatch.setattr(registry, "ROOT", tmp_path)

    assert registry.names("collectors") == ["alpha", "zeta"]


def test_listing_imports_nothing() -> None:
    """The uploader must never import the Docker client by listing executors."""
    code = (
        "import sys; from profiling_operator import registry; "
        "registry.names('executors'); registry.names('collectors'); "
        "print([m for m in sys.modules if m.startswith(('profiling_operator.exec',"
        " 'profiling_operator.coll'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(registry.ROOT.parent)},
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("folder", ["collectors", "executors"])
def test_each_module_offers_what_it_is_named_after(folder: str) -> None:
    """`COLLECTOR` or `EXECUTOR`, whose name is the module's."""
    for name in registry.names(folder):
        assert registry.load(folder, name).name == name


@pytest.mark.parametrize("name", ["nothing", "", "__init__", "../errors", "os"])
def test_an_unknown_name_is_told_with_those_that_exist(name: str) -> None:
    """Nothing but a module of the folder is ever imported."""
    with pytest.raises(KeyError, match=r"no collector named .* there are"):
        registry.load("collectors", name)
