"""Run a program in a terminal of its own, as a person does: a pseudo-terminal of 80 × 24 characters."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

COLUMNS, LINES = 80, 24
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_DEADLINE = 60.0


@dataclass(frozen=True)
class Session:
    """What a program wrote to its terminal, without colours and moves of the cursor, and its exit status."""

    text: str
    status: int

    @property
    def lines(self) -> list[str]:
        """Return what stood on its lines at last."""
        return [line.rpartition("\r")[2].rstrip() for line in self.text.split("\n")]


def run_in_terminal(
    arguments: Sequence[str], variables: Mapping[str, str], answers: Mapping[str, str] | None = None
) -> Session:
    """Run a program; each of `answers` is typed once its question is there. Raises AssertionError after 60 s."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        arguments,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=dict(variables),
        start_new_session=True,  # else it would ask for passwords at the terminal of whoever runs the tests
    )
    os.close(theirs)
    try:
        written = _conversation(ours, dict(answers or {}))
        return Session(written, process.wait(10))
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _conversation(terminal: int, answers: dict[str, str]) -> str:
    """Return all that is written to a terminal until its last user has gone, answering questions on the way."""
    read, end = b"", time.monotonic() + _DEADLINE
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        block = b""
        with suppress(OSError):  # EIO: nobody has the terminal open any more
            block = os.read(terminal, 1 << 16)
        if not block:
            return _plain(read)
        read += block
        for question in [one for one in answers if one in _plain(read)]:
            os.write(terminal, answers.pop(question).encode() + b"\n")
    raise AssertionError(f"the program is still at it after {_DEADLINE:.0f} s: {_plain(read)}")


def _plain(read: bytes) -> str:
    return _CONTROL.sub("", read.decode(errors="replace")).replace("\r\n", "\n")


def adsp(*words: str) -> list[str]:
    """Return the command line of `adsp` with these words."""
    return [sys.executable, "-m", "services.cli.main", *words]
