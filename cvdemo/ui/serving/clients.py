"""Who asks: the address that limits are counted by.

What a client says of itself counts for nothing: a session's name and the X-Forwarded-For header are its own choice. So
the address is that of the connection. Behind a proxy that would be the proxy's for everyone, so the header counts:

- Where CVDEMO_BEHIND_PROXY=1, its last entry, private or not: the one that the nearest proxy has added. What stands
  before it may come from the client.
- On a Hugging Face Space, the last public entry. Proxies inside the platform may add private ones, and no visitor has
  a private address there.
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
    peer = scope.get("state", {}).get(PEER) or (scope.get("client") or ("unknown",))[0]
    return _network((_forwarded(scope) if behind_proxy() else None) or peer)


def _forwarded(scope: Mapping[str, Any]) -> str | None:
    """The address in X-Forwarded-For that a proxy of ours has written; None where it is none."""
    header = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    entries = [entry.strip() for entry in reversed(header.decode("latin-1").split(","))]
    if "SPACE_ID" in os.environ:
        return next((entry for entry in entries if is_public(entry)), None)
    return entries[0] if _parsed(entries[0]) else None


def is_public(address: str) -> bool:
    """Whether it is an address of the internet, not of a proxy or a neighbour in the same house."""
    parsed = _parsed(address)
    return parsed is not None and parsed.is_global


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address as numbers; of one of IPv4 that a socket of IPv6 tells, ::ffff:1.2.3.4, the IPv4 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed


def _network(address: str) -> str:
    """The address itself, of IPv6 the network of 64 bits, of which one client has all addresses."""
    parsed = _parsed(address)
    if parsed is None:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)
    return str(parsed)
