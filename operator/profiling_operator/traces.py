"""The trace that a job belongs to, as W3C Trace Context writes it (w3.org/TR/trace-context).

A pipeline hands it on in TRACEPARENT and TRACESTATE; a job carries it in annotations, and the
application gets it in its environment again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from profiling_operator import names

PARENT, STATE = "TRACEPARENT", "TRACESTATE"
ANNOTATIONS = {PARENT: f"{names.LABEL}traceparent", STATE: f"{names.LABEL}tracestate"}

# 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01; later versions may add to it
IDS = "-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
TRACEPARENT = re.compile(rf"00{IDS}|(?!00|ff)[0-9a-f]{{2}}{IDS}(?:-[!-~]{{1,200}})?")
# rojo=00f067aa0ba902b7,tenant@vendor=t61rcWkgMzE
MEMBER = r"[a-z0-9][-a-z0-9_*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
TRACESTATE = re.compile(rf"(?=.{{1,512}}$){MEMBER}(?:[ \t]*,[ \t]*(?:{MEMBER})?){{0,31}}")


def valid(parent: str, state: str) -> dict[str, str]:
    """The variables of a trace; none for a parent that is none, a state only beside a parent."""
    if not TRACEPARENT.fullmatch(parent):
        return {}
    return {PARENT: parent, **({STATE: state} if TRACESTATE.fullmatch(state) else {})}


def annotations_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Annotations for the trace that an environment tells of."""
    found = valid(environment.get(PARENT, ""), environment.get(STATE, ""))
    return {ANNOTATIONS[name]: value for name, value in found.items()}


def variables_of(annotations: Mapping[str, str]) -> dict[str, str]:
    """Variables for the trace that a job's annotations tell of."""
    return valid(*(annotations.get(ANNOTATIONS[name], "") for name in (PARENT, STATE)))
