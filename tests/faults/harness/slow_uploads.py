"""Have many clients send a file each, slowly, and look at what is left of the api for everyone else."""

import os
import select
import socket
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from libs.devstack.testing.waiting import wait_for
from tests.faults.harness.cells import make_cell
from tests.faults.harness.machine import Machine

SOCKETS = 200
HEALTH_BOUND = 1.0
"""Seconds within which every probe must be answered meanwhile."""
MEMORY_BOUND = 128 << 20
"""Bytes that the api may grow by: 32 uploads at once, each with a block of 1 MB, and what is about them."""
_PAUSE = 0.1
_DROP = b"x" * 512
"""What a client sends at a time: five times as much as would be given up."""
_HEAD = (
    "POST /v1/datasets/{}/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Content-Type: text/csv\r\nContent-Length: 1000000000\r\n\r\n"
)


@dataclass
class SlowUploads:
    """What became of the uploads, and of the api meanwhile."""

    sockets: int
    seconds: float = 0.0
    grown: int = 0
    probes: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    problems: int = 0

    @property
    def held(self) -> int:
        """Return how many were still being taken in the end."""
        return self.sockets - self.statuses.total()

    def is_fine(self, bound: float = HEALTH_BOUND) -> bool:
        """Return whether neither memory nor probes have suffered, and all who were refused got the reason."""
        return (
            self.grown <= MEMORY_BOUND
            and max(self.probes) <= bound
            and set(self.statuses) == {429}
            and self.problems == self.statuses.total()
            and self.held > 0
        )

    def __str__(self) -> str:
        """Return the figures."""
        return (
            f"{self.sockets} slow uploads for {self.seconds:.0f} s: {self.held} taken, refused {dict(self.statuses)}; "
            f"{len(self.probes)} probes, slowest {max(self.probes) * 1000:.0f} ms; "
            f"the api grew by {self.grown / (1 << 20):.0f} MB"
        )


def upload_slowly(machine: Machine, seconds: float, sockets: int = SOCKETS) -> SlowUploads:
    """Drip into uploads at once for a while; leave nothing of them."""
    cell = make_cell(machine)
    head = _HEAD.format(cell.feed.name).encode()
    found = SlowUploads(sockets)
    start, before = time.monotonic(), _memory_of(machine)
    with ExitStack() as stack, machine.system.client as client:
        address = ("127.0.0.1", machine.system.port)
        open_uploads = [
            stack.enter_context(socket.create_connection(address, timeout=20))
            for _ in range(sockets)
        ]
        for upload in open_uploads:
            upload.sendall(head)
        while time.monotonic() - start < seconds:
            _drip(open_uploads, found)
            for path in ("/livez", "/readyz"):
                answer = client.get(path).raise_for_status()
                found.probes.append(answer.elapsed.total_seconds())
            found.grown = max(found.grown, _memory_of(machine) - before)
    found.seconds = time.monotonic() - start
    area = machine.system.folder / "uploads"
    wait_for(lambda: not _has_parts(area), 20, "nothing is left of the uploads")
    return found


def _has_parts(area: Path) -> bool:
    """Return whether an upload is unfinished; folders may vanish meanwhile, which `os.walk` passes over."""
    return any(name.endswith(".part") for _, _, names in os.walk(area) for name in names)


def _drip(open_uploads: list[socket.socket], found: SlowUploads) -> None:
    """Send a little of each file; take the answers of those that are refused."""
    answered, _, _ = select.select(open_uploads, [], [], _PAUSE)
    for upload in answered:
        answer = upload.recv(4096)
        found.statuses[int(answer.split()[1])] += 1
        found.problems += b"application/problem+json" in answer
        open_uploads.remove(upload)
        upload.close()
    for upload in open_uploads:
        with suppress(OSError):  # refused this moment: its answer comes with the next round
            upload.sendall(_DROP)


def _memory_of(machine: Machine) -> int:
    """Return the resident memory of the api, bytes."""
    status = Path(f"/proc/{machine.system.processes['api'].pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) << 10
