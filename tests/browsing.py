"""Opens pages in Debian's Chromium as Jenkins serves them, and tells what the browser says."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from profiling_operator.cli import showing

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "tests" / "browser" / "open_page.mjs"
WIDTHS = (360, 768, 1280)
SCHEMES = ("light", "dark")
PATIENCE_SECONDS = 160


@dataclass(frozen=True)
class Shot:
    """A picture to take of a page."""

    file: str
    scheme: str = "light"
    width: int = 1280
    height: int | None = 900
    """None: the whole page."""
    selector: str | None = None
    """This element alone."""


@dataclass(frozen=True)
class Opened:
    """What the browser said of a page."""

    title: str
    policy: str
    console: list[str]
    blocked: list[str]
    """What did not load, and all that the policy complained about."""
    requests: list[list[Any]]
    """Status and URL of each answer."""
    overflow: list[Any]
    """Where the page is wider than its window."""
    violations: list[Any]
    """What axe found."""
    styled: str
    """The font of the body: the style has arrived."""


def modules() -> Path:
    """Where the browser's driver is installed."""
    found = importlib.util.spec_from_file_location("consumers", ROOT / "tools" / "consumers.py")
    assert found is not None and found.loader is not None
    script = importlib.util.module_from_spec(found)
    found.loader.exec_module(script)
    return Path(script.modules())


@contextmanager
def served(folder: Path) -> Iterator[showing.Server]:
    """A folder as `profjob report --open` serves it: with Jenkins' policy."""
    server = showing.Server(folder)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def opened(
    page: Path, *, axe: bool = True, pdf: Path | None = None, shots: Sequence[Shot] = (),
    widths: Sequence[int] = WIDTHS, schemes: Sequence[str] = SCHEMES,
) -> Opened:  # fmt: skip
    """A page, opened once: looked at in each width and scheme, and checked in each scheme."""
    orders = {
        "widths": widths, "schemes": schemes, "axe": axe, "pdf": str(pdf) if pdf else None,
        "pictures": [asdict(one) for one in shots],
    }  # fmt: skip
    chromium = shutil.which("chromium")
    assert chromium
    with served(page.parent) as server:
        words = ["node", SCRIPT, modules(), chromium, server.url(page.name), json.dumps(orders)]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return Opened(**json.loads(done.stdout))
