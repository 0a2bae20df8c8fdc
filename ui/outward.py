"""Whether an address leads out of this network: what somebody from outside may have the server fetch."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def leads_outward(address: str) -> bool:
    """Whether it is a page of the web whose host has public addresses alone. It asks for the host's addresses, so it
    may take seconds."""
    try:
        parts = urlsplit(address)
        port = parts.port or 443
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return False
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(str(each[4][0]).partition("%")[0]).is_global for each in found)
