"""How collectors' files get into images that know nothing of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from making import bare_plan, job
from profiling_operator import archives, delivery, launcher
from profiling_operator.archives import Packed
from profiling_operator.collectors import Toolchain
from profiling_operator.delivery import ToolchainImage
from profiling_operator.errors import LauncherError, PreflightError, Reason, ToolchainError
from profiling_operator.launching import ToolPlace
from profiling_operator.plan import Plan, PlannedCollector, build_plan
from profiling_operator.settings import Settings, ToolchainSettings

HERE = os.uname().machine
ELSEWHERE = {"x86_64": "aarch64"}.get(HERE, "x86_64")
ANYWHERE = Toolchain(file="bin/x", program="x", files=("bin/x",), install="Build it.")
DYNAMIC = Toolchain(file="bin/x", program="x", files=("bin/x", "share/*"), is_dynamic=True)
WHOLE = Toolchain(file="bin/x", program="x", is_script=True)


@pytest.fixture(autouse=True)
def launchers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Launchers for both machines, whether they are built here or not."""
    folder = tmp_path / "launchers"
    folder.mkdir()
    for machine in ("x86_64", "aarch64"):
        for name in (f"launch-{machine}", f"launch-{machine}{launcher.LIBRARY}"):
            (folder / name).write_bytes(machine.encode())
            (folder / name).chmod(0o755)
    monkeypatch.setattr(launcher, "FOLDER", folder)
    return folder


def plan_with(**toolchains: Toolchain) -> Plan:
    """A plan with collectors, by name."""
    collectors = tuple(
        PlannedCollector(name=name, options={}, toolchain=one) for name, one in toolchains.items()
    )
    return bare_plan().model_copy(update={"collectors": collectors})


def known(**toolchains: dict[str, Any]) -> Settings:
    """Settings of toolchains, by collector."""
    return Settings(toolchains={name: ToolchainSettings(**one) for name, one in toolchains.items()})


def install(prefix: Path, program: bytes = b"a program") -> Path:
    """A toolchain below a prefix."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "x").write_bytes(program)
    (prefix / "bin" / "x").chmod(0o755)
    return prefix


def says(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `ldd` in PATH that says so."""
    folder.mkdir()
    (folder / "ldd").write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    (folder / "ldd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def names(files: tuple[Packed, ...]) -> list[str]:
    """Where files go."""
    return [one.name for one in files]


def test_the_launcher_is_always_brought(launchers: Path) -> None:
    """The one for the engine's machine, not for ours."""
    for machine in ("x86_64", "aarch64"):
        brought = delivery.of_plan(plan_with(), Settings(), machine)

        assert brought == delivery.Delivery(
            files=(
                Packed(".profiling"),
                Packed(".profiling/launch", source=launchers / f"launch-{machine}"),
            )
        )


def test_a_machine_without_a_launcher_is_told() -> None:
    """With what to do."""
    with pytest.raises(LauncherError, match="riscv64"):
        delivery.of_plan(plan_with(), Settings(), "riscv64")


def test_pyspy_is_one_file(tmp_path: Path) -> None:
    """It is static: below a folder of its own, wherever it is installed here."""
    prefix = tmp_path / "venv"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "py-spy").touch(mode=0o755)

    brought = delivery.of_plan(build_plan(job()), known(pyspy={"path": str(prefix)}), HERE)

    assert names(brought.files) == [
        ".profiling", ".profiling/launch", ".profiling/pyspy/bin/py-spy",
    ]  # fmt: skip
    assert brought.files[-1].source == prefix / "bin" / "py-spy"
    assert brought.places == {"pyspy": ToolPlace("/.profiling/pyspy")}
    assert (brought.folders, brought.images) == ((), ())


def test_a_dynamic_program_works_with_what_is_brought(tmp_path: Path) -> None:
    """Its loader and libraries come with it, so that an image without any libc will do."""
    program = Path(shutil.which("ls") or "").resolve()
    prefix = install(tmp_path / "here", program.read_bytes())
    (prefix / "share").mkdir()
    (prefix / "share" / "data").write_text("data")

    brought = delivery.of_plan(plan_with(x=DYNAMIC), known(x={"path": str(prefix)}), HERE)

    assert set(names(brought.files)) >= {
        ".profiling/x/bin/x", ".profiling/x/share/data", ".profiling/x/lib/ld.so",
    }  # fmt: skip
    place = brought.places["x"]
    assert place == ToolPlace(
        "/.profiling/x", ("/.profiling/x/lib/ld.so", "--library-path", "/.profiling/x/lib")
    )
    there = tmp_path / "there"
    there.mkdir()
    with archives.pack(brought.files) as archive:
        archives.unpack(iter(lambda: archive.read(1 << 16), b""), there)
    for one in there.rglob("*"):
        one.chmod(0o755)  # copies have no modes
    words = [*place.loader, f"{place.prefix}/bin/x", "/.profiling"]
    done = subprocess.run(
        [word.replace("/.profiling", str(there)) for word in words],
        capture_output=True, text=True, check=True, env={},
    )  # fmt: skip
    assert done.stdout.split() == ["launch", "x"]


