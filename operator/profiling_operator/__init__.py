"""ProfilingJob: profile an application where it runs and read the result off the resource."""

__version__ = "0.1.0"
