"""Keys, certificates and kubeconfig files, made with openssl."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from cluster.place import API_SERVICE, DATA, NODE, Place, run

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")
USERS = {  # file: user and group, as the API server's own rules know them
    "admin": ("profjob-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "node": (f"system:node:{NODE}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", ""),
    "coredns": ("coredns", ""),
}


def make(place: Place) -> None:
    """Write everything; the folder is for root alone."""
    place.credentials.mkdir(mode=0o700)
    _certificate(place, "ca", "/CN=profjob-cluster", "authority")
    _service_account_key(place.credentials)
    within = [f"kubernetes.default{one}" for one in ("", ".svc", ".svc.cluster.local")]
    addresses = ("127.0.0.1", place.address, API_SERVICE)
    _server(place, "apiserver", addresses, ("localhost", "kubernetes", *within))
    _server(place, "etcd", ("127.0.0.1",), ("localhost",))
    _server(place, "kubelet", (place.address,), (NODE,))
    for name, (user, group) in USERS.items():
        _certificate(place, name, f"/O={group}/CN={user}" if group else f"/CN={user}", "client")
        _write(place.credentials / f"{name}.kubeconfig", kubeconfig_of(place, name))
    _write(place.kubeconfig, kubeconfig_of(place, "admin"))


def kubeconfig_of(place: Place, name: str) -> str:
    """A kubeconfig with everything inside, in JSON, which is YAML, too."""

    def data(file: str) -> str:
        return base64.b64encode((place.credentials / file).read_bytes()).decode()

    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": data("ca.crt")}
    user = {
        "client-certificate-data": data(f"{name}.crt"),
        "client-key-data": data(f"{name}.key"),
    }
    return json.dumps({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "profjob", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "profjob", "context": {"cluster": "profjob", "user": name}}],
        "current-context": "profjob",
    })  # fmt: skip


def _server(place: Place, name: str, addresses: tuple[str, ...], hosts: tuple[str, ...]) -> None:
    names = [f"IP:{one}" for one in addresses] + [f"DNS:{one}" for one in hosts]
    _certificate(place, name, f"/O=system:masters/CN={name}", "server", ",".join(names))


def _certificate(place: Place, name: str, subject: str, kind: str, names: str = "DNS:none") -> None:
    folder = place.credentials
    signed = (
        () if kind == "authority" else ("-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key")
    )
    run("openssl", "req", "-x509", "-days", "3650", *CURVE, *signed, "-subj", subject,
        "-config", str(DATA / "openssl.cnf"), "-extensions", kind,
        "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt", NAMES=names)  # fmt: skip


def _service_account_key(folder: Path) -> None:
    private, public = f"{folder}/service-accounts.key", f"{folder}/service-accounts.pub"
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-out", private)  # fmt: skip
    run("openssl", "pkey", "-in", private, "-pubout", "-out", public)


def _write(path: Path, text: str) -> None:
    """For its owner alone from the first byte."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
