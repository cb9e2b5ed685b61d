"""The command line: `python tools/cluster.py up|load|down`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cluster.images import load
from cluster.life import down, up
from cluster.place import DIRECTORY, ClusterError

ANOTHER = """\
KUBECONFIG names a cluster already: it is used, and nothing is started. Its nodes need the images:
docs/cluster.md has the lines for kind, minikube and k3s. `unset KUBECONFIG` to start one here."""


def main(words: list[str] | None = None) -> None:
    """Do what the words say. Exits with 1 and a message where that is impossible."""
    given = _parser().parse_args(words)
    try:
        {"up": _up, "load": _load, "down": _down}[given.action](given)
    except ClusterError as problem:
        sys.exit(f"cluster: {problem}")


def another(directory: Path) -> str:
    """KUBECONFIG where it names a cluster that is not the one in the directory, else empty."""
    named = os.environ.get("KUBECONFIG", "")
    own = str(directory / "kubeconfig")
    return "" if not named or os.path.realpath(named) == os.path.realpath(own) else named


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, about in (
        ("up", "start it, unless it runs or KUBECONFIG names one; print the kubeconfig's path"),
        ("load", "bring images from the Docker engine; those that pods need where none is named"),
        ("down", "stop it and remove everything that it made"),
    ):
        action = actions.add_parser(name, help=about, description=about)
        action.add_argument(
            "--directory", type=Path, default=DIRECTORY, help="where it lives (%(default)s)"
        )
        if name == "load":
            action.add_argument("images", nargs="*", metavar="IMAGE")
    return parser


def _up(given: argparse.Namespace) -> None:
    named = another(given.directory)
    if named:
        print(ANOTHER, file=sys.stderr)
    print(named or up(given.directory), flush=True)


def _load(given: argparse.Namespace) -> None:
    if another(given.directory):
        print(ANOTHER, file=sys.stderr)
        return
    for line in load(given.images, given.directory):
        print(line, flush=True)


def _down(given: argparse.Namespace) -> None:
    down(given.directory)
