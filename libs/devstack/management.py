"""Talk to RabbitMQ's management API: readiness, virtual hosts, and what queues hold."""

from typing import Any
from urllib.parse import quote

from libs.devstack.addresses import StackAddresses
from libs.devstack.local_http import ask

_TIMEOUT = 10.0


def call_management(
    addresses: StackAddresses, method: str, path: str, body: dict[str, Any] | None = None
) -> Any:
    """Send one request, such as GET ``/api/queues``; return the answer's JSON, None when empty.

    Raises `httpx.HTTPError` when the API refuses or is away.
    """
    answer = ask(
        addresses.management_url + path,
        _TIMEOUT,
        method,
        auth=(addresses.broker_user, addresses.credentials.broker),
        json=body,
    )
    answer.raise_for_status()
    return answer.json() if answer.content else None


def make_vhost(addresses: StackAddresses, name: str) -> None:
    """Make a virtual host in which our user may do everything."""
    vhost = quote(name, safe="")
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    call_management(addresses, "PUT", f"/api/vhosts/{vhost}")
    call_management(
        addresses, "PUT", f"/api/permissions/{vhost}/{addresses.broker_user}", everything
    )


def drop_vhost(addresses: StackAddresses, name: str) -> None:
    """Drop a virtual host with all its queues."""
    call_management(addresses, "DELETE", f"/api/vhosts/{quote(name, safe='')}")
