"""What the wheel does not speak, in a task for each probe: TLS, HTTP over it, HTTP/2, TCP, gRPC health, exec.

Callers: the prober. Non-goals: HTTP in the clear (wheel.py); verdicts.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Final, Protocol, cast

from probes.dial import Address, Resolver, dial, resolved
from probes.failures import ENDED, UnwellError, meaning
from probes.grpc_health import HealthReader, check_request
from probes.http1 import Connection, question, unwell
from probes.lag import LagMeter
from probes.policy import Outcome, Result, Send
from probes.targets import Kind, Look, ProbeTarget, Timings, name_of

DAY_S: Final = 86_400.0


class Exec(Protocol):
    """Runs a command in a target's pod: the port that exec probes go through."""

    async def __call__(self, target: str, command: tuple[str, ...], timeout_s: float) -> int:
        """The command's exit code. Raises OSError or TimeoutError where it could not be run."""


class ByTask:
    """Probes from one vantage; any number at once."""

    def __init__(self, vantage: str, lag: LagMeter, resolver: Resolver, exec_port: Exec | None = None) -> None:
        self._vantage = vantage
        self._lag = lag
        self._resolver = resolver
        self._exec = exec_port
        self._idle: dict[ProbeTarget, Connection] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}

    def close(self) -> None:
        """Ends the kept connections."""
        for connection in self._idle.values():
            connection.close()
        self._idle.clear()

    async def look(self, target: ProbeTarget, send: Send) -> Look:
        """One probe; never raises for what the target or the network does."""
        began_s = time.monotonic()
        look = Look(Result(self._vantage, target.name, send.sent_s, 0.0, Outcome.OK))
        outcome = Outcome.OK
        try:
            async with asyncio.timeout(send.timeout_s) as limit:
                await self._ask(target, send, look, limit)
        except Exception as exc:  # noqa: BLE001  (what is none of a probe's is raised again)
            outcome, look.reason = meaning(exc, send.timeout_s)
        elapsed_s = time.monotonic() - began_s - (look.timings.dns_s or 0.0)
        lag_s = self._lag.worst_since(began_s)
        look.result = Result(self._vantage, target.name, send.sent_s, max(0.0, elapsed_s), outcome, lag_s)
        return look

    async def _ask(self, target: ProbeTarget, send: Send, look: Look, limit: asyncio.Timeout) -> None:
        match target.how:
            case Kind.HTTP:
                await self._https(target, send, look, limit)
            case Kind.HTTP2:
                await self._http2(target, look, limit)
            case Kind.TCP:
                (await self._open(target, look.timings, limit, encrypted=target.tls)).close()
            case Kind.TLS:
                await self._tls(target, look, limit)
            case Kind.GRPC:
                await self._grpc(target, look, limit)
            case Kind.EXEC:
                if self._exec is None:
                    raise OSError("no port for exec probes was handed in")
                code = await self._exec(target.name, target.command, send.timeout_s)
                if code != 0:
                    raise UnwellError(f"the command ended with {code}")

    async def _addresses(self, target: ProbeTarget, timings: Timings, limit: asyncio.Timeout) -> list[Address]:
        return await resolved(self._resolver, target.host, target.port, timings, limit)

    async def _open(
        self, target: ProbeTarget, timings: Timings, limit: asyncio.Timeout, *, encrypted: bool
    ) -> Connection:
        addresses = await self._addresses(target, timings, limit)
        context = self._context(target.ca_file) if encrypted else None
        return await dial(Connection, addresses, timings, context, name_of(target.host_header) or target.host)

    def _context(self, ca_file: str) -> ssl.SSLContext:
        if ca_file not in self._contexts:
            self._contexts[ca_file] = ssl.create_default_context(cafile=ca_file or None)
        return self._contexts[ca_file]

    async def _https(self, target: ProbeTarget, send: Send, look: Look, limit: asyncio.Timeout) -> None:
        request = question(target, fresh=send.fresh)
        kept = None if send.fresh else self._idle.pop(target, None)
        began_s = time.monotonic()
        if kept is not None and kept.open:
            try:
                head = await kept.ask(request)
            except (OSError, EOFError):
                if kept.heard:
                    raise
                kept = None  # it was closed while nobody asked: nothing against the target
        else:
            kept = None
        if kept is None:
            kept = await self._open(target, look.timings, limit, encrypted=True)
            began_s = time.monotonic()
            head = await kept.ask(request)
        look.timings.answer_s = time.monotonic() - began_s
        look.http_status = head.status
        if send.fresh or not kept.open or target in self._idle:  # another one is kept by now
            kept.close()
        else:
            self._idle[target] = kept
        if why := unwell(head, target):
            raise UnwellError(why)

    async def _tls(self, target: ProbeTarget, look: Look, limit: asyncio.Timeout) -> None:
        connection = await self._open(target, look.timings, limit, encrypted=True)
        transport = connection.transport
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        connection.close()
        if certificate:
            look.certificate_days = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / DAY_S
            if look.certificate_days < target.min_days:
                raise UnwellError(f"the certificate ends in {look.certificate_days:.1f} days")

    async def _line(self, target: ProbeTarget, look: Look, limit: asyncio.Timeout) -> _Line:
        """A connection that speaks HTTP/2."""
        addresses = await self._addresses(target, look.timings, limit)
        context = None
        if target.tls:
            context = ssl.create_default_context(cafile=target.ca_file or None)
            context.set_alpn_protocols(["h2"])
        return await dial(_Line, addresses, look.timings, context, name_of(target.host_header) or target.host)

    async def _http2(self, target: ProbeTarget, look: Look, limit: asyncio.Timeout) -> None:
        try:
            from probes.http2 import Question
        except ModuleNotFoundError as exc:
            raise OSError("HTTP/2 needs the package h2: pip install 'duoyun[probes]'") from exc
        line = await self._line(target, look, limit)
        began_s = time.monotonic()
        try:
            asked = Question(target.host_header or target.authority, target.path, tls=target.tls)
            line.write(asked.first)
            while asked.status is None:
                line.write(asked.feed(await line.read()))
        finally:
            line.close()
        look.timings.answer_s = time.monotonic() - began_s
        look.http_status = asked.status
        if not 200 <= asked.status < 400:
            raise UnwellError(f"HTTP {asked.status}")

    async def _grpc(self, target: ProbeTarget, look: Look, limit: asyncio.Timeout) -> None:
        line = await self._line(target, look, limit)
        began_s = time.monotonic()
        try:
            line.write(check_request(target.host_header or target.authority, target.grpc_service, tls=target.tls))
            reader, status = HealthReader(), None
            while status is None:
                reply, status = reader.feed(await line.read())
                line.write(reply)
        finally:
            line.close()
        look.timings.answer_s = time.monotonic() - began_s
        if status != "SERVING":
            raise UnwellError(f"gRPC health says {status}")


class _Line(asyncio.Protocol):
    """Bytes in and out, at most a few reads ahead."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # of a stream; uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._came.put_nowait(data)
        if self._came.qsize() > 8 and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._came.put_nowait(b"")

    async def read(self) -> bytes:
        """What came. EOFError where nothing will come any more."""
        if self._came.empty() and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        data = await self._came.get()
        if not data:
            raise EOFError(ENDED)
        return data

    def write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
