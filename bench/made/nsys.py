"""Recordings of Nsight Systems', made by the tool itself: it exports no other format from SQLite.

Debian's nsys 2022.4 does not find its own importer and leaves a .qdstrm, which the importer turns
into a .nsys-rep. Of some recordings it never gets to the end, of large ones more often: so there
are several, and each is tried again.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "recorded.c"
IMPORTER = Path("/usr/lib/nsight-systems/host-linux-x64/QdstrmImporter")
BYTES_PER_CALL = 84
THREADS, CALLS = 4, 40_000
SECONDS = 20
TRIES = 12


def record(folder: Path, size: int, seed: int) -> None:
    """Recordings whose SQLite exports have about so many bytes: N.nsys-rep and N.sqlite."""
    nsys, compiler = shutil.which("nsys"), shutil.which("cc")
    if nsys is None or compiler is None or not IMPORTER.exists():
        raise SystemExit("needs Debian's nsight-systems and a C compiler")
    program = folder / "recorded"
    run([compiler, "-O1", "-fno-omit-frame-pointer", "-pthread", "-o", program, SOURCE])
    left, number = size // BYTES_PER_CALL // THREADS, 0
    while left > 0:
        report = folder / f"{number}.nsys-rep"
        _record(nsys, program, report, [THREADS, min(left, CALLS), seed + number])
        run([nsys, "export", "--type", "sqlite", "-o", report.with_suffix(".sqlite"), report])
        left -= CALLS
        number += 1


def _record(nsys: str, program: Path, report: Path, arguments: list[int]) -> None:
    """One recording, in the tool's own format."""
    options = ["--trace=osrt", "--sample=none", "--cpuctxsw=none", "--force-overwrite=true"]
    words = [nsys, "profile", *options, "-o", report.with_suffix(""), program, *arguments]
    for _ in range(TRIES):
        if run(words):
            run([IMPORTER, "-i", report.with_suffix(".qdstrm")])
            return
    raise SystemExit(f"nsys did not end {TRIES} times")


def run(words: list[object]) -> bool:
    """Run a command that must succeed; False where it did not end."""
    process = subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if process.wait(SECONDS):
            raise SystemExit(f"{words[0]}: exit code {process.returncode}")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _kill_agent(process.pid)
        process.wait()
        return False
    return True


def _kill_agent(pid: int) -> None:
    """The agent that nsys started, which has its own session and would keep a processor busy."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if f"--session-name=profile-recorded-{pid}".encode() in words:
            os.kill(int(path.parent.name), signal.SIGKILL)
