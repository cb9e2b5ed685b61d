"""A real Kubernetes on one machine, for tests: control plane and node as plain processes.

Put the folder tools/ on sys.path; the standard library is all it needs.

    import cluster

    file = cluster.up()          # path of a kubeconfig; one that runs is left alone
    cluster.load()               # the images that pods need
    cluster.down()
"""

from __future__ import annotations

from cluster.images import load
from cluster.life import down, kubeconfig, up
from cluster.place import DIRECTORY, ClusterError

__all__ = ["DIRECTORY", "ClusterError", "down", "kubeconfig", "load", "up"]
