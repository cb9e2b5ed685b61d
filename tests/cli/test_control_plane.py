"""`profjob control-plane`."""

from __future__ import annotations

from pathlib import Path

from making import Run


def test_setup_tells_what_it_wrote(profjob: Run, tmp_path: Path) -> None:
    """And the second time that everything is there; hosts and names come from the environment."""
    words = ("control-plane", "setup", str(tmp_path / "keys"), "--host", "gpu-1")

    first, second = profjob(*words), profjob(*words)

    assert first.returncode == second.returncode == 0, first.stderr
    assert "wrote access/jenkins.kubeconfig\n" in first.stdout
    assert second.stdout == "everything is there\n"


def test_a_host_has_a_name_that_jobs_can_say(profjob: Run, tmp_path: Path) -> None:
    """It becomes a part of names."""
    done = profjob("control-plane", "setup", str(tmp_path / "keys"), "--host", "GPU 1")

    assert done.returncode == 2
    assert "host 'GPU 1': must be lower-case letters" in done.stderr
    assert not (tmp_path / "keys").exists()


def test_a_folder_that_cannot_be_written_is_named(profjob: Run, tmp_path: Path) -> None:
    """Not a traceback."""
    (tmp_path / "keys").write_text("")
    done = profjob("control-plane", "setup", str(tmp_path / "keys"), "--host", "gpu-1")

    assert done.returncode == 2
    assert f"profjob: {tmp_path / 'keys'}" in done.stderr


def test_install_without_a_server_says_so(profjob: Run, tmp_path: Path) -> None:
    """Exit code 5, as everywhere."""
    done = profjob("control-plane", "install", "--kubeconfig", str(tmp_path / "none"))

    assert done.returncode == 5
    assert "no cluster is known here" in done.stderr


def test_install_wants_a_duration(profjob: Run) -> None:
    """As other options of time do."""
    done = profjob("control-plane", "install", "--timeout", "soon")

    assert done.returncode == 2
    assert "--timeout 'soon'" in done.stderr
