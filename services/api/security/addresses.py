"""Say where a request comes from."""

from ipaddress import ip_address, ip_network

from starlette.requests import Request


def network_of(request: Request) -> str:
    """Return the address that a request came from; of IPv6 the part that one client is given, not all it may choose."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return host if address.version == 4 else str(ip_network((address, 64), strict=False))
