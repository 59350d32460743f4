"""The quickstart does what it shows: each step is done in a terminal or a browser, in a checkout of its own."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import tasks
from tests.browser.chromium import browser_window
from tests.endtoend.system import REPOSITORY

PAGE = "docs/quickstart.md"

_FOLDERS = ("docs", "infra", "libs", "migrations", "services", "tools")
_STEP = re.compile(
    r"^```(?P<kind>sh|text)\n(?P<block>.*?)^```$|^- (?P<line>[^\n]*)$", re.MULTILINE | re.DOTALL
)
_VERB = re.compile(r"Open|Choose the file|Fill in|Add to|Press|Follow|See|Go back")
_ARGUMENT = re.compile(r"\*\*(.+?)\*\*|`(.+?)`")
_END = "--- end of block ---"
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_DEV = '#!/bin/sh\nexec "{python}" -P -m invoke --search-root "{root}" "$@"\n'
"""`./dev`, but in the environment that runs the tests instead of one made from the lock."""
_ADSP = '#!/bin/sh\nexec "{python}" -P -m services.cli.main "$@"\n'
_SECONDS = 60
"""How long a page may take to show something."""
_BLOCK_SECONDS = 120


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """Copy the code, so that the local stack is not the one that may run in this checkout."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in _FOLDERS:
        shutil.copytree(REPOSITORY / folder, copy / folder, ignore=ignored)
    shutil.copy(tasks.__file__, copy)
    _write_program(copy / "dev", _DEV.format(python=sys.executable, root=copy))
    _write_program(copy / ".adsp/venv/bin/adsp", _ADSP.format(python=sys.executable))
    yield copy
    subprocess.run([copy / "dev", "down", "--purge"], cwd=copy, env=_environment(copy), check=False)


def _write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _environment(checkout: Path) -> dict[str, str]:
    """Return what a user of the checkout has, without what the tests' environment names."""
    packages = [path for path in sys.path if path and Path(path).resolve() != REPOSITORY]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ADSP_")}
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(checkout), *packages]),
        "COLUMNS": "200",
        "TERM": "dumb",
        "XDG_CONFIG_HOME": str(checkout / "config"),
    }


@dataclass
class Terminal:
    """A shell of a pseudo-terminal: variables that a block sets are for those after it."""

    folder: Path
    master: int = field(init=False)
    shell: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (50, 200))
        loop = f'while IFS= read -r block <&{{0}}; do . "$block"; echo "{_END}"; done'
        blocks_read, self._blocks = os.pipe()
        self.shell = subprocess.Popen(
            ["bash", "-eu", "-o", "pipefail", "-c", loop.replace("{0}", str(blocks_read))],
            cwd=self.folder,
            env=_environment(self.folder),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=[blocks_read],
            start_new_session=True,
            text=True,
        )
        os.close(slave)
        os.close(blocks_read)

    def run(self, commands: str) -> str:
        """Run a block as it stands and return what it prints."""
        block = self.folder / "block.sh"
        block.write_text(commands)
        os.write(self._blocks, f"{block}\n".encode())
        printed, deadline = b"", time.monotonic() + _BLOCK_SECONDS
        while not printed.rstrip().endswith(_END.encode()):
            read = b""
            if select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
                with suppress(OSError):  # The shell has ended: Linux answers EIO.
                    read = os.read(self.master, 1 << 16)
            if not read:
                pytest.fail(f"no end, or a failure, of\n{commands}\n{printed.decode()}")
            printed += read
        return _ANSI.sub("", printed.decode()).replace("\r", "").rpartition(_END)[0]

    def close(self) -> None:
        """End the shell."""
        os.close(self._blocks)
        with suppress(ProcessLookupError):
            os.killpg(self.shell.pid, signal.SIGHUP)
        self.shell.wait(20)
        os.close(self.master)


@dataclass
class Reader:
    """Somebody who does what the page says, step by step."""

    terminal: Terminal
    page: Page
    printed: str = ""
    done: list[str] = field(default_factory=list)

    def run(self, commands: str) -> None:
        """Type a block into the terminal."""
        self.printed = self.terminal.run(commands)

    def compare(self, shown: str) -> None:
        """Compare what the page shows with what the last block printed."""
        missing = [line for line in shown.splitlines() if line.strip() not in self.printed]
        assert missing == [], self.printed

    def act(self, line: str) -> None:
        """Do a step in the browser."""
        verb = _VERB.match(line)
        assert verb, f"no step of a browser: {line}"
        arguments = [label or code for label, code in _ARGUMENT.findall(line)]
        actions: dict[str, Callable[..., object]] = {
            "Open": self._open,
            "Choose the file": self._choose,
            "Fill in": lambda label, text: self._field(label).fill(text),
            "Add to": self._add,
            "Press": lambda name: self._shown("button", name).click(),
            "Follow": lambda name: self._shown("link", name).click(),
            "See": lambda text: expect(self.page.locator("main")).to_contain_text(
                text, timeout=_SECONDS * 1000
            ),
            "Go back": self.page.go_back,
        }
        actions[verb[0]](*arguments)
        self.done.append(verb[0])

    def _open(self, address: str) -> None:
        self.page.goto(self.terminal.run(f'echo "{address}"\n').strip())

    def _choose(self, path: str) -> None:
        self._field("File (choose, or drop it here)").set_input_files(self.terminal.folder / path)

    def _add(self, label: str, text: str) -> None:
        entry = self._field(label)
        entry.fill(f"{entry.input_value().rstrip()}\n{text}\n")

    def _field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True).locator("visible=true")

    def _shown(self, role: str, name: str) -> Locator:
        return self.page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]


def test_every_step_of_the_quickstart_does_what_it_shows(checkout: Path, tmp_path: Path) -> None:
    text = (REPOSITORY / PAGE).read_text().partition("\n## Next")[0]
    with browser_window(tmp_path / "profile") as window:
        terminal = Terminal(checkout)
        try:
            reader = Reader(terminal, window.new_page())
            for step in _STEP.finditer(text):
                match step["kind"]:
                    case "sh":
                        reader.run(step["block"])
                    case "text":
                        reader.compare(step["block"])
                    case _:
                        reader.act(step["line"])
        finally:
            terminal.close()

    assert {"Open", "Press", "Follow", "See"} <= set(reader.done)
