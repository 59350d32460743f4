"""Keep connections away from private networks, unless they say that they lead there.

What a host's name means can change at any time. That the server is the one that is meant prove its certificate or
host key; here only what is plainly not public is refused before anything is sent there.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from libs.common.errors import SourceError
from libs.common.sources.stores.connections import Server
from libs.common.sources.stores.store import StoreFault

_NAT64 = IPv6Network("64:ff9b::/96")


def refuse_private(server: Server, connection: str) -> None:
    """Raise `SourceError` where a host has an address that is not public, `StoreFault` where it has none.

    One that may be private is not looked up.
    """
    if server.is_private:
        return
    host = server.host
    try:
        found = socket.getaddrinfo(host, server.port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise StoreFault(
            f"the host {host!r} of connection {connection!r} has no address: {exc}"
        ) from exc
    addresses = {str(address[0]).partition("%")[0] for *_, address in found}
    private = sorted(each for each in addresses if not _is_public(each))
    if private:
        raise SourceError(
            "source-not-allowed",
            f"the host {host!r} of connection {connection!r} has the address {private[0]}, which is not public; set "
            "its 'is_private' if that is meant",
        )


def _is_public(text: str) -> bool:
    """Return whether an address is public, and also the one of version 4 that it may stand for."""
    address: IPv4Address | IPv6Address = ip_address(text)
    if isinstance(address, IPv6Address):
        within = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
        address = address.ipv4_mapped or address.sixtofour or within or address
    return address.is_global and not address.is_multicast
