"""Listeners of the sandbox, with the network in front of them.

Callers: the clouds' servers, the clusters, the load balancers and the app. Without a network a connection is handed to
its server as it was accepted and costs nothing more; with one, a relay carries it. Both on the same address, so that a
network can be set and cleared while everything runs. Connections that were open without a network break once when one
is set, as they do when a route changes; those that are relayed follow each change at once.

Who calls is told by the source address: one that was given to a place stands there, any other at the vantage. Clusters
call from such addresses, so that what one site asks of another takes the way between these two.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from model.rng import stream
from sandbox.network.matrix import VANTAGE, Link, Settings
from sandbox.network.pipe import Counts
from sandbox.network.relay import Relay

Factory = Callable[[], asyncio.BaseProtocol]
_FIRST_STAND = int(ipaddress.IPv4Address("127.60.0.0"))
_BACKLOG = 1024
_AT_ONCE = 128
_log = logging.getLogger(__name__)


class Listener:
    """One listening socket. Like asyncio.Server where callers need it: close() and sockets."""

    def __init__(
        self, network: Network, factory: Factory, opened: socket.socket, at: Callable[[], str], tls: Mapping[str, Any]
    ) -> None:
        self._network, self._factory, self._at, self._tls = network, factory, at, tls
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = opened
        self._refusing: asyncio.TimerHandle | None = None
        self._direct: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()
        self._relays: set[Relay] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listen(opened)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return (self._socket,) if self._socket is not None else ()

    @property
    def place(self) -> str:
        return self._at()

    @property
    def port(self) -> int:
        return int(self.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Nobody new comes in; relayed connections end. Those handed over are their server's to end. Idempotent."""
        if self._refusing is not None:
            self._refusing.cancel()
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for task in tuple(self._tasks):
            task.cancel()
        for relay in tuple(self._relays):
            relay.finish(reset=True)
        self._network.forget(self)

    def break_direct(self) -> None:
        """Ends the connections that no relay carries."""
        for transport in tuple(self._direct):
            if isinstance(transport, asyncio.WriteTransport) and not transport.is_closing():
                transport.abort()

    def refuse(self, for_s: float) -> None:
        """For that long connections are refused, as if nobody listened here; those that are open break."""
        if self._socket is None:
            return
        if self._refusing is not None:
            self._refusing.cancel()
        else:
            name = self._socket.getsockname()
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = _bound(*name[:2])  # keeps the port from being given to somebody else
        self._refusing = self._loop.call_later(for_s, self._return)
        self.break_direct()
        for relay in tuple(self._relays):
            relay.finish(reset=True)

    def _return(self) -> None:
        self._refusing = None
        if self._socket is not None:
            self._listen(self._socket)

    def _listen(self, opened: socket.socket) -> None:
        opened.listen(_BACKLOG)
        self._loop.add_reader(opened, self._accept, opened)

    def _accept(self, opened: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                client, address = opened.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                _log.exception("no connection can be accepted")
                return
            client.setblocking(False)
            task = self._loop.create_task(self._take(client, str(address[0])))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self, client: socket.socket, source: str) -> None:
        try:
            if self._network.settings.on:
                await self._relay(client, source)
            else:
                await self._hand_over(client)
        except OSError as exc:  # a TLS handshake that fails, a client that went away: there is nobody to tell
            _log.debug("a connection from %s ended before it began: %s", source, exc)

    async def _hand_over(self, taken: socket.socket) -> asyncio.BaseTransport:
        try:
            transport, _protocol = await self._loop.connect_accepted_socket(self._factory, taken, **self._tls)
        except BaseException:
            taken.close()
            raise
        self._direct.add(transport)
        return transport

    async def _relay(self, client: socket.socket, source: str) -> None:
        inner, outer = socket.socketpair()
        for one in (inner, outer):
            one.setblocking(False)
        relay = self._network.relay(source, self, self._relays.discard)
        self._relays.add(relay)
        try:
            await relay.start(client, outer)
            self._direct.discard(await self._hand_over(inner))
        except BaseException:
            relay.finish(reset=True)
            raise


class Network:
    """All listeners and the settings. source addresses of sites: `stand`."""

    def __init__(self, seed: int = 0) -> None:
        self.settings = Settings()
        self._seed = seed
        self._listeners: set[Listener] = set()
        self._stands: dict[str, Callable[[], str]] = {}
        self._next_stand = 0
        self._counts: dict[tuple[str, str], Counts] = defaultdict(Counts)
        self._links: dict[tuple[str, str], Link] = {}

    async def listen(
        self, factory: Factory, host: str, port: int, *, at: str | Callable[[], str] = "", **tls: Any
    ) -> Listener:
        """Listens there. at: the place where the server stands. tls: ssl, ssl_handshake_timeout, ssl_shutdown_timeout.

        Raises OSError (PermissionError) where the port is refused.
        """
        place = at if callable(at) else lambda: at
        listener = Listener(self, factory, _bound(host, port), place, tls)
        self._listeners.add(listener)
        return listener

    def set(self, settings: Settings) -> None:
        """Takes effect at once, on open connections too."""
        begins = settings.on and not self.settings.on
        self.settings = settings
        self._links.clear()
        if begins:
            for listener in tuple(self._listeners):
                listener.break_direct()

    def stand(self, address: str, place: Callable[[], str]) -> None:
        """Connections from that source address come from that place."""
        self._stands[address] = place

    def new_stand(self, place: Callable[[], str]) -> str:
        """A loopback address of its own from which that place's connections may come: bind their sources to it."""
        self._next_stand += 1
        address = str(ipaddress.IPv4Address(_FIRST_STAND + self._next_stand))
        self.stand(address, place)
        return address

    def leave(self, address: str) -> None:
        """Ends `stand`."""
        self._stands.pop(address, None)

    def place_of(self, source: str) -> str:
        stand = self._stands.get(source)
        return stand() if stand is not None else VANTAGE

    def link(self, a: str, b: str) -> Link:
        found = self._links.get((a, b))
        if found is None:
            found = self._links[a, b] = self.settings.link(a, b)
        return found

    def relay(self, source: str, listener: Listener, done: Callable[[Relay], None]) -> Relay:
        """A relay from whoever calls to the listener's place."""
        here, there = self.place_of(source), listener.place
        counts = self._counts[here, there]
        rng = stream(self._seed, "network", here, there, counts.connections)
        return Relay(lambda: self.link(here, listener.place), rng, counts, done)

    def forget(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def describe(self) -> dict[str, Any]:
        """The settings, the links from the vantage to what listens here, and what the relays have counted."""
        places = sorted({listener.place for listener in self._listeners} - {""})
        paths = sorted({(VANTAGE, place) for place in places} | set(self._counts))
        return {
            **self.settings.describe(),
            "paths": [
                {
                    "from": a,
                    "to": b,
                    "link": asdict(self.link(a, b)),
                    "counted": asdict(self._counts.get((a, b), Counts())),
                }
                for a, b in paths
            ],
        }


def serving(runner: web.AppRunner) -> Factory:
    """What a set-up runner answers connections with."""
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    return runner.server


def _bound(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet. OSError where the address is refused."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened
