"""Loopback addresses that this process alone hands out, however many sandboxes run on the machine.

Callers: the containers and the load balancers. They are taken in blocks of 254. A block is claimed by a Unix socket
with a name and no file: the kernel gives it to one process, within the same network namespace as loopback, and takes it
back when that process ends, however it ends. So nothing is left to clean up, and two sandboxes never share an address.
Where there are no such sockets (other systems than Linux), blocks are not claimed: the first to bind an address has it.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from collections.abc import Iterator

_BLOCK = 256
_USABLE = 254  # all but .0 and .255


class Addresses:
    """first, last: dotted; the range of this kind of address. `used`, `held`: those not to hand out for now."""

    def __init__(self, first: str, last: str) -> None:
        self._first_block = self._next_block = int(ipaddress.IPv4Address(first)) // _BLOCK
        self._last_block = int(ipaddress.IPv4Address(last)) // _BLOCK
        self._claims: list[socket.socket] = []
        self._blocks: list[int] = []
        self._position = 0
        self.used: set[str] = set()
        self.held: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        """Free addresses in order, those handed out before as late as possible. It ends when no block is left."""
        passed = 0
        while True:
            if self._position >= len(self._blocks) * _USABLE:
                room = len(self._blocks) * _USABLE
                if 2 * len(self.used | self.held) < room and passed < room:
                    self._position = 0  # most of ours are free again: no need for another block
                elif not self._claim():
                    return
            block, offset = divmod(self._position, _USABLE)
            self._position += 1
            passed += 1
            address = str(ipaddress.IPv4Address(self._blocks[block] * _BLOCK + 1 + offset))
            if address not in self.used and address not in self.held:
                yield address

    def take(self) -> str:
        """A free address, kept until it is taken out of `used`. OSError EADDRNOTAVAIL where none is left."""
        address = next(iter(self), "")
        if not address:
            raise OSError(errno.EADDRNOTAVAIL, "no loopback address is free")
        self.used.add(address)
        return address

    def keep(self, address: str) -> None:
        """That very address is used, as it was before a restart; its block is claimed where no other process has it."""
        self.used.add(address)
        self._claim_block(int(ipaddress.IPv4Address(address)) // _BLOCK)

    def close(self) -> None:
        """Gives the blocks back. What still listens there is the caller's matter; a later use claims anew."""
        for claim in self._claims:
            claim.close()
        self._next_block = self._first_block
        self._claims.clear()
        self._blocks.clear()
        self._position = 0

    def _claim(self) -> bool:
        """Adds the next block that nobody has. False at the end of the range."""
        while self._next_block <= self._last_block:
            block = self._next_block
            self._next_block += 1
            if self._claim_block(block):
                return True
        return False

    def _claim_block(self, block: int) -> bool:
        """Whether it is ours from now on. False where another has it, or we have it already."""
        if block in self._blocks:
            return False
        if sys.platform == "linux":
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0duoyun-sandbox-addresses-{ipaddress.IPv4Address(block * _BLOCK)}")
            except OSError as exc:
                claim.close()
                if exc.errno == errno.EADDRINUSE:
                    return False
                raise
            self._claims.append(claim)
        self._blocks.append(block)
        return True
