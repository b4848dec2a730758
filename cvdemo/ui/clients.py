"""Who asks: the address that limits are counted by.

What a client says of itself counts for nothing: a session's name and the X-Forwarded-For header are its own choice. So
the address is that of the connection. Behind a proxy that would be the proxy's for everyone: on a Hugging Face Space,
or where CVDEMO_BEHIND_PROXY=1, it is the last public address in the header, which the nearest proxy has added.
"""

import ipaddress
import os
from collections.abc import Mapping
from typing import Any

PEER = "peer"  # under this name the connection's address stands in a request's state; see `connections`


def behind_proxy() -> bool:
    """Whether X-Forwarded-For is written by a proxy of ours."""
    return "SPACE_ID" in os.environ or os.environ.get("CVDEMO_BEHIND_PROXY") == "1"


def address_of(scope: Mapping[str, Any]) -> str:
    """The address of the client that sent a request (ASGI scope)."""
    if behind_proxy():
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for part in reversed(forwarded.decode("latin-1").split(",")):
            if is_public(part.strip()):
                return _network(part.strip())
    peer = scope.get("state", {}).get(PEER) or (scope.get("client") or ("unknown",))[0]
    return _network(peer)


def is_public(address: str) -> bool:
    """Whether it is an address of the internet, not of a proxy or a neighbour in the same house."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _network(address: str) -> str:
    """The address itself, of IPv6 the network of 64 bits, of which one client has all addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)
    return address
