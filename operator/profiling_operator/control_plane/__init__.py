"""An API server without a cluster: its keys, its tokens, and what is installed in it.

compose.yaml runs the programs; docs/docker-host.md is the guide.
"""
