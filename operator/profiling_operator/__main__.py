"""`profjob`, also as `python -m profiling_operator`."""

import importlib
import os
import signal
import sys
import traceback

BROKEN = 70  # EX_SOFTWARE of sysexits.h; a traceback's own 1 would say that a gate was not met


def main() -> None:
    """Run the command line."""
    _keep_first_words()
    try:
        importlib.import_module("profiling_operator.cli").app()
    except Exception:  # noqa: BLE001 - a bug of ours, whichever it is
        traceback.print_exc()
        sys.exit(BROKEN)


def _keep_first_words() -> None:
    """A TERM that comes to an uploader while it is being imported stays pending.

    The first process of a container gets no signal that it has no handler for (see
    pid_namespaces(7)), unless it is blocked: a pod that is deleted just then would stay until it is
    killed, with its GPU.
    """
    if os.getpid() == 1 and sys.argv[1:2] == ["upload"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
