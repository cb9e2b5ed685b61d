"""Three threads that parse, compress and multiply; most of the time goes to `hot`.

Ends by itself after the number of rounds given, or never with `--forever`. `SLOWER=30` in the
environment has it do 30 % more in each round: a change that a gate should find.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import threading
import time
import zlib
from collections.abc import Iterable


def hot(size: int) -> int:
    """The function to find: a sum in plain Python."""
    total = 0
    for number in range(size):
        total += number * number % 7
    return total


def parse(size: int) -> int:
    """Some JSON back and forth."""
    records = ({"index": number, "text": "x" * (number % 50)} for number in range(size))
    return sum(len(json.loads(json.dumps(record))) for record in records)


def squeeze(size: int) -> int:
    """Some compression, mostly in C."""
    return sum(len(zlib.compress(b"profiling" * (number % 97))) for number in range(size))


def work(rounds: Iterable[int], pace: float = 0.0, percent: int = 100) -> None:
    """What each thread does."""
    for _ in rounds:
        ends = time.monotonic() + pace * percent / 100
        hot(1500 * percent)
        parse(150 * percent // 100)
        squeeze(8 * percent // 100)
        time.sleep(max(0.0, ends - time.monotonic()))


def main() -> None:
    """Start the threads and wait for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--forever", action="store_true")
    parser.add_argument(
        "--pace",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long each round takes at least, as where a device sets the pace",
    )
    given = parser.parse_args()
    percent = 100 + int(os.environ.get("SLOWER", "0"))
    rounds = itertools.count() if given.forever else range(given.rounds)
    threads = [
        threading.Thread(
            target=work,
            name=f"worker-{index}",
            args=(rounds, given.pace, percent),
        )
        for index in range(given.threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{given.threads} threads, {given.rounds} rounds each: done")


if __name__ == "__main__":
    main()
