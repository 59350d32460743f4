"""Give each test process a RabbitMQ virtual host of its own."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from libs.devstack.addresses import StackAddresses
from libs.devstack.management import call_management, drop_vhost, make_vhost


@dataclass(frozen=True)
class ScratchVhost:
    """A virtual host that belongs to one test process."""

    name: str
    addresses: StackAddresses

    @property
    def url(self) -> str:
        """Return the broker's URL (``amqp://…``) of this virtual host."""
        return self.addresses.broker_url(self.name)

    def queues(self) -> list[dict[str, Any]]:
        """List the queues as the management API describes them (its counts are up to 5 s old)."""
        answer: list[dict[str, Any]] = call_management(
            self.addresses, "GET", f"/api/queues/{quote(self.name, safe='')}"
        )
        return answer


@contextmanager
def scratch_vhost(addresses: StackAddresses) -> Iterator[ScratchVhost]:
    """Make a virtual host and drop it in the end, queues and connections and all."""
    name = f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    make_vhost(addresses, name)
    try:
        yield ScratchVhost(name, addresses)
    finally:
        drop_vhost(addresses, name)
