"""A real Kubernetes on this machine: `up`, `load`, `down`. See docs/cluster.md."""

from __future__ import annotations

from cluster.command import main

if __name__ == "__main__":
    main()
