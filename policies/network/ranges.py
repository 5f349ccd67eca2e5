"""Sets of addresses as sorted, disjoint ranges of numbers, and how many of them belong to strangers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Final

Range = tuple[int, int]  # first and last, both in it
Ranges = tuple[Range, ...]

NOTHING: Final[Ranges] = ()


def union(ranges: Iterable[Range]) -> Ranges:
    """The same addresses as sorted, disjoint ranges."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def without(ranges: Ranges, taken: Ranges) -> Ranges:
    """What is in the one and not in the other; both are sorted and disjoint."""
    found: list[Range] = []
    for first, high in ranges:
        low = first
        for from_, to in taken:
            if to < low or from_ > high:
                continue
            if from_ > low:
                found.append((low, from_ - 1))
            low = to + 1
            if low > high:
                break
        if low <= high:
            found.append((low, high))
    return tuple(found)


def common(one: Ranges, other: Ranges) -> Ranges:
    """What is in both."""
    return without(one, without(one, other))


def size(ranges: Ranges) -> int:
    return sum(high - low + 1 for low, high in ranges)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of both versions."""

    v4: Ranges = NOTHING
    v6: Ranges = NOTHING

    def joined(self, other: Addresses) -> Addresses:
        return Addresses(union((*self.v4, *other.v4)), union((*self.v6, *other.v6)))

    def without(self, other: Addresses) -> Addresses:
        return Addresses(without(self.v4, other.v4), without(self.v6, other.v6))

    def strangers(self) -> bool:
        """So many public addresses that they cannot all be ours: as many as a /7 of IPv4, or a /15 of IPv6, has."""
        return size(common(self.v4, _PUBLIC_4)) >= MANY_4 or size(common(self.v6, _PUBLIC_6)) >= MANY_6


def addresses(cidrs: Iterable[str]) -> Addresses:
    """The addresses of blocks. ValueError where one is no block; host bits are ignored, as clouds do."""
    v4: list[Range] = []
    v6: list[Range] = []
    for cidr in cidrs:
        block = ip_network(cidr, strict=False)
        here = v4 if isinstance(block, IPv4Network) else v6
        here.append((int(block.network_address), int(block.broadcast_address)))
    return Addresses(union(v4), union(v6))


# No organisation has a block as large: the largest single holders have some /8s of IPv4.
MANY_4: Final = 2 ** (32 - 7)
MANY_6: Final = 2 ** (128 - 15)

# IANA IPv4 Special-Purpose Address Registry (RFC 6890) and multicast: nobody on the internet has these.
_SPECIAL_4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
)
_PUBLIC_4: Final = without(addresses(["0.0.0.0/0"]).v4, addresses(_SPECIAL_4).v4)
_PUBLIC_6: Final = addresses(["2000::/3"]).v6  # what IANA has given out as global unicast
