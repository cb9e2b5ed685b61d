"""Makes what a control plane lacks of keys, tokens and kubeconfigs. Done twice it is done once.

A folder for each reader, so that each service is given its own alone:

    authority/        keys of the authorities, tokens: nobody's but this program's
    etcd/             server.pem, ca.crt
    kube-apiserver/   server.pem, etcd.pem, etcd-ca.crt, service-accounts.pem, tokens.csv
    install/ agent/ results/    kubeconfig; the agent's settings.yaml, the results' server.pem
    access/           admin.kubeconfig, jenkins.kubeconfig, HOST/ of further agents: for people
    public/           ca.crt
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from profiling_operator.control_plane import certificates, people
from profiling_operator.control_plane.certificates import Pair

LOCAL = ("localhost", "127.0.0.1", "::1")
API, ETCD, RESULTS = "kube-apiserver", "etcd", "results"
"""Services: how they find each other."""
IN_CLUSTER = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
API_PORT, RESULTS_PORT = 6443, 8443
TOKEN_BYTES = 32


@dataclass(frozen=True)
class Plan:
    """What is wanted."""

    folder: Path
    host: str
    """The Docker host whose agent runs beside the control plane."""
    agents: Sequence[str] = ()
    """Other hosts."""
    names: Sequence[str] = ()
    """Names and addresses by which others reach this machine."""
    api_port: int = API_PORT
    results_port: int = RESULTS_PORT
    """As they are published."""
    owner: int | None = None
    """User id of the services that do not run as root."""
    data: Sequence[Path] = ()
    """Folders that these services write to."""
    new_tokens: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def address(self) -> str:
        """Where people find the control plane."""
        name = next(iter(self.names), "127.0.0.1")
        return f"[{name}]" if ":" in name else name


def set_up(plan: Plan) -> list[str]:
    """Write what is missing or has to be renewed. Returns the files that are new, in order."""
    files = _Files(plan.folder)
    main = _authority(files, "ca.pem", "profjob", plan.now)
    store = _authority(files, "etcd-ca.pem", "profjob-etcd", plan.now)
    _keys(files, plan, main, store)
    tokens = _tokens(files, plan)
    _access(files, plan, main, tokens)
    files.give_to(plan.owner, (ETCD, API, "install", RESULTS))
    files.show("public/ca.crt")
    for one in plan.data:
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
        one.chmod(0o700)
        _give(one, plan.owner)
    return files.written


class _Files:
    """The folder; each file is written as a whole, for its owner alone, and only if it changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[str] = []

    def read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def write(self, name: str, text: str) -> None:
        if self.read(name) == text:
            return
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)  # a volume's folder was made by the engine
        unfinished = path.with_name(f".{path.name}.new")
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        self.written.append(name)

    def give_to(self, owner: int | None, names: Sequence[str]) -> None:
        for name in names:
            for path in (self.folder / name, *(self.folder / name).iterdir()):
                _give(path, owner)

    def show(self, name: str) -> None:
        """Let everybody read a file."""
        path = self.folder / name
        path.parent.chmod(0o755)
        path.chmod(0o644)


def _give(path: Path, owner: int | None) -> None:
    if owner is not None and path.stat().st_uid != owner:
        os.chown(path, owner, owner)


def _authority(files: _Files, name: str, title: str, now: datetime) -> Pair:
    found = certificates.read(files.read(f"authority/{name}"))
    if found is not None:
        return found
    made = certificates.make_authority(title, now)
    files.write(f"authority/{name}", made.pem)
    return made


def _keys(files: _Files, plan: Plan, main: Pair, store: Pair) -> None:
    outside = (*LOCAL, *plan.names)
    _certificate(files, "etcd/server.pem", store, (ETCD, *LOCAL), plan.now)
    files.write("etcd/ca.crt", store.certificate_pem)
    _certificate(files, f"{API}/etcd.pem", store, (API,), plan.now)
    files.write(f"{API}/etcd-ca.crt", store.certificate_pem)
    _certificate(files, f"{API}/server.pem", main, (API, *IN_CLUSTER, *outside), plan.now)
    _certificate(files, f"{RESULTS}/server.pem", main, (RESULTS, *outside), plan.now)
    files.write("public/ca.crt", main.certificate_pem)
    if not files.read(f"{API}/service-accounts.pem"):
        key = certificates.make_key()
        files.write(f"{API}/service-accounts.pem", certificates.key_pem(key))


def _certificate(
    files: _Files, name: str, authority: Pair, hosts: Sequence[str], now: datetime
) -> None:
    found = certificates.read(files.read(name))
    if found is None or not certificates.is_good(found, authority, hosts, now):
        made = certificates.make(authority, Path(name).parent.name, hosts, now)
        files.write(name, made.pem)


def _tokens(files: _Files, plan: Plan) -> dict[str, str]:
    """Tokens by name. An agent that is named again has the token that it had."""
    text = "" if plan.new_tokens else files.read("authority/tokens.json")
    known: dict[str, str] = json.loads(text) if text else {}
    for one in people.everybody([plan.host, *plan.agents]):
        known.setdefault(one.name, secrets.token_urlsafe(TOKEN_BYTES))
    files.write("authority/tokens.json", json.dumps(known, indent=2) + "\n")
    return known


def _access(files: _Files, plan: Plan, main: Pair, tokens: dict[str, str]) -> None:
    authority = main.certificate_pem
    inside, here = f"https://{API}:{API_PORT}", f"https://{plan.address}:{plan.api_port}"
    within = f"https://{RESULTS}:{RESULTS_PORT}/v1/results"
    results = f"https://{plan.address}:{plan.results_port}/v1/results"

    def of(one: people.Person, server: str, shown: str = "") -> str:
        return people.kubeconfig(one, tokens[one.name], server, authority, shown)

    files.write("install/kubeconfig", of(people.INSTALLER, inside))
    files.write("results/kubeconfig", of(people.SERVER, inside))
    files.write("agent/kubeconfig", of(people.agent(plan.host), inside))
    files.write("agent/settings.yaml", _settings(within, authority))
    files.write("access/admin.kubeconfig", of(people.ADMIN, here, results))
    files.write("access/jenkins.kubeconfig", of(people.BUILDS, here, results))
    for host in plan.agents:
        files.write(f"access/{host}/kubeconfig", of(people.agent(host), here))
        files.write(f"access/{host}/settings.yaml", _settings(results, authority))
    everybody = people.everybody([plan.host, *plan.agents])
    files.write(f"{API}/tokens.csv", people.token_file(everybody, tokens))


def _settings(results: str, authority: str) -> str:
    """Where an agent's results go, as a settings file in JSON."""
    store = {"url": results, "ca": authority}
    return json.dumps({"stores": {"default": store}}, indent=2) + "\n"
