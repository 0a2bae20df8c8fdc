"""How often an address of the network has tried something of late: wrong credentials, new guests."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

from assistant.access.limits_ledger import MINUTE, Counts

ADDRESSES = 10_000
"""Addresses that are remembered; of more, those forgotten that have tried nothing for longest."""
_SUBNET = 64


class Attempts:
    """Counts tries by address, in this process. An IPv6 address counts as its subnet: whoever has one has them all.
    ``most`` in a minute may change at any time."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._tried: OrderedDict[str, Counts] = OrderedDict()

    def again(self, address: str) -> float | None:
        """Count a try; None while there are not too many, else the seconds to wait. What is refused does not count, so
        that waiting helps."""
        now, key = self._clock(), _network(address)
        counts = self._tried.get(key) or Counts(MINUTE)
        self._tried[key] = counts
        self._tried.move_to_end(key)
        while len(self._tried) > ADDRESSES:
            self._tried.popitem(last=False)
        wait = counts.wait(self.most, 1, now)
        if wait > 0:
            return wait
        counts.add(1, now)
        return None

    def __len__(self) -> int:
        return len(self._tried)


def _network(address: str) -> str:
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:  # the name of a socket, or nothing: one for all
        return ""
    if isinstance(read, IPv6Address):
        if read.ipv4_mapped is not None:
            return str(read.ipv4_mapped)
        return str(IPv6Network((read, _SUBNET), strict=False))
    return str(read)
