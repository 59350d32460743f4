"""Drive the system's Chromium: a browser of its own for the tests of the console, gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

PROGRAM = "chromium"
QUIET = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""It runs as root too, and asks nobody on the network but the api."""

NARROW, WIDE = 360, 1280
_HEIGHT = 900


def require_chromium() -> str:
    """Return the program, or skip the tests saying how to get it."""
    program = which(PROGRAM)
    if program is None:
        pytest.skip(
            f"{PROGRAM} is not installed: sudo apt-get install --no-install-recommends {PROGRAM}"
        )
    return program


@contextmanager
def browser_window(
    folder: Path, width: int = WIDE, *, scripts: bool = True, scheme: str = "light"
) -> Iterator[BrowserContext]:
    """Open a browser with a profile of its own."""
    program = require_chromium()
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(folder),
            executable_path=program,
            args=list(QUIET),
            headless=True,
            viewport={"width": width, "height": _HEIGHT},
            java_script_enabled=scripts,
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(15_000)
        try:
            yield context
        finally:
            context.close()
