"""A seccomp profile that refuses what Docker's default refuses, but for chosen system calls.

Docker's default (https://docs.docker.com/engine/security/seccomp/) lists what is allowed; this one
lists what that leaves out for a container without capabilities, so that it grants what is asked
for and no more: perf needs perf_event_open. Two differences remain: a system call that is newer
than this list is not in it, and arguments of `personality` and `socket` are not looked at. The same
file serves kubelets as a Localhost profile.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

EPERM, ENOSYS = 1, 38
ARCHITECTURES = {
    "SCMP_ARCH_X86_64": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "SCMP_ARCH_AARCH64": ["SCMP_ARCH_ARM"],
}
CLONE_NAMESPACES = (  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
    0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
REFUSED = (
    "_sysctl", "acct", "add_key", "afs_syscall", "bdflush", "bpf", "break", "chroot",
    "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "create_module",
    "delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
    "ftime", "get_kernel_syms", "get_mempolicy", "getpmsg", "gtty", "init_module", "io_uring_enter",
    "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load",
    "kexec_load", "keyctl", "lock", "lookup_dcookie", "mbind", "migrate_pages", "mount",
    "mount_setattr", "move_mount", "move_pages", "mpx", "nfsservctl", "open_by_handle_at",
    "open_tree", "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise", "prof",
    "profil", "putpmsg", "query_module", "quotactl", "quotactl_fd", "reboot", "request_key",
    "security", "set_mempolicy", "set_mempolicy_home_node", "setdomainname", "sethostname", "setns",
    "settimeofday", "ssetmask", "stime", "stty", "swapoff", "swapon", "sysfs", "syslog", "tuxcall",
    "ulimit", "umount", "umount2", "unshare", "uselib", "userfaultfd", "ustat", "vhangup", "vm86",
    "vm86old", "vserver",
)  # fmt: skip


def profile(granted: Iterable[str] = ()) -> dict[str, Any]:
    """The profile, in the form of the Engine API and of kubelets."""
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [
            {"architecture": one, "subArchitectures": more} for one, more in ARCHITECTURES.items()
        ],
        "syscalls": [
            _refused(sorted(set(REFUSED) - set(granted)), EPERM),
            # Its flags are in memory, out of a filter's sight: as if the kernel did not have it,
            # so that libraries take clone.
            _refused(["clone3"], ENOSYS),
            *({**_refused(["clone"], EPERM), "args": [_flag(bit)]} for bit in CLONE_NAMESPACES),
        ],
    }


def as_json(granted: Iterable[str] = ()) -> str:
    """The profile as text."""
    return json.dumps(profile(granted), separators=(",", ":"))


def _refused(calls: list[str], error: int) -> dict[str, Any]:
    return {"names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": error}


def _flag(bit: int) -> dict[str, Any]:
    return {"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"}
