"""Which GPUs nvprof can measure, by their names: their compute capability.

NVIDIA H100 80GB HBM3   Tesla-V100-SXM2-16GB   NVIDIA-A100-SXM4-40GB-MIG-1g.5gb   GeForce RTX 3090
"""

from __future__ import annotations

import re

LONGEST_NAME = 200
Capability = tuple[int, int]

NO_TRACE: Capability = (8, 0)
"""From here on nvprof measures nothing."""
NO_COUNTERS: Capability = (7, 5)
"""From here on it has no events and metrics."""

# The first one that is found counts. Names stand in NVIDIA's list of GPUs by compute capability.
MODELS: tuple[tuple[str, Capability], ...] = (
    (r"G?B[123]00|RTX PRO \d{4}|RTX 50[5-9]0", (10, 0)),
    (r"GH200|H100|H200|H800|H20", (9, 0)),
    (r"L40S?|L4|L20|L2|RTX 40[5-9]0|RTX \d{4} (?:SFF )?ADA", (8, 9)),
    (r"A40|A10[GM]?|A16|A2|RTX A\d{3,4}|RTX 30[5-9]0|ORIN", (8, 6)),
    (r"A100X?|A800|A30X?|CMP 170HX", (8, 0)),
    (r"T4G?|QUADRO RTX \d{4}|RTX 20[5-9]0|TITAN RTX|GTX 16[5-6]0|T[1-9]00|T1[02]00|T1000", (7, 5)),
    (r"XAVIER", (7, 2)),
    (r"V100S?|TITAN V|GV100|PG503", (7, 0)),
    (r"P100|GP100", (6, 0)),
    (r"P40|P4|P6|GTX 10[1-8]0|TITAN XP?|QUADRO P\d{3,4}|GT 10[13]0", (6, 1)),
    (r"M60|M40|M6|M4|M10|GTX 9[5-8]0|GTX TITAN X|QUADRO M\d{3,4}", (5, 2)),
    (r"K80|K40[A-Z]?|K20[A-Z]?|K10|GTX [67]\d0|GTX TITAN|QUADRO K\d{3,4}", (3, 5)),
)
KNOWN = tuple((re.compile(rf"\b(?:{names})(?: ?(?:TI|SUPER))?\b"), one) for names, one in MODELS)


def capability(model: str) -> Capability | None:
    """A GPU's compute capability; None where the name is not known."""
    words = " ".join(re.split(r"[-_\s]+", model[:LONGEST_NAME])).upper()
    return next((one for pattern, one in KNOWN if pattern.search(words)), None)
