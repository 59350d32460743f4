"""Keep connections away from private networks, unless they say that they lead there.

What a host's name means can change at any time. That the server is the one that is meant prove its certificate or
host key; here only what is plainly not public is refused before anything is sent there.
"""

import ipaddress
import socket

from libs.common.errors import SourceError
from libs.common.sources.stores.store import StoreFault


def refuse_private(host: str, port: int, connection: str) -> None:
    """Raise `SourceError` where a host has an address that is not public, `StoreFault` where it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise StoreFault(
            f"the host {host!r} of connection {connection!r} has no address: {exc}"
        ) from exc
    addresses = {str(address[0]).partition("%")[0] for *_, address in found}
    private = sorted(each for each in addresses if not ipaddress.ip_address(each).is_global)
    if private:
        raise SourceError(
            "source-not-allowed",
            f"the host {host!r} of connection {connection!r} has the address {private[0]}, which is not public; set "
            "its 'is_private' if that is meant",
        )
