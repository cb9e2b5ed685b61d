"""Threads for what blocks: one for each call, and none that the agent's end would wait for.

A pool's threads are joined when the interpreter ends, and a pull may take minutes. Whatever such a
thread is doing then, the next agent finds by the engine's labels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Threads(Executor):
    """Starts a thread for each call."""

    def submit(
        self, do: Callable[Given, Answer], /, *args: Given.args, **kwargs: Given.kwargs
    ) -> Future[Answer]:
        """Begin a call."""
        future: Future[Answer] = Future()
        thread = threading.Thread(target=_run, args=(future, do, args, kwargs), daemon=True)
        thread.start()
        return future


def _run(future: Future[Any], do: Callable[..., Any], args: Any, kwargs: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(do(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001 - whoever asked gets it
        future.set_exception(error)
