"""`profjob`, also as `python -m profiling_operator`."""

import sys
import traceback

from profiling_operator.cli import app

BROKEN = 70  # EX_SOFTWARE of sysexits.h; a traceback's own 1 would say that a gate was not met


def main() -> None:
    """Run the command line."""
    try:
        app()
    except Exception:  # noqa: BLE001 - a bug of ours, whichever it is
        traceback.print_exc()
        sys.exit(BROKEN)


if __name__ == "__main__":
    main()
