"""When the kernel took an answer from the network, so that a prober that reads late still measures the network.

Callers: the wheel. SO_TIMESTAMPNS gives the software receive stamp that SO_TIMESTAMPING gives too (Linux
Documentation/networking/timestamping.rst), in one timespec instead of three; on TCP it is that of the last byte that
was read (Linux 4.13 and later). Stamps are of the wall clock: Wall says how far it is from the monotonic one, and
notices when it was set. Non-goals: stamps of network cards, whose clocks are their own; stamps of what we send.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from typing import Final

# SO_TIMESTAMPNS_NEW of asm-generic/socket.h (Linux 5.1): 64 bits of seconds on every machine. Python names it nowhere.
TIMESTAMPNS: Final = 64
TIMESPEC: Final = struct.Struct("qq")
ROOM_BYTES: Final = socket.CMSG_SPACE(TIMESPEC.size)
_STEP_S: Final = 0.001  # the clock is slewed by 500 ppm at most; more between two ticks means that somebody set it
_SURE_S: Final = 0.000_05  # between the two looks at the monotonic clock
_TRIES: Final = 4

Ancillary = list[tuple[int, int, bytes]]


def wanted(sock: socket.socket) -> bool:
    """Asks the kernel for stamps on this socket; False where it has none to give."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def wall_s(ancillary: Ancillary) -> float | None:
    """The stamp among what recvmsg brought, in seconds since the epoch; None where there is none."""
    for level, kind, data in ancillary:
        if kind == TIMESTAMPNS and level == socket.SOL_SOCKET and len(data) == TIMESPEC.size:
            seconds, nanoseconds = TIMESPEC.unpack(data)
            return float(seconds + nanoseconds / 1e9)
    return None


class Wall:
    """How far the wall clock is ahead of the monotonic one."""

    def __init__(self) -> None:
        self._ahead_s: float | None = None

    def ahead_s(self) -> float | None:
        """In seconds; None where it cannot be told, or where the clock was set since the last look: stamps lie then."""
        for _ in range(_TRIES):
            before_s = time.monotonic()
            wall_s = time.time()
            after_s = time.monotonic()
            if after_s - before_s <= _SURE_S:
                break
        else:
            return None
        last_s, self._ahead_s = self._ahead_s, wall_s - (before_s + after_s) / 2
        return self._ahead_s if last_s is None or abs(self._ahead_s - last_s) <= _STEP_S else None
