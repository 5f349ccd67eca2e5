"""A TCP relay: bytes in at one end, out at the other when the network has carried them. TLS passes as it is.

Callers: sandbox.network.listen, for each connection that comes while a network is set.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from random import Random
from typing import cast

from sandbox.network.matrix import Link
from sandbox.network.pipe import Counts, Direction, Reset

_WINDOW_BYTES = 1024 * 1024
_CUT_LOOKS_S = 0.1
_LINGER_NONE = struct.pack("ii", 1, 0)


class _End(asyncio.Protocol):
    """One of the two sockets. What it reads travels to the other one."""

    def __init__(self, relay: Relay, direction: Direction) -> None:
        self._relay, self._direction = relay, direction
        self.transport: asyncio.Transport | None = None
        self.peer: _End
        self._flying_bytes = 0
        self._paused = False
        self._ended = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._held: list[bytes | None] = []  # while the link is cut; None is the end of the stream

    # -- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._flying_bytes += len(data)
        self._throttle()
        self._send(data)

    def eof_received(self) -> bool:
        if not self._ended:
            self._ended = True
            self._send(None)
        return True  # the way back stays open

    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.finish(reset=exc is not None)

    def pause_writing(self) -> None:
        self.peer._paused = True
        self.peer._throttle()

    def resume_writing(self) -> None:
        self.peer._paused = False
        self.peer._throttle()

    # -- travelling --------------------------------------------------------------------------------------------

    def _send(self, data: bytes | None) -> None:
        link = self._relay.link()
        if self._held or link.cut:
            if not self._held:
                self._after(self._relay.loop.time() + _CUT_LOOKS_S, self._look_again)
            self._held.append(data)
            return
        self._travel(link, data)

    def _look_again(self) -> None:
        """The link was cut: what was sent meanwhile goes out once it is back."""
        link = self._relay.link()
        if link.cut:
            self._after(self._relay.loop.time() + _CUT_LOOKS_S, self._look_again)
            return
        held, self._held = self._held, []
        for data in held:
            self._travel(link, data)

    def _travel(self, link: Link, data: bytes | None) -> None:
        now_s = self._relay.loop.time()
        try:
            if data is None:
                self._after(self._direction.end_s(link, now_s), self._deliver_end)
            else:
                at_s = self._direction.arrival_s(link, now_s, len(data))
                self._after(at_s, lambda: self._deliver(data))
        except Reset as reset:
            self._after(reset.at_s, lambda: self._relay.finish(reset=True))

    def _after(self, at_s: float, act: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            act()

        timer = self._relay.loop.call_at(at_s, run)
        self._timers.add(timer)

    def _deliver(self, data: bytes) -> None:
        self._flying_bytes -= len(data)
        other = self.peer.transport
        if other is not None and not other.is_closing():
            other.write(data)
        self._throttle()

    def _deliver_end(self) -> None:
        other = self.peer.transport
        if other is not None and not other.is_closing():
            with contextlib.suppress(OSError):  # the socket went in the meantime
                other.write_eof()
        self._relay.half_done()

    def _throttle(self) -> None:
        if self.transport is None or self.transport.is_closing() or self._ended:
            return
        if self._paused or self._flying_bytes > _WINDOW_BYTES:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def drop(self, *, reset: bool) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self.transport is None or self.transport.is_closing():
            return
        if reset:
            raw = self.transport.get_extra_info("socket")
            if raw is not None and raw.family != socket.AF_UNIX:
                with contextlib.suppress(OSError):  # it may be gone already
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            self.transport.abort()
        else:
            self.transport.close()


class Relay:
    """One connection. link: what lies between its ends, asked for each piece, so that a change takes effect at once."""

    def __init__(self, link: Callable[[], Link], rng: Random, counts: Counts, done: Callable[[Relay], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.link, self._done = link, done
        self._halves = 0
        self._over = False
        counts.connections += 1
        self._there = _End(self, Direction(rng, counts, opens=True))
        self._back = _End(self, Direction(rng, counts, opens=False))
        self._there.peer, self._back.peer = self._back, self._there

    async def start(self, client: socket.socket, server: socket.socket) -> None:
        """Takes over both sockets."""
        for end, taken in ((self._back, server), (self._there, client)):
            await self.loop.connect_accepted_socket(lambda end=end: end, taken)  # type: ignore[misc]

    def half_done(self) -> None:
        """One direction has ended; with both the connection is over."""
        self._halves += 1
        if self._halves >= 2:
            self.finish(reset=False)

    def finish(self, *, reset: bool) -> None:
        """The end of both sides, with a reset or without; what still travels is lost. Once is enough."""
        if self._over:
            return
        self._over = True
        self._there.drop(reset=reset)
        self._back.drop(reset=reset)
        self._done(self)
