"""Sends to and reads from sockets that never block: one buffer for all of them, and what the kernel says of the moment.

Python hands the interpreter's lock over around each system call. Where another thread of the process never rests, it
comes back a switch interval later (5 ms, twice a probe), and a prober that could ask thousands a second asks two
hundred. A call that cannot block need not do so: `Held` makes it through ctypes.PyDLL, which keeps the lock; a pair of
calls costs 2 us more than `Plain`'s. Callers: the wheel. Non-goals: sockets that may block; waiting.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from typing import Final

from probes import stamps

READ_BYTES: Final = 16 * 1024
_FLAGS: Final = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_CONTROL: Final = struct.Struct("@Niiqq")  # cmsghdr and timespec, on 64 bits


class Plain:
    """By the methods of Python's sockets. stamp_s: when what was read last came, in seconds since the
    epoch; None where the kernel does not say."""

    def __init__(self) -> None:
        self.stamp_s: float | None = None
        self._buffer = bytearray(READ_BYTES)
        self._buffers = [self._buffer]
        self._view = memoryview(self._buffer)

    def send(self, sock: socket.socket, data: bytes) -> int:
        """How many bytes went. Raises OSError, BlockingIOError where there is no room."""
        return sock.send(data)

    def read(self, sock: socket.socket) -> bytes:
        """What came, at most READ_BYTES; b"" at the end. Raises OSError, BlockingIOError where nothing did."""
        count, ancillary, _, _ = sock.recvmsg_into(self._buffers, stamps.ROOM_BYTES)
        self.stamp_s = stamps.wall_s(ancillary) if ancillary else None
        return bytes(self._view[:count])


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    """struct msghdr of recvmsg(2), on 64 bits (musl's halves of the lengths are the lower ones of glibc's)."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_Iovec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Held(Plain):
    """The same without giving the interpreter's lock away. Linux on 64 bits; OSError or AttributeError elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        if sys.platform != "linux" or sys.maxsize < 2**32 or sys.byteorder != "little":
            raise OSError("the layout of msghdr is known for Linux on 64 bits only")
        library = ctypes.PyDLL(None, use_errno=True)
        self._send = library.send
        self._send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
        self._send.restype = ctypes.c_ssize_t
        self._recvmsg = library.recvmsg
        self._recvmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
        self._recvmsg.restype = ctypes.c_ssize_t
        room = (ctypes.c_char * READ_BYTES).from_buffer(self._buffer)
        self._control = ctypes.create_string_buffer(stamps.ROOM_BYTES)
        self._iovec = _Iovec(ctypes.addressof(room), READ_BYTES)
        self._header = _Msghdr(iov=ctypes.pointer(self._iovec), iovlen=1, control=ctypes.addressof(self._control))
        self._at = ctypes.addressof(self._header)

    def send(self, sock: socket.socket, data: bytes) -> int:
        sent: int = self._send(sock.fileno(), data, len(data), _FLAGS)
        if sent < 0:
            raise _failed()
        return sent

    def read(self, sock: socket.socket) -> bytes:
        header = self._header
        header.controllen = stamps.ROOM_BYTES
        count: int = self._recvmsg(sock.fileno(), self._at, _FLAGS)
        if count < 0:
            raise _failed()  # not asked again by Python's own method: a reset is told once, then it looks like an end
        self.stamp_s = None
        if header.controllen >= _CONTROL.size:
            _, level, kind, seconds, nanoseconds = _CONTROL.unpack_from(self._control)
            if kind == stamps.TIMESTAMPNS and level == socket.SOL_SOCKET:
                self.stamp_s = seconds + nanoseconds / 1e9
        return bytes(self._view[:count])


def _failed() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))  # of the class that goes with the number


def held_or(plain: Plain) -> Plain:
    """Held where it works, else what is given."""
    try:
        return Held()
    except (OSError, AttributeError):
        return plain
