"""The page that a person opens first: `report.html` and `report.css` of a result folder.

Static HTML and SVG without any script, inline style or foreign resource, so that it shows under
Jenkins' default policy for the files of a build. It is made of the folder's files alone.
"""

from __future__ import annotations

import html
from contextlib import suppress
from pathlib import Path

from profiling_operator import store
from profiling_operator.report import flame, page, results, words

PAGE_FILE = "report.html"
STYLE_FILE = "report.css"
STYLE = Path(__file__).with_name(STYLE_FILE)
BAD_RESULTS = (OSError, ValueError, ArithmeticError, LookupError, TypeError, RecursionError)
"""What files that are not as expected may lead to."""
NO_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>No report</title></head>
<body><main><h1>No report</h1><p>The page of these results could not be made: {}.</p>
<p>The results themselves are complete. To try again: <code>profjob report --anew FOLDER</code>.</p>
</main></body>
</html>
"""


def style() -> str:
    """The content of `report.css`."""
    return "\n".join(one.read_text(encoding="utf-8") for one in (STYLE, flame.STYLE))


def is_of_results(folder: Path) -> bool:
    """Whether a folder holds results, or a part of them."""
    return any((folder / one).is_file() for one in results.FILES)


def write(folder: Path) -> None:
    """Write the page of a result folder. Raises OSError where that cannot be done.

    The same files make the same page. What a file does not say, or says in a way that is not
    understood, is not there; so folders of older versions have one, too.
    """
    text = page.render(results.read(folder))
    store.write_whole(folder / STYLE_FILE, style())
    store.write_whole(folder / PAGE_FILE, text)


def write_anyhow(folder: Path) -> None:
    """Write the page; one that cannot be made says so, and costs nothing else."""
    try:
        write(folder)
    except BAD_RESULTS as error:
        why = html.escape(words.message(f"{type(error).__name__}: {error}"))
        with suppress(OSError):
            store.write_whole(folder / PAGE_FILE, NO_PAGE.format(why))
