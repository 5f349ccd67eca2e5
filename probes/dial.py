"""Names and connections: resolved, connected and encrypted one after the other, each with its time.

Callers: the wheel, by_task.py, agents. A name's addresses are kept for DNS_KEEP_S, so that a slow resolver is not
asked before each probe.
Names are looked up in threads of our own: a loop's close waits for its look-ups under way (uvloop's for those in line,
too), and a resolver that does not answer kept `probe watch` from ending for most of a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

from probes.targets import Timings

DNS_KEEP_S: Final = 30.0
DNS_KEEP_MOST: Final = 20_000
LOOKUPS_AT_ONCE: Final = 32
MAX_ADDRESSES: Final = 4  # of one name that are tried, one after the other

Address = tuple[socket.AddressFamily, tuple[str | int | bytes, ...]]
P = TypeVar("P", bound=asyncio.Protocol)


class NoAddressError(Exception):
    """A name that has no address."""


class Resolver:
    """Remembers addresses for DNS_KEEP_S."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], tuple[float, list[Address]]] = OrderedDict()
        self._room = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def addresses(self, host: str, port: int) -> tuple[list[Address], float | None]:
        """Addresses, and how long the resolver took (None: they were known). NoAddressError where there are none."""
        key, now_s = (host, port), time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and now_s - kept[0] < DNS_KEEP_S:
            return kept[1], None
        try:
            addresses = await self._look_up(host, port)
        except (OSError, UnicodeError) as exc:  # UnicodeError: what idna makes of a name that is none
            raise NoAddressError(f"{host[:80]} does not resolve: {exc}") from exc
        if not addresses:
            raise NoAddressError(f"{host[:80]} has no address")
        self._kept[key] = (now_s, addresses)
        while len(self._kept) > DNS_KEEP_MOST:
            self._kept.popitem(last=False)
        return addresses, time.monotonic() - now_s

    async def _look_up(self, host: str, port: int) -> list[Address]:
        with contextlib.suppress(socket.gaierror):  # an address as it is asks nobody
            return _addresses(host, port, socket.AI_NUMERICHOST)
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Address]] = loop.create_future()

        def tell(found: list[Address] | Exception) -> None:
            self._room.release()
            if answer.done():
                return  # whoever wanted it has gone
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def ask() -> None:
            found: list[Address] | Exception
            try:
                found = _addresses(host, port)
            except Exception as exc:  # noqa: BLE001  (a thread has no caller: it is raised where the answer is awaited)
                found = exc
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell, found)

        threading.Thread(target=ask, name=f"resolve {host[:80]}", daemon=True).start()
        return await answer


def _addresses(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, tuple(address)) for family, _, _, _, address in found[:MAX_ADDRESSES]]


async def resolved(resolver: Resolver, host: str, port: int, timings: Timings, limit: asyncio.Timeout) -> list[Address]:
    """Addresses. The clock of the probe stands still meanwhile: a slow resolver is nothing against the target.

    Raises NoAddressError, also where the name took longer than the whole probe may.
    """
    now_s, until_s = time.monotonic(), limit.when()
    left_s = None if until_s is None else until_s - asyncio.get_running_loop().time()
    limit.reschedule(None)
    try:
        async with asyncio.timeout(left_s):
            addresses, timings.dns_s = await resolver.addresses(host, port)
    except TimeoutError as exc:
        timings.dns_s = time.monotonic() - now_s
        raise NoAddressError(f"{host[:80]} does not resolve within {left_s or 0:.1f} s") from exc
    if until_s is not None:
        limit.reschedule(until_s + (timings.dns_s or 0.0))
    return addresses


async def dial(
    factory: Callable[[], P],
    addresses: list[Address],
    timings: Timings,
    context: ssl.SSLContext | None = None,
    server_name: str = "",
) -> P:
    """A connection to the first address that takes one. Raises OSError (ssl.SSLError is one)."""
    if context is not None:
        _check_name(server_name)
    loop = asyncio.get_running_loop()
    sock = await connected(loop, addresses, timings)
    began_s = time.monotonic()
    try:
        if context is None:
            _, protocol = await loop.create_connection(factory, sock=sock)
        else:
            _, protocol = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=server_name)
            timings.tls_s = time.monotonic() - began_s
    except BaseException:
        sock.close()
        raise
    return protocol


def _check_name(server_name: str) -> None:
    """Before there is a connection: uvloop leaves one half open whose TLS cannot begin, and its socket's number is then
    closed under whoever has it next."""
    try:
        fits = bool(server_name.encode("idna")) and not server_name.startswith(".")
    except UnicodeError:
        fits = False
    if not fits:
        raise OSError(f"{server_name[:80]!r} is no name that TLS can ask for")


async def connected(loop: asyncio.AbstractEventLoop, addresses: list[Address], timings: Timings) -> socket.socket:
    """A socket that never blocks, to the first address that takes one. Raises OSError."""
    failed: OSError | None = None
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        began_s = time.monotonic()
        try:
            await loop.sock_connect(sock, address)
        except OSError as exc:
            sock.close()
            failed = exc
            continue
        except BaseException:
            sock.close()
            raise
        timings.connect_s = time.monotonic() - began_s
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise failed or ConnectionError("no address")
