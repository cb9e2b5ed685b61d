"""The commands that only tell: render, collectors, doctor, crd, and the frame around them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import yaml

from making import Run
from profiling_operator import __main__, __version__, cli, registry


def test_render_prints_the_plan(profjob: Run, job_file: Callable[..., str]) -> None:
    """Defaults are filled in and the launcher's command line is whole; nothing runs."""
    done = profjob("render", job_file(app={"command": ["./app"], "args": ["a b"]}))

    plan = yaml.safe_load(done.stdout)
    assert done.returncode == 0
    assert plan["collectors"][0]["options"]["rate"] == 100
    assert plan["launch"][-2:] == ["./app", "a b"]
    assert "{tool:pyspy}/bin/py-spy" in plan["launch"]


def test_render_refuses_what_run_would(profjob: Run, job_file: Callable[..., str]) -> None:
    """Exit code 2 and the field."""
    done = profjob("render", job_file(collectors=[{"name": "pyspy", "options": {"rate": 0}}]))

    assert done.returncode == 2
    assert "spec.collectors[0].options.rate: 0 must be at least 1" in done.stderr


def test_collectors_are_listed_with_their_toolchain(profjob: Run) -> None:
    """py-spy comes with us; what is missing says how to get it."""
    listed = {one["name"]: one for one in json.loads(profjob("collectors", "-o", "json").stdout)}

    assert sorted(listed) == registry.names("collectors")
    assert listed["pyspy"]["toolchain"]
    assert all(one["toolchain"] or one["missing"] for one in listed.values())
    assert "pyspy" in profjob("collectors").stdout


def test_doctor_says_what_works(profjob: Run) -> None:
    """The launcher and py-spy do; each line has its detail."""
    done = profjob("doctor", "-o", "json")
    found = {one["what"]: one for one in json.loads(done.stdout)}

    assert done.returncode == 0
    assert found["launcher"]["ok"] and found["collector pyspy"]["ok"]
    assert all(one["detail"] for one in found.values())
    assert "ok  launcher" in profjob("doctor").stdout


def test_doctor_says_why_no_engine_answers(profjob: Run, env: dict[str, str]) -> None:
    """The address, and what to do; the rest works all the same."""
    env["DOCKER_HOST"] = "unix:///no/such/socket"

    done = profjob("doctor")

    assert done.returncode == 0
    (line,) = [one for one in done.stdout.splitlines() if "executor docker" in one]
    assert line.startswith("no  ") and "/no/such/socket" in line and "dockerd" in line


def test_crd_is_printed(profjob: Run) -> None:
    """As kubectl apply takes it."""
    body = yaml.safe_load(profjob("crd").stdout)

    assert body["kind"] == "CustomResourceDefinition"
    assert body["spec"]["names"]["kind"] == "ProfilingJob"


def test_the_version_is_printed(profjob: Run) -> None:
    """Alone, for scripts."""
    assert profjob("--version").stdout == f"{__version__}\n"


def test_an_unknown_command_is_usage(profjob: Run) -> None:
    """Exit code 2."""
    assert profjob("rum").returncode == 2


def test_a_bug_does_not_look_like_a_gate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's own exit code after a traceback is 1, which pipelines take for a regression."""

    def broken() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "app", broken)

    with pytest.raises(SystemExit) as ended:
        __main__.main()

    assert ended.value.code == __main__.BROKEN == 70
    assert "RuntimeError: a bug" in capsys.readouterr().err