def test_where_a_static_program_s_files_go_there_is_no_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts by itself."""
    says(tmp_path / "bin", "\tstatically linked", monkeypatch)

    settings = known(x={"path": str(install(tmp_path / "x"))})
    brought = delivery.of_plan(plan_with(x=DYNAMIC), settings, HERE)

    assert names(brought.files)[2:] == [".profiling/x/bin/x"]
    assert brought.places == {"x": ToolPlace("/.profiling/x")}


GLIBC = """\
\tlinux-vdso.so.1 (0x00007ffd1b7f2000)
\t/usr/lib/libjemalloc.so.2 (0x00007f0c5e000000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0c5d000000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f0c5f000000)
\tlibz.so.1 => /lib/libz.so.1 (0x00007f0c5c000000)"""
NAMED_BY_PATH = f"{GLIBC}\n\t/opt/x/lib/liblast.so (0x00007f0c5b000000)"
MUSL = """\
\t/lib/ld-musl-x86_64.so.1 (0x7f1e0a000000)
\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f1e0a000000)"""


@pytest.mark.parametrize(
    ("said", "libraries"),
    [
        (
            GLIBC,
            {
                "libc.so.6": "/lib/x86_64-linux-gnu/libc.so.6", "libz.so.1": "/lib/libz.so.1",
                "ld.so": "/lib64/ld-linux-x86-64.so.2",
            },
        ),
        (
            NAMED_BY_PATH,
            {
                "libc.so.6": "/lib/x86_64-linux-gnu/libc.so.6", "libz.so.1": "/lib/libz.so.1",
                "ld.so": "/lib64/ld-linux-x86-64.so.2",
            },
        ),
        (
            MUSL,
            {
                "libc.musl-x86_64.so.1": "/lib/ld-musl-x86_64.so.1",
                "ld.so": "/lib/ld-musl-x86_64.so.1",
            },
        ),
        ("\tnot a dynamic executable", {}),
    ],
    ids=["glibc, preloaded", "named by path", "musl", "static"],
)  # fmt: skip
def test_libraries_are_those_that_ldd_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, libraries: dict[str, str]
) -> None:
    """With the loader, which is no library that was preloaded here, nor one named by its path."""
    says(tmp_path / "bin", said, monkeypatch)

    settings = known(x={"path": str(install(tmp_path / "x"))})
    brought = delivery.of_plan(plan_with(x=DYNAMIC), settings, HERE)

    found = {one.name: str(one.source) for one in brought.files if "/lib/" in one.name}
    assert found == {f".profiling/x/lib/{name}": path for name, path in libraries.items()}


def test_a_library_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, before anything is brought anywhere."""
    says(tmp_path / "bin", "\tlibperl.so.5.36 => not found", monkeypatch)

    with pytest.raises(ToolchainError, match=r"bin/x: a library is missing: libperl\.so\.5\.36"):
        delivery.of_plan(
            plan_with(x=DYNAMIC), known(x={"path": str(install(tmp_path / "x"))}), HERE
        )


def test_files_that_name_their_folder_are_brought_as_a_whole(tmp_path: Path) -> None:
    """To the same path; nothing of them goes below ours."""
    prefix = install(tmp_path / "tau")

    brought = delivery.of_plan(plan_with(tau=WHOLE), known(tau={"path": str(prefix)}), HERE)

    assert names(brought.files) == [".profiling", ".profiling/launch"]
    assert brought.folders == (prefix,)
    assert brought.places == {"tau": ToolPlace(str(prefix))}


PRELOADED = Toolchain(file="bin/x", program="x", preloads=("lib/shared-*/libX.so",))


