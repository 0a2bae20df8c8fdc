"""Which addresses lead out of this network: all that somebody from elsewhere may have the server fetch."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from assistant.knowledge.loading import ReadError

if TYPE_CHECKING:
    import httpx

_FORM = re.compile(r"https?://[^\s\\/?#@]+(?:[/?#][^\s\\]*)?")
"""No user, no blank and nothing that programs read in two ways."""
_SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "2002::/16", "2001::/32", "64:ff9b:1::/48")))
"""What not every Python calls private: addresses for protocols (RFC 6890), where a cloud's metadata may be, and IPv4
addresses in disguise (6to4, Teredo, local NAT64). The other disguises lie in ``::/8``, which is reserved."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a page is asked for: the address with the host as it was checked, and what tells the server and TLS of its
    name."""

    url: httpx.URL
    headers: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)


async def leads_outward(address: str) -> bool:
    """Whether it is a page of the web whose host has public addresses alone. It asks for them, so it may take
    seconds; they can be others a moment later, so that each request goes by `way_out`."""
    import httpx

    if not _FORM.fullmatch(address):
        return False
    try:
        await way_out(httpx.URL(address))
    except (ReadError, httpx.InvalidURL):
        return False
    return True


async def way_out(url: httpx.URL) -> Way:
    """The way to a page, whose host is looked up once: what was checked is what is connected to. Raises ReadError
    where any of its addresses is not public."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ReadError("its host name is not known: check the address and the network") from error
    places = [str(each[4][0]) for each in found]
    if not places or not all(map(is_public, places)):
        raise ReadError("its host is not on the public web")
    at = url.copy_with(host=places[0])
    return Way(at, {"Host": url.netloc.decode("ascii")}, {"sni_hostname": url.raw_host.decode("ascii")})


def is_public(place: str) -> bool:
    """Whether an address of the network is one of the internet's, and of one machine."""
    address = ip_address(place.partition("%")[0])
    if any(address in each for each in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
