"""The agent of a Docker host: what a cluster's controllers, scheduler and kubelets are elsewhere.

It keeps the attempts of the ProfilingJobs that are addressed to its host on one Docker engine, and
tells of them in the shape of Jobs and pods, so that decisions and statuses are the same as on a
cluster. What has to outlive it is labels on volumes and containers.
"""
