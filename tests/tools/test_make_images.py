"""The script that makes the images of tests and examples."""

from __future__ import annotations

import dataclasses
import importlib.util
import platform
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEB822 = """\
# The machine's own.
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
# commented
URIs: https://mirror.example/security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://other.example
Suites: bookworm
Components: non-free

Enabled: no
Types: deb
URIs: http://disabled.example
Suites: bookworm
Components: main

Types: deb
URIs: mirror+file:/etc/apt/mirrors/debian.list
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://commented.example bookworm main
deb [arch=amd64 signed-by=/a/key.gpg] http://one.example/debian bookworm main contrib
deb-src http://one.example/debian bookworm main
deb http://one.example/debian bookworm-backports main
deb http://vendor.example/ stable main
"""


@pytest.fixture
def tool() -> Iterator[ModuleType]:
    """tools/make_images.py as a module."""
    path = ROOT / "tools" / "make_images.py"
    found = importlib.util.spec_from_file_location("make_images", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # where dataclasses look for their module
    found.loader.exec_module(module)
    yield module
    del sys.modules[found.name]


@pytest.fixture
def folder(tool: ModuleType, tmp_path: Path) -> Path:
    """A folder with a Dockerfile, known as `made` and the base of `above`."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY a /a\n")
    (folder / "a").write_text("a")
    tool.IMAGES["made"] = tool.Built("", folder)
    tool.IMAGES["above"] = tool.Built("", folder, {"BASE_IMAGE": "made"})
    return folder


def change_content(folder: Path) -> None:
    """A file of the context."""
    (folder / "a").write_text("b")


def change_name(folder: Path) -> None:
    """A file's name alone."""
    (folder / "a").rename(folder / "b")


def change_mode(folder: Path) -> None:
    """A file becomes a program."""
    (folder / "a").chmod(0o755)


def change_dockerfile(folder: Path) -> None:
    """The instructions."""
    (folder / "Dockerfile").write_text("FROM scratch\n")


@pytest.mark.parametrize("change", [change_content, change_name, change_mode, change_dockerfile])
def test_a_recipe_changes_with_what_the_image_is_made_of(
    tool: ModuleType, folder: Path, change: object
) -> None:
    """And so does that of an image above it."""
    before = tool.recipe("made"), tool.recipe("above")
    assert before == (tool.recipe("made"), tool.recipe("above"))

    assert callable(change)
    change(folder)

    assert tool.recipe("made") != before[0]
    assert tool.recipe("above") != before[1]


def test_a_recipe_knows_its_build_arguments(tool: ModuleType, folder: Path) -> None:
    """Their values end up in the image."""
    before = tool.recipe("made")
    tool.IMAGES["made"] = dataclasses.replace(tool.IMAGES["made"], arguments={"PACKAGES": "perf"})

    assert tool.recipe("made") != before


def test_what_the_engine_does_not_see_does_not_count(tool: ModuleType, folder: Path) -> None:
    """As .dockerignore says."""
    (folder / ".dockerignore").write_text("*\n!a\n!inner\n**/__pycache__\ninner/bin\n")
    before = tool.recipe("made")
    for name in ("new", "inner/__pycache__/x", "inner/bin/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    assert tool.recipe("made") == before

    (folder / "inner" / "seen").write_text("")

    assert tool.context(folder) == {folder / "a", folder / "inner" / "seen"}
    assert tool.recipe("made") != before


@pytest.mark.parametrize(
    "change",
    [{"packages": ["python3", "perl"]}, {"files": [Path(__file__)]}],
    ids=["packages", "files of the machine"],
)
def test_a_root_file_system_is_known_by_what_is_in_it(
    tool: ModuleType, change: dict[str, object]
) -> None:
    """Another list of packages is another tarball."""
    tool.IMAGES["debian"] = tool.Debian("", ["python3"])
    before = tool.recipe("debian")

    tool.IMAGES["debian"] = dataclasses.replace(tool.IMAGES["debian"], **change)

    assert tool.recipe("debian") != before


def test_the_image_of_profjob_follows_the_launcher_and_not_what_was_built(tool: ModuleType) -> None:
    """The real .dockerignore lets the sources through, and no tests, caches or programs."""
    seen = {path.relative_to(ROOT).as_posix() for path in tool.context(ROOT)}

    assert {"pyproject.toml", "requirements/run.lock", "tools/build_launcher.py"} <= seen
    assert "operator/profiling_operator/launcher/launch.c" in seen
    assert not [name for name in seen if "/bin/" in name or "__pycache__" in name]
    assert not [name for name in seen if name.startswith(("tests/", ".git/", "build/"))]


def test_images_come_after_those_below_them(tool: ModuleType) -> None:
    """The order of making, with and without names."""
    everything = tool.closure([])

    assert everything == list(tool.DEFAULT)
    assert set(tool.IMAGES) - set(everything) == set(tool.CONTROL_PLANE)
    for name in everything:
        below = tool.IMAGES[name].bases.values()
        assert all(everything.index(one) < everything.index(name) for one in below)
    assert tool.closure(["entrypoint"]) == [
        "profiling-operator/python:local",
        "profiling-operator/examples/python-threads",
        "profiling-operator/entrypoint:local",
    ]


@pytest.mark.parametrize(
    "word", ["c-static", "examples/c-static", "profiling-operator/examples/c-static"]
)
def test_a_name_may_lack_the_prefix(tool: ModuleType, word: str) -> None:
    """But not its folder."""
    if word == "c-static":
        with pytest.raises(ValueError, match=r"no image is named c-static; there are .*c-static"):
            tool.closure([word])
    else:
        assert tool.closure([word])[-1] == "profiling-operator/examples/c-static"


def test_every_example_has_the_image_that_its_job_names(tool: ModuleType) -> None:
    """`examples/X` is built as `profiling-operator/examples/X`."""
    for job in (ROOT / "examples").glob("*/job.yaml"):
        name = f"profiling-operator/examples/{job.parent.name}"
        assert tool.IMAGES[name].folder == job.parent
        assert f"image: {name}\n" in job.read_text()


def test_a_list_needs_no_engine(tool: ModuleType) -> None:
    """Each on a line."""
    words = [sys.executable, str(tool.__file__), "--list", "busybox"]
    done = subprocess.run(words, env={"PATH": ""}, capture_output=True, text=True, check=True)

    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["profiling-operator/build:local", "profiling-operator/busybox:local"]


@pytest.mark.parametrize(("program", "package"), [("docker", "docker.io"), ("x", "x")])
def test_a_missing_program_is_named_with_its_package(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, program: str, package: str
) -> None:
    """Nothing else can be told to a new machine."""
    monkeypatch.setattr(tool.shutil, "which", lambda name, path: None)

    with pytest.raises(SystemExit, match=f"{program} is missing: apt-get install {package}$"):
        tool._run(program, "version")


def test_without_mmdebstrap_nothing_is_left_in_the_cache(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And it says what to install."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tool.shutil, "which", lambda name, path: None)

    with pytest.raises(SystemExit, match="mmdebstrap is missing: apt-get install mmdebstrap"):
        tool.IMAGES[tool.PYTHON].make(tool.PYTHON)

    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_a_root_file_system_that_is_kept_is_taken(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is imported with its recipe; mmdebstrap is not asked."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(tool, "_run", lambda *words: ran.append(words))
    recipe = tool.recipe(tool.PYTHON)
    kept = tmp_path / f"profjob/images/{tool.suite()}-{platform.machine()}-{recipe}.tar"
    kept.parent.mkdir(parents=True)
    kept.touch()

    tool.IMAGES[tool.PYTHON].make(tool.PYTHON)

    (words,) = ran
    assert words[:2] == ("docker", "import")
    assert f"LABEL profiling.dev/recipe={recipe}" in words
    assert words[-2:] == (str(kept), tool.PYTHON)


def test_packages_come_from_the_machine_s_own_mirror(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of the release and its updates, in either format; other vendors' and components are not."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    monkeypatch.setattr(tool, "APT", tmp_path)
    monkeypatch.setattr(tool, "suite", lambda: "bookworm")
    key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"

    assert tool.sources() == [
        "deb [arch=amd64 signed-by=/a/key.gpg] http://one.example/debian bookworm main contrib",
        f"deb {key} http://mirror.example/debian bookworm main contrib",
        f"deb {key} http://mirror.example/debian bookworm-updates main contrib",
        "deb https://mirror.example/security bookworm-security main",
    ]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ('ID=debian\nVERSION_CODENAME="trixie"\n', "trixie"),
        ("ID=ubuntu\nVERSION_CODENAME=noble\n", "bookworm"),
        ("ID=debian\n", "bookworm"),
    ],
)
def test_the_release_is_the_machine_s_where_it_is_debian(
    tool: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    release: str,
    expected: str,
) -> None:
    """Its sources would not fit another one."""
    (tmp_path / "os-release").write_text(release)
    monkeypatch.setattr(tool, "OS_RELEASE", tmp_path / "os-release")

    assert tool.suite() == expected


def test_a_build_reaches_the_index_that_this_machine_uses(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the Dockerfile takes of pip's configuration, and proxies, which every build takes."""
    for name in tool.PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    monkeypatch.setenv("PIP_NO_INPUT", "1")

    assert tool.surroundings("FROM a\n") == {"https_proxy": "http://proxy.example"}
    assert tool.surroundings("ARG PIP_INDEX_URL\nARG OTHER\n") == {
        "https_proxy": "http://proxy.example",
        "PIP_INDEX_URL": "https://index.example/simple",
    }
    assert "ARG PIP_INDEX_URL\n" in (ROOT / "Dockerfile").read_text()


@pytest.mark.needs("docker", "images")
def test_every_image_is_there_with_its_recipe(tool: ModuleType) -> None:
    """As the engine says."""
    names = list(tool.DEFAULT)
    shape = '{{index .Config.Labels "profiling.dev/recipe"}}'
    words = ["docker", "image", "inspect", "--format", shape, *names]
    done = subprocess.run(words, capture_output=True, text=True, check=True)

    assert done.stdout.split() == [tool.recipe(name) for name in names]
    assert tool.stale() == []
    assert tool.stale([tool.PYTHON]) == []


@pytest.mark.needs("docker", "images")
def test_an_image_of_another_recipe_is_stale(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that the engine does not have."""
    tool.IMAGES["profiling-operator/none:local"] = tool.Debian("", ["none"])
    monkeypatch.setattr(tool, "recipe", lambda reference: "another")

    assert tool.stale([tool.PYTHON, "profiling-operator/none:local"]) == [
        tool.PYTHON,
        "profiling-operator/none:local",
    ]


def test_an_image_of_programs_holds_them_and_their_libraries(
    tool: ModuleType, tmp_path: Path
) -> None:
    """Where the published image has them, and nothing else but /tmp and a folder of its user's."""
    image = tool.Programs("a shell", ["sh"], "usr/local/bin", "nothing", user_folder="data",
                          capability="\x01\0\0\x02\0\x04" + "\0" * 14)  # fmt: skip
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        image._pack(archive)
    with tarfile.open(tmp_path / "a.tar") as archive:
        files = {one.name: one for one in archive.getmembers()}

    assert {"tmp", "data", "usr/local/bin/sh"} < set(files)
    assert any(name.endswith("/libc.so.6") for name in files)
    assert (files["data"].uid, files["data"].mode) == (tool.NOBODY, 0o755)
    assert files["usr/local/bin/sh"].isfile()
    marked = {
        name for name, one in files.items() if "SCHILY.xattr.security.capability" in one.pax_headers
    }
    assert marked == {"usr/local/bin/sh"}


def test_a_program_that_is_missing_is_named_with_its_package(tool: ModuleType) -> None:
    """As for every program."""
    image = tool.Programs("none", ["no-such-program"], "bin", "apt-get install it")

    with pytest.raises(SystemExit, match="no-such-program is missing: apt-get install it"):
        list(image.inputs())
