"""A toolchain that looks like TAU's: it shows the wiring where there is no TAU."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "tests" / "samples" / "tau" / "2.34" / "mpi-callpath-comm" / "profile.0.0.0"
ENTRIES = 24
"""Of that profile."""
PREFIX = "/opt/tau-2.34"

# As the real one: a bash script that stays the application's parent, calls sed and needs its own
# folder in PATH. LD_PRELOAD is not set: nothing made up could be preloaded.
TAU_EXEC = """#!/bin/bash
tau-config > /dev/null || { echo 'Binding not found. Exiting...'; exit 1; }
declare -a words=()
while [[ "$1" != "--" ]]; do words+=("$1"); shift; done
shift
echo "tau_exec ${words[*]}" | sed s/tau_exec/measuring/
"$@"
"""
# As a program with libTAU in it: its profile is written when it ends.
MEASURED = f"cp {PREFIX}/profile.0.0.0 $PROFILEDIR/ && echo measured"


def make(folder: Path) -> Path:
    """A toolchain that looks like TAU's."""
    (folder / "bin").mkdir(parents=True)
    for name, text in (("tau_exec", TAU_EXEC), ("tau-config", "#!/bin/sh\n")):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    shutil.copy(SAMPLE, folder)
    return folder
