"""A profile that refuses what Docker's default refuses, but for what is granted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from profiling_operator import seccomp

# Where Debian and Fedora have the tables of x86: all calls that ever were are in one of them.
TABLES = [
    path
    for folder in ("/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm")
    for path in (Path(folder) / "unistd_32.h", Path(folder) / "unistd_64.h")
    if path.exists()
]
EVERYDAY = (
    "read", "write", "openat", "mmap", "clone", "fork", "vfork", "execve", "futex", "ptrace",
    "process_vm_readv", "sched_setaffinity", "prctl", "socket", "kill", "statx", "rseq", "seccomp",
)  # fmt: skip


def refused(granted: tuple[str, ...] = ()) -> set[str]:
    """The calls that are refused whatever their arguments."""
    rules = seccomp.profile(granted)["syscalls"]
    return {name for rule in rules if "args" not in rule for name in rule["names"]}


def test_the_profile_has_the_engine_s_form() -> None:
    """As https://docs.docker.com/engine/security/seccomp/ has it: rules of names and arguments."""
    profile = seccomp.profile()
    first, clone3, *clones = profile.pop("syscalls")
    names = first.pop("names")

    assert profile == {
        "defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [
            {
                "architecture": "SCMP_ARCH_X86_64",
                "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            },
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
        ],
    }
    assert "mount" in names
    assert first == {"action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    assert clone3 == {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    assert clones[0] == {
        "names": ["clone"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": 1,
        "args": [
            {"index": 0, "value": 131072, "valueTwo": 131072, "op": "SCMP_CMP_MASKED_EQ"}
        ],
    }  # fmt: skip


def test_each_kind_of_namespace_is_refused_by_itself() -> None:
    """Any one of the flags is enough: Docker's own mask of them all is 0x7E020000."""
    clones: list[dict[str, Any]] = [
        rule for rule in seccomp.profile()["syscalls"] if rule["names"] == ["clone"]
    ]
    bits = [argument["value"] for rule in clones for argument in rule["args"]]

    assert all(bit.bit_count() == 1 for bit in bits)
    assert sum(bits) == 0x7E020000


def test_perf_event_open_is_refused_unless_it_is_granted() -> None:
    """And granting it grants nothing else."""
    assert "perf_event_open" in refused()
    assert refused() - refused(("perf_event_open",)) == {"perf_event_open"}


def test_what_everybody_needs_is_never_refused() -> None:
    """Nor is what collectors need that Docker allows by default."""
    assert refused().isdisjoint(EVERYDAY)


def test_what_is_granted_and_not_refused_changes_nothing() -> None:
    """A grant is no order to refuse the rest."""
    assert seccomp.profile(("read", "no_such_call")) == seccomp.profile()


def test_names_are_in_order_and_each_is_there_once() -> None:
    """So that a change of the list is one line, and equal grants give equal profiles."""
    assert list(seccomp.REFUSED) == sorted(set(seccomp.REFUSED))
    assert seccomp.as_json(("mount", "bpf")) == seccomp.as_json(("bpf", "mount", "bpf"))


@pytest.mark.skipif(not TABLES, reason="needs the kernel's headers of x86: linux-libc-dev")
def test_all_names_are_the_kernel_s() -> None:
    """Engines ignore a name that they do not know: a slip would let the call through."""
    known = {
        name
        for path in TABLES
        for name in re.findall(r"^#define __NR_(\w+)", path.read_text(), re.MULTILINE)
    }

    assert set(seccomp.REFUSED) - known == set()


def test_the_text_is_plain_json() -> None:
    """Of one line, ASCII only: it goes into an option of the container, and a kubelet's file."""
    text = seccomp.as_json(("perf_event_open",))

    assert json.loads(text) == seccomp.profile(("perf_event_open",))
    assert text.isascii() and text.isprintable() and " " not in text
