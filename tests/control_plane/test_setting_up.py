"""Files of a control plane."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from profiling_operator.control_plane import certificates, setting_up
from profiling_operator.control_plane.setting_up import Plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READERS = {
    "authority": {"ca.pem", "etcd-ca.pem", "tokens.json"},
    "etcd": {"server.pem", "ca.crt"},
    "kube-apiserver": {
        *("server.pem", "etcd.pem", "etcd-ca.crt", "service-accounts.pem", "tokens.csv"),
    },
    "install": {"kubeconfig"},
    "results": {"server.pem", "kubeconfig"},
    "agent": {"kubeconfig", "settings.yaml"},
    "access": {"admin.kubeconfig", "jenkins.kubeconfig"},
    "public": {"ca.crt"},
}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A control plane of a host."""
    return Plan(tmp_path / "keys", "gpu-1", now=NOW)


def _contents(folder: Path) -> dict[str, str]:
    files = (one for one in folder.rglob("*") if one.is_file())
    return {str(one.relative_to(folder)): one.read_text() for one in files}


def test_each_reader_has_a_folder_of_its_own(plan: Plan) -> None:
    """Nobody else may look into it, but for what is public."""
    written = setting_up.set_up(plan)

    found = {one.name: {each.name for each in one.iterdir()} for one in plan.folder.iterdir()}
    assert found == READERS
    assert set(written) == set(_contents(plan.folder))
    for path in plan.folder.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        public = path.name == "public" or path.parent.name == "public"
        private = 0o700 if path.is_dir() else 0o600
        assert mode == ((0o755 if path.is_dir() else 0o644) if public else private), path


def test_private_keys_are_with_their_readers_alone(plan: Plan) -> None:
    """No key, and no token of another one, is in what a service is given."""
    setting_up.set_up(plan)
    contents = _contents(plan.folder)
    tokens = json.loads(contents["authority/tokens.json"])

    with_keys = {name for name, text in contents.items() if "PRIVATE KEY" in text}
    with_tokens = {
        name: {one for one, token in tokens.items() if token in text}
        for name, text in contents.items()
        if not name.startswith("authority/")
    }

    assert with_keys == {
        "authority/ca.pem", "authority/etcd-ca.pem", "etcd/server.pem", "results/server.pem",
        "kube-apiserver/server.pem", "kube-apiserver/etcd.pem",
        "kube-apiserver/service-accounts.pem",
    }  # fmt: skip
    assert {name: who for name, who in with_tokens.items() if who} == {
        "kube-apiserver/tokens.csv": set(tokens),
        "install/kubeconfig": {"installer"},
        "results/kubeconfig": {"results-server"},
        "agent/kubeconfig": {"agent-gpu-1"},
        "access/admin.kubeconfig": {"admin"},
        "access/jenkins.kubeconfig": {"jenkins"},
    }
    assert len(set(tokens.values())) == len(tokens)


def test_done_twice_it_is_done_once(plan: Plan) -> None:
    """No file is written again."""
    setting_up.set_up(plan)
    before = _contents(plan.folder)

    assert setting_up.set_up(plan) == []
    assert _contents(plan.folder) == before


def test_what_was_not_finished_is_finished(plan: Plan) -> None:
    """It may be killed at any moment; what is there stays."""
    setting_up.set_up(plan)
    before = _contents(plan.folder)
    for name in ("kube-apiserver/server.pem", "agent/kubeconfig"):
        (plan.folder / name).unlink()
    (plan.folder / "etcd" / ".server.pem.new").write_text("half a ke")

    assert setting_up.set_up(plan) == ["kube-apiserver/server.pem", "agent/kubeconfig"]

    after = _contents(plan.folder)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"kube-apiserver/server.pem"}


def test_certificates_are_renewed_and_nothing_else_changes(plan: Plan) -> None:
    """Authorities and tokens are what kubeconfigs hold."""
    setting_up.set_up(plan)

    later = NOW + certificates.LIFE - certificates.RENEW_BEFORE
    written = setting_up.set_up(replace(plan, now=later))

    assert written == [
        "etcd/server.pem", "kube-apiserver/etcd.pem", "kube-apiserver/server.pem",
        "results/server.pem",
    ]  # fmt: skip


def test_other_machines_find_it_by_its_names(plan: Plan) -> None:
    """In certificates, kubeconfigs and the settings of their agents."""
    setting_up.set_up(plan)
    plan = replace(plan, names=("ci.example", "fd00::1"), agents=("gpu-2",), api_port=16443)
    written = setting_up.set_up(plan)
    contents = _contents(plan.folder)

    kubeconfig = json.loads(contents["access/gpu-2/kubeconfig"])
    settings = json.loads(contents["access/gpu-2/settings.yaml"])
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://ci.example:16443"
    assert settings["stores"]["default"]["url"] == "https://ci.example:8443/v1/results"
    assert settings["stores"]["default"]["ca"] == contents["public/ca.crt"]
    assert "authority/ca.pem" not in written
    pair = certificates.read(contents["kube-apiserver/server.pem"])
    assert pair is not None
    assert "ci.example" in str(pair.certificate.extensions)
    assert replace(plan, names=("fd00::1",)).address == "[fd00::1]"


def test_new_tokens_end_the_old_ones(plan: Plan) -> None:
    """All of them; keys stay."""
    setting_up.set_up(plan)
    before = json.loads(_contents(plan.folder)["authority/tokens.json"])

    written = setting_up.set_up(replace(plan, new_tokens=True))

    after = json.loads(_contents(plan.folder)["authority/tokens.json"])
    assert not set(before.values()) & set(after.values())
    assert "kube-apiserver/tokens.csv" in written
    assert not [one for one in written if one.endswith(".pem")]


def test_an_agent_that_is_no_longer_named_cannot_come_in(plan: Plan) -> None:
    """Named again it has its token again."""
    with_other = replace(plan, agents=("gpu-2",))
    setting_up.set_up(with_other)
    before = _contents(plan.folder)
    setting_up.set_up(plan)

    assert "gpu-2" not in _contents(plan.folder)["kube-apiserver/tokens.csv"]
    setting_up.set_up(with_other)
    assert _contents(plan.folder) == before


@pytest.mark.needs("root")
def test_services_own_what_they_read(plan: Plan) -> None:
    """The agent runs as root, and people copy from `access`."""
    data = plan.folder.parent / "data"
    plan = replace(plan, owner=65532, data=(data,))
    setting_up.set_up(plan)
    setting_up.set_up(plan)

    owners = {one.name: one.stat().st_uid for one in (*plan.folder.iterdir(), data)}
    assert owners == {
        "authority": 0, "agent": 0, "access": 0, "public": 0, "data": 65532,
        "etcd": 65532, "kube-apiserver": 65532, "install": 65532, "results": 65532,
    }  # fmt: skip
    assert all(
        one.stat().st_uid == one.parent.stat().st_uid
        for one in plan.folder.rglob("*")
        if one.is_file()
    )
    assert os.stat(data).st_mode & 0o777 == 0o700
