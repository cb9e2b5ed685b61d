"""The restricted Pod Security standard as a check, and how a kubelet reads words: for tests.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ as of Kubernetes 1.34.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Body = Mapping[str, Any]

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
SECCOMP = {"RuntimeDefault", "Localhost"}
FORBIDDEN = ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "ephemeralContainers")


def containers(spec: Body) -> Iterator[Body]:
    """All containers of a pod."""
    yield from spec.get("initContainers", ())
    yield from spec["containers"]


def violations(spec: Body) -> Iterator[str]:
    """Why a namespace that enforces `restricted` would refuse a pod of this spec."""
    yield from (name for name in FORBIDDEN if spec.get(name))
    for volume in spec.get("volumes", ()):
        kinds = set(volume) - {"name"}
        if len(kinds) != 1 or not kinds <= VOLUMES:
            yield f"volume {volume['name']} is of {sorted(kinds)}"
    pod = spec.get("securityContext", {})
    yield from (f"{name} of the pod" for name in ("sysctls", "seLinuxOptions") if name in pod)
    for one in containers(spec):
        yield from (f"{one['name']}: {said}" for said in _of_container(one, pod))


def _of_container(one: Body, pod: Body) -> Iterator[str]:
    own = one.get("securityContext", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()) or capabilities.get("add"):
        yield f"capabilities {capabilities}"
    if not own.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield "runAsNonRoot"
    if own.get("runAsUser", pod.get("runAsUser")) == 0:
        yield "runAsUser 0"
    if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in SECCOMP:
        yield "seccompProfile"
    yield from (name for name in ("seLinuxOptions", "procMount", "windowsOptions") if name in own)
    if any("hostPort" in port for port in one.get("ports", ())):
        yield "hostPort"


def expanded(word: str, env: Mapping[str, str]) -> str:
    """What a kubelet makes of a word: variables for `$(NAME)`, one dollar for two.

    As k8s.io/kubernetes/third_party/forked/golang/expansion does it.
    """
    said, at = "", 0
    while at < len(word):
        if word[at] != "$" or at + 1 == len(word):
            said, at = said + word[at], at + 1
        elif word[at + 1] == "(" and ")" in word[at + 2 :]:
            end = word.index(")", at + 2)
            name = word[at + 2 : end]
            said, at = said + env.get(name, f"$({name})"), end + 1
        else:
            said, at = said + ("$" if word[at + 1] == "$" else word[at : at + 2]), at + 2
    return said
