"""Changing a document that others change, too: read, change, write, and again on a conflict."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from profiling_operator import backoff
from profiling_operator.errors import StoreError
from profiling_operator.stores.contract import ResultStore, StoreConflictError
from profiling_operator.stores.sending import Pause, Tell, insist

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 2.0  # seconds

Change = Callable[[bytes | None], bytes | None]
"""From the text that is there, None without any, to the one that shall be; None: leave it so."""


def change_document(
    store: ResultStore,
    name: str,
    change: Change,
    deadline: float,
    tell: Tell,
    *,
    pause: Pause = time.sleep,
) -> bytes | None:
    """Change a document and return what is there now; None without any.

    `change` may be called several times, each time with what others wrote meanwhile; a write whose
    answer got lost is one of those, so it should make nothing of its own twice. `deadline` is of
    `time.monotonic()`; `tell` gets a line when something has to be tried again. Raises StoreError
    with the last problem when the deadline has passed, StoreRefusedError at once, and what `change`
    raises.
    """
    waits = backoff.pauses(FIRST_PAUSE, LONGEST_PAUSE)
    while True:
        found = insist(lambda: store.document(name), deadline, tell, pause)
        there, version = (found.text, found.version) if found else (None, None)
        wanted = change(there)
        if wanted is None or wanted == there:
            return there
        try:
            put = functools.partial(store.put_document, name, wanted, version)
            insist(put, deadline, tell, pause)
        except StoreConflictError as error:
            seconds = next(waits)
            if time.monotonic() + seconds >= deadline:
                raise StoreError(f"{error}, again and again") from error
            pause(seconds)
        else:
            return wanted
