"""Three threads that parse, compress and multiply; most of the time goes to `hot`.

Ends by itself after the number of rounds given, or never with `--forever`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import threading
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


def work(rounds: Iterable[int]) -> None:
    """What each thread does."""
    for _ in rounds:
        hot(150_000)
        parse(150)
        squeeze(8)


def main() -> None:
    """Start the threads and wait for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--forever", action="store_true")
    given = parser.parse_args()
    threads = [
        threading.Thread(
            target=work,
            name=f"worker-{index}",
            args=(itertools.count() if given.forever else range(given.rounds),),
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