def test_what_is_preloaded_brings_the_launcher_s_library(launchers: Path) -> None:
    """Beside the launcher; for the engine's machine, wherever the tool comes from."""
    brought = delivery.of_plan(plan_with(tau=PRELOADED), known(tau={"image": "x"}), "aarch64")

    assert names(brought.files) == [".profiling", ".profiling/launch", ".profiling/launch-usr1.so"]
    assert brought.files[2].source == launchers / "launch-aarch64-usr1.so"


def test_what_preloaded_libraries_need_comes_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside them: not the C library, which is the application's, nor what is the tool's own."""
    prefix = install(tmp_path / "x")
    (prefix / "lib" / "shared-mpi").mkdir(parents=True)
    (prefix / "lib" / "shared-mpi" / "libX.so").write_bytes(b"GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.9\0")
    (tmp_path / "libunwind.so.8").write_bytes(b"GLIBC_2.35\0")
    said = (
        f"\tlibunwind.so.8 => {tmp_path}/libunwind.so.8 (0x00007f0c5e000000)\n"
        f"\tlibown.so => {prefix}/lib/libown.so (0x00007f0c5e000000)\n{GLIBC}"
    )
    says(tmp_path / "bin", said.replace("libz.so.1 =>", "libm.so.6 =>"), monkeypatch)

    brought = delivery.of_plan(plan_with(x=PRELOADED), known(x={"path": str(prefix)}), HERE)

    assert brought.companions == (
        Packed(f"{prefix}/lib/shared-mpi/libunwind.so.8"[1:], source=tmp_path / "libunwind.so.8"),
    )
    assert brought.glibc == (2, 35)


def test_without_preloaded_libraries_any_c_library_will_do(tmp_path: Path) -> None:
    """As for tools that bring their own."""
    settings = known(x={"path": str(install(tmp_path / "x"))})

    brought = delivery.of_plan(plan_with(x=PRELOADED), settings, HERE)

    assert (brought.companions, brought.glibc) == ((), (0, 0))


@pytest.mark.parametrize(
    ("library", "version"),
    [
        (b"\0GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\n", (2, 36)),
        (b"GNU C Library (GNU libc) stable release version 2.9, by Roland McGrath", (2, 9)),
        (b"musl libc (x86_64)\nVersion 1.2.3", (0, 0)),
        (b"", (0, 0)),
    ],
)
def test_a_c_library_says_which_one_it_is(library: bytes, version: tuple[int, int]) -> None:
    """Among its bytes; versions are numbers, so 2.9 is before 2.36."""
    assert delivery.provided_glibc(library) == version


@pytest.mark.parametrize(
    ("given", "prefix"),
    [({}, "/opt/tau"), ({"path": "/usr/local/tau"}, "/usr/local/tau")],
    ids=["default", "given"],
)
@pytest.mark.parametrize("toolchain", [ANYWHERE, DYNAMIC, WHOLE])
def test_an_image_of_a_toolchain_needs_no_files_here(
    given: dict[str, str], prefix: str, toolchain: Toolchain
) -> None:
    """Nor this machine's architecture."""
    settings = known(tau={"image": "registry.example/tau:2", **given})

    brought = delivery.of_plan(plan_with(tau=toolchain), settings, ELSEWHERE)

    assert names(brought.files) == [".profiling", ".profiling/launch"]
    assert brought.images == (ToolchainImage("tau", "registry.example/tau:2", prefix, toolchain),)
    assert brought.places == {"tau": ToolPlace(prefix)}


def test_what_the_application_s_image_has_is_not_brought() -> None:
    """Not even where an image is named as well."""
    settings = known(tau={"in_app": True, "image": "x", "path": "/tau"}, x={"in_app": True})

    brought = delivery.of_plan(plan_with(tau=WHOLE, x=ANYWHERE), settings, ELSEWHERE)

    assert names(brought.files) == [".profiling", ".profiling/launch"]
    assert (brought.folders, brought.images) == ((), ())
    assert brought.places == {"tau": ToolPlace("/tau"), "x": ToolPlace("/opt/x")}


@pytest.mark.parametrize("toolchain", [ANYWHERE, DYNAMIC, WHOLE])
def test_files_of_another_architecture_are_not_brought(
    tmp_path: Path, toolchain: Toolchain
) -> None:
    """They would not start; the message says what would."""
    settings = known(x={"path": str(install(tmp_path / "x"))})

    with pytest.raises(PreflightError) as caught:
        delivery.of_plan(plan_with(x=toolchain), settings, ELSEWHERE)

    assert caught.value.reason is Reason.TOOLCHAIN_INCOMPATIBLE
    assert str(caught.value) == (
        f"x: its files here are for {HERE}, the engine's machine is {ELSEWHERE}; "
        "name an image that holds them: toolchains.x.image"
    )


