"""Who may come to the API server by a token, and the files by which they do. No I/O."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ADMINS, AGENTS, JENKINS, RESULTS = (
    f"profjob:{one}" for one in ("admins", "agents", "jenkins", "results-servers")
)
"""Groups. What they may is said by roles, which `roles` has."""
NAMESPACE = "ci"
"""Where Jenkins' jobs are."""


@dataclass(frozen=True)
class Person:
    """A user of the API server."""

    name: str
    group: str
    namespace: str = "default"

    @property
    def user(self) -> str:
        """As the API server calls him."""
        return f"profjob:{self.name}"


INSTALLER = Person("installer", "system:masters")
"""May everything whatever the roles say, which he makes; nobody else needs that."""
ADMIN = Person("admin", ADMINS)
BUILDS = Person("jenkins", JENKINS, NAMESPACE)
SERVER = Person("results-server", RESULTS)


def agent(host: str) -> Person:
    """The agent of a Docker host."""
    return Person(f"agent-{host}", AGENTS)


def everybody(hosts: Sequence[str]) -> list[Person]:
    """All there are, with the agents of these hosts."""
    return [INSTALLER, ADMIN, BUILDS, SERVER, *(agent(one) for one in dict.fromkeys(hosts))]


def token_file(people: Sequence[Person], tokens: Mapping[str, str]) -> str:
    """What kube-apiserver reads with --token-auth-file."""
    written = io.StringIO()
    rows = [(tokens[one.name], one.user, one.name, one.group) for one in people]
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()


def kubeconfig(one: Person, token: str, server: str, authority: str, results: str = "") -> str:
    """A kubeconfig with everything inside, in JSON, which is YAML, too.

    `results` is the results server's URL, for `profjob fetch`.
    """
    data = base64.b64encode(authority.encode()).decode()
    cluster: dict[str, object] = {"server": server, "certificate-authority-data": data}
    if results:
        more = {"name": "profiling.dev", "extension": {"resultsUrl": results}}
        cluster["extensions"] = [more]
    context = {"cluster": "profjob", "user": one.name, "namespace": one.namespace}
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "profjob", "cluster": cluster}],
        "users": [{"name": one.name, "user": {"token": token}}],
        "contexts": [{"name": "profjob", "context": context}],
        "current-context": "profjob",
    }
    return json.dumps(body, indent=2) + "\n"
