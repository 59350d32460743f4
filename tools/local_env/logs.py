"""Show the logs of servers and services, the last lines and then what comes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from libs.devstack.errors import StackError
from tools.local_env.layout import Layout

_POLL_SECONDS = 0.3
_TAIL_BYTES = 64_000


def find_logs(layout: Layout, service: str | None) -> dict[str, Path]:
    """Return the logs by name: one service's or all."""
    found = {log.stem: log for log in sorted(layout.logs.glob("*.log"))}
    if service is None:
        return found
    if service not in found:
        names = ", ".join(found) or "none; the stack has not been started yet"
        raise StackError(f"no log of {service!r}; there are: {names}")
    return {service: found[service]}


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read().decode("utf-8", "replace").splitlines()[-count:]


def follow(logs: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield the name and the line of what is written from now on, until interrupted."""
    offsets = {name: log.stat().st_size for name, log in logs.items()}
    return _follow_from(offsets, logs)


def _follow_from(offsets: dict[str, int], logs: dict[str, Path]) -> Iterator[tuple[str, str]]:
    while True:
        for name, log in logs.items():
            with log.open("rb") as file:
                file.seek(offsets[name])
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    offsets[name] += len(line)
                    yield name, line.decode("utf-8", "replace").rstrip("\n")
        time.sleep(_POLL_SECONDS)