def test_files_that_are_not_here_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how to get them."""
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ToolchainError, match="Build it"):
        delivery.of_plan(plan_with(x=ANYWHERE), Settings(), HERE)


def test_several_collectors_are_brought_side_by_side(tmp_path: Path) -> None:
    """Each in its own way, in the order of the job."""
    settings = known(
        a={"path": str(install(tmp_path / "a"))},
        b={"path": str(install(tmp_path / "b"))},
        c={"image": "c"},
    )

    brought = delivery.of_plan(plan_with(a=ANYWHERE, b=WHOLE, c=WHOLE), settings, HERE)

    assert names(brought.files)[2:] == [".profiling/a/bin/x"]
    assert brought.folders == (tmp_path / "b",)
    assert [one.name for one in brought.images] == ["c"]
    assert list(brought.places) == ["a", "b", "c"]


# A shell for images without one.


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH but that of ldd, which says what the test writes into `ldd.txt`."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "ldd").write_text(f'#!/bin/sh\nwhile read line; do echo "$line"; done <{folder}/said')
    (folder / "ldd").chmod(0o755)
    (folder / "said").write_text("not a dynamic executable\n")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def add(folder: Path, *programs: str) -> None:
    """Programs in a folder."""
    for name in programs:
        (folder / name).touch(mode=0o755)


def test_a_static_bash_is_brought_with_what_scripts_call(programs: Path) -> None:
    """Busybox under the names of its applets: one file, whatever their number."""
    add(programs, "bash-static", "busybox")

    folder, bash, busybox, *applets = delivery.shell()

    assert folder == Packed(".profiling/shell")
    assert bash == Packed(".profiling/shell/bash", source=programs / "bash-static")
    assert busybox == Packed(".profiling/shell/busybox", source=programs / "busybox")
    assert {one.link for one in applets} == {".profiling/shell/busybox"}
    assert {"sed", "dirname", "cat"} <= {Path(one.name).name for one in applets}
    with archives.pack(delivery.shell()) as archive:
        assert archive.read()


@pytest.mark.parametrize("there", [(), ("bash-static",), ("busybox",), ("bash", "busybox")])
def test_half_a_shell_is_none(programs: Path, there: tuple[str, ...]) -> None:
    """Scripts need both; a dynamic bash would not start there."""
    add(programs, *there)

    assert delivery.shell() == ()


def test_a_busybox_that_needs_libraries_is_none(programs: Path) -> None:
    """The image may have no libc."""
    add(programs, "bash-static", "busybox")
    (programs / "said").write_text("libc.so.6 => /lib/libc.so.6 (0x00007f0c5d000000)\n")

    assert delivery.shell() == ()


def test_places_in_a_pod_are_known_without_looking() -> None:
    """Brought files below the root, whole toolchains at the path of the settings or a usual one."""
    planned = plan_with(a=ANYWHERE, b=DYNAMIC, c=WHOLE, d=WHOLE, e=ANYWHERE, f=DYNAMIC, g=ANYWHERE)
    settings = known(
        a={"path": "/elsewhere"}, d={"path": "/tools/d"}, e={"image": "e:1"},
        f={"image": "f:1", "path": "/f"}, g={"in_app": True, "path": "/usr"},
    )  # fmt: skip

    assert delivery.places(planned, settings) == {
        "a": ToolPlace("/.profiling/a"),
        "b": ToolPlace("/.profiling/b", delivery.own_loader("/.profiling/b")),
        "c": ToolPlace("/opt/c"),
        "d": ToolPlace("/tools/d"),
        "e": ToolPlace("/opt/e"),
        "f": ToolPlace("/f"),
        "g": ToolPlace("/usr"),
    }


@pytest.mark.parametrize("name", ["pyspy", pytest.param("perf", marks=pytest.mark.needs("perf"))])
def test_expected_places_are_those_of_what_is_brought(name: str) -> None:
    """The operator makes the launcher's words, the sidecar brings the files: they must agree."""
    planned = build_plan(job(collectors=[{"name": name}]))

    brought = delivery.of_plan(planned, Settings(), HERE)

    assert delivery.places(planned, Settings()) == brought.places
