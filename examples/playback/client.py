"""Fetches recorded answers and counts their words; `count_words` takes most of the time."""

from __future__ import annotations

import json
import os
import sys
import urllib.request


def fetch(url: str) -> list[dict[str, str]]:
    """One recorded answer."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the job says which
        recorded: list[dict[str, str]] = json.load(answer)
    return recorded


def count_words(records: list[dict[str, str]]) -> int:
    """The function to find: counts letter by letter."""
    count = 0
    for record in records:
        previous = " "
        for letter in record["text"]:
            count += previous == " " and letter != " "
            previous = letter
    return count


def main() -> None:
    """Ask the server of the job, as often as told."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    url = f"{os.environ['PLAYBACK_URL']}/records"
    print(sum(count_words(fetch(url)) for _ in range(requests)), "words")


if __name__ == "__main__":
    main()
