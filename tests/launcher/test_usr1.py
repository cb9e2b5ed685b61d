"""The preloaded library: USR1 reaches a thread of its own, and programs notice nothing of it.

TAU is made up here: what the library looks for, and a handler that tells which thread ran it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.needs("cc")

Built = Callable[..., Path]
SOURCE = "operator/profiling_operator/launcher/usr1.c"
LIBRARY = ["-shared", "-fPIC"]
USR1 = ["-shared", "-fPIC", "-nostdlib", "-fno-stack-protector"]
MADE_UP_TAU = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
int Tau_init_initializeTAU(void);
int Tau_init_initializeTAU(void) { return 0; }
static void dump(int number) {
    char name[17] = ""; int file = open(getenv("TOLD"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    prctl(PR_GET_NAME, name); name[16] = 0; (void)number;
    for (char *at = name; *at; at++) if (write(file, at, 1) < 0) _exit(9);
    if (write(file, "\\n", 1) < 0) _exit(9);
    close(file);
}
__attribute__((constructor)) static void start(void) {
    if (getenv("TOLD")) signal(SIGUSR1, dump);
}
"""
# A program for each thing that one more thread could disturb; `threads` is how many there are.
PROGRAM = """
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static void *work(void *given) { usleep(300000); puts("worked"); fflush(stdout); return given; }
static int threads(void) {
    struct stat st; stat("/proc/self/task", &st); return (int)st.st_nlink - 2;
}
static int blocked(void) {
    sigset_t now; int count = 0; sigprocmask(SIG_SETMASK, NULL, &now);
    for (int i = 1; i < 65; i++) count += sigismember(&now, i) == 1;
    return count;
}
int main(int argc, char **argv) {
    pthread_t thread; const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "loop")) for (puts("ready"), fflush(stdout);;) usleep(10000);
    if (!strcmp(what, "left")) { pthread_create(&thread, NULL, work, NULL); pthread_exit(NULL); }
    if (!strcmp(what, "setuid")) return setuid(getuid()) != 0 || setgid(getgid()) != 0;
    if (!strcmp(what, "fork")) {
        int status = 1; pid_t child = fork();
        if (child == 0) _exit(threads() == 1 && blocked() == 0 ? 0 : 2);
        waitpid(child, &status, 0); return WEXITSTATUS(status);
    }
    printf("threads %d blocked %d\\n", threads(), blocked());
    return 0;
}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Builds one file of C."""
    folder = tmp_path_factory.mktemp("usr1")

    def build(name: str, text: str | Path, *options: str) -> Path:
        given = folder / f"{name}.c"
        given.write_text(text if isinstance(text, str) else text.read_text())
        subprocess.run(
            ["cc", "-pthread", *options, str(given), "-o", str(folder / name)], check=True
        )
        return folder / name

    return build


@pytest.fixture(scope="module")
def program(built: Built) -> Path:
    """The program."""
    return built("program", PROGRAM)


@pytest.fixture(scope="module")
def made_up_tau(built: Built) -> Path:
    """Something that looks like TAU's library."""
    return built("libTAU.so", MADE_UP_TAU, *LIBRARY)


@pytest.fixture(scope="module")
def usr1(built: Built) -> Path:
    """The library, built without the project's tool."""
    return built("usr1.so", Path(__file__).parents[2] / SOURCE, *USR1)


def run(program: Path, what: str, *preloaded: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The program with libraries in it, as the launcher starts them."""
    words = [str(program), what]
    given = {**os.environ, "LD_PRELOAD": ":".join(map(str, preloaded)), **env}
    return subprocess.run(words, capture_output=True, text=True, timeout=60, env=given)


def test_usr1_reaches_the_thread_that_waits_for_it(
    start: Any, until: Any, program: Path, made_up_tau: Path, usr1: Path, tmp_path: Path
) -> None:
    """The handler runs there alone, twice for two runs; the program goes on until it is ended."""
    told = tmp_path / "told"
    options = [
        *("--env", f"LD_PRELOAD={made_up_tau}:{usr1}", "--env", f"TOLD={told}"),
        *("--stop", "USR1:mapped=libTAU:files:1"),
    ]
    attempt = start(*options, command=[program, "loop"])
    until(lambda: b"ready" in attempt.wait_for("run-0/app.log").read_bytes())
    attempt.process.terminate()
    done = attempt.finish()

    assert told.read_text() == "profiling-usr1\n"
    assert done.run()["signal"] == 15


def test_without_the_library_the_program_itself_is_interrupted(
    start: Any, until: Any, program: Path, made_up_tau: Path, tmp_path: Path
) -> None:
    """As before: an older image, or a program without it."""
    told = tmp_path / "told"
    options = ["--env", f"LD_PRELOAD={made_up_tau}", "--env", f"TOLD={told}"]
    attempt = start(*options, "--stop", "USR1:mapped=libTAU:files:1", command=[program, "loop"])
    until(lambda: b"ready" in attempt.wait_for("run-0/app.log").read_bytes())
    attempt.process.terminate()
    attempt.finish()

    assert told.read_text() == "program\n"


def test_a_program_has_one_thread_more(program: Path, made_up_tau: Path, usr1: Path) -> None:
    """And its main thread blocks no signal, which what it starts would inherit."""
    assert run(program, "", made_up_tau, usr1).stdout == "threads 2 blocked 0\n"


def test_without_tau_there_is_no_thread(program: Path, usr1: Path) -> None:
    """A shell that starts the program, say."""
    done = run(program, "", usr1)

    assert (done.stdout, done.stderr) == ("threads 1 blocked 0\n", "")


@pytest.mark.parametrize("what", ["setuid", "fork"])
def test_what_all_threads_take_part_in(
    program: Path, made_up_tau: Path, usr1: Path, what: str
) -> None:
    """The C library's own signals reach the thread; a fork does not take it along."""
    assert run(program, what, made_up_tau, usr1).returncode == 0


def test_a_main_thread_that_leaves(program: Path, made_up_tau: Path, usr1: Path) -> None:
    """The process ends with its last thread, as it would without ours."""
    done = run(program, "left", made_up_tau, usr1)

    assert (done.returncode, done.stdout) == (0, "worked\n")
