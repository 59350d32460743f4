"""Talk to RabbitMQ's management API: readiness, virtual hosts, and what queues hold."""

import base64
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from libs.devstack.addresses import StackAddresses

_TIMEOUT = 10.0


def call_management(
    addresses: StackAddresses, method: str, path: str, body: dict[str, Any] | None = None
) -> Any:
    """Send one request, such as GET ``/api/queues``; return the answer's JSON, None when empty.

    Raises `OSError` (of which `urllib.error.HTTPError` is one) when the API refuses or is away.
    """
    user = f"{addresses.broker_user}:{addresses.credentials.broker}".encode()
    request = urllib.request.Request(  # noqa: S310  # our own address
        addresses.management_url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Basic {base64.b64encode(user).decode()}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            text = answer.read()
    except urllib.error.HTTPError as exc:
        exc.close()
        raise
    return json.loads(text) if text else None


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
