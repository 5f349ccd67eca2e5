"""Opens the sockets: one probe of any kind with its times, and a loop that lets a detector drive probes.

Callers: orchestrator (release gates), the command line. Redirects are never followed, bodies are read up to a limit,
the environment's proxy is not used: a probe asks the target and nobody else. Non-goals: verdicts; thousands of targets
a second (wheel.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

from probes.detector import Detector
from probes.dial import Address, NoAddressError, Resolver, dial
from probes.grpc_health import HealthReader, NotGrpcError, check_request
from probes.http1 import Connection, NotHttpError, elsewhere
from probes.policy import Outcome, Result, Send, Verdict
from probes.targets import Kind, Look, ProbeTarget, Timings

__all__ = ["Exec", "LagMeter", "Look", "ProbeTarget", "Prober", "probe_once", "watch"]

TICK_S: Final = 0.25
LAG_PERIOD_S: Final = 0.05
LAG_KEPT: Final = 1200  # measurements: a minute of them
DAY_S: Final = 86_400.0


class Exec(Protocol):
    """Runs a command in a target's pod: the port that exec probes go through."""

    async def __call__(self, target: str, command: tuple[str, ...], timeout_s: float) -> int:
        """The command's exit code. Raises OSError or TimeoutError where it could not be run."""


class Looks(Protocol):
    """A prober here, or an agent elsewhere."""

    async def look(self, target: ProbeTarget, send: Send) -> Look:
        """One probe and everything it found. Raises VantageGoneError where nobody looked."""


class VantageGoneError(Exception):
    """An agent is not connected, or went away before it answered: nobody looked."""


class LagMeter:
    """Measures how late the event loop runs, so that a busy prober can distrust its own times."""

    def __init__(self) -> None:
        self._measured: deque[tuple[float, float]] = deque(maxlen=LAG_KEPT)  # when, lag

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(LAG_PERIOD_S)
            now_s = time.monotonic()
            self._measured.append((now_s, max(0.0, now_s - before_s - LAG_PERIOD_S)))

    def worst_since(self, since_s: float) -> float:
        """The largest lag in seconds that was seen since then; 0 where nothing was measured."""
        worst = 0.0
        for when_s, lag_s in reversed(self._measured):
            if when_s < since_s:
                break
            worst = max(worst, lag_s)
        return worst


class _Unwell(Exception):
    """The target answered, and is not well."""


class Prober:
    """Sends probes from one vantage. Open it with `async with`; safe for any number of probes at once."""

    def __init__(self, vantage: str, exec_port: Exec | None = None) -> None:
        self._vantage = vantage
        self._exec = exec_port
        self._lag = LagMeter()
        self._meter: asyncio.Task[None] | None = None
        self._idle: dict[ProbeTarget, Connection] = {}
        self._resolver = Resolver()
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def __aenter__(self) -> Prober:
        self._meter = asyncio.create_task(self._lag.run())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._meter is not None:
            self._meter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._meter
            self._meter = None
        for connection in self._idle.values():
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # lets transports that were aborted close their sockets

    async def probe(self, target: ProbeTarget, send: Send) -> Result:
        """One probe; never raises for what the target or the network does. elapsed_s is measured here."""
        return (await self.look(target, send)).result

    async def look(self, target: ProbeTarget, send: Send) -> Look:
        """One probe and everything it found. elapsed_s is without the time that the name took; see timings."""
        if self._meter is None:
            raise RuntimeError("open the prober with `async with` first")
        began_s = time.monotonic()
        look = Look(Result(self._vantage, target.name, send.sent_s, 0.0, Outcome.OK))
        outcome = Outcome.OK
        try:
            async with asyncio.timeout(send.timeout_s) as limit:
                await self._ask(target, send, look, limit)
        except TimeoutError:
            outcome, look.reason = Outcome.TIMEOUT, f"no answer within {send.timeout_s:g} s"
        except (_Unwell, NotHttpError, NotGrpcError, EOFError) as exc:
            outcome, look.reason = Outcome.UNHEALTHY, str(exc)
        except NoAddressError as exc:
            outcome, look.reason = Outcome.ERROR, str(exc)
        except ssl.SSLError as exc:
            outcome, look.reason = Outcome.UNHEALTHY, f"TLS: {getattr(exc, 'verify_message', '') or exc.reason or exc}"
        except OSError as exc:
            refused = isinstance(exc, (ConnectionRefusedError, ConnectionResetError, BrokenPipeError))
            outcome, look.reason = (Outcome.REFUSED if refused else Outcome.ERROR), str(exc)
        elapsed_s = time.monotonic() - began_s - (look.timings.dns_s or 0.0)
        lag_s = self._lag.worst_since(began_s)
        look.result = Result(self._vantage, target.name, send.sent_s, max(0.0, elapsed_s), outcome, lag_s)
        return look

    async def _ask(self, target: ProbeTarget, send: Send, look: Look, limit: asyncio.Timeout) -> None:
        match target.how:
            case Kind.HTTP:
                await self._http(target, send, look, limit)
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
                    raise _Unwell(f"the command ended with {code}")

    async def _addresses(self, target: ProbeTarget, timings: Timings, limit: asyncio.Timeout) -> list[Address]:
        """The clock of the probe stands still meanwhile: a slow resolver is nothing against the target."""
        now_s, until_s = time.monotonic(), limit.when()
        left_s = None if until_s is None else until_s - asyncio.get_running_loop().time()
        limit.reschedule(None)
        try:
            async with asyncio.timeout(left_s):
                addresses, timings.dns_s = await self._resolver.addresses(target.host, target.port)
        except TimeoutError as exc:
            timings.dns_s = time.monotonic() - now_s
            raise NoAddressError(f"{target.host[:80]} does not resolve within {left_s or 0:.1f} s") from exc
        if until_s is not None:
            limit.reschedule(until_s + (timings.dns_s or 0.0))
        return addresses

    async def _open(
        self, target: ProbeTarget, timings: Timings, limit: asyncio.Timeout, *, encrypted: bool
    ) -> Connection:
        addresses = await self._addresses(target, timings, limit)
        context = self._context(target.ca_file) if encrypted else None
        return await dial(Connection, addresses, timings, context, _name(target.host_header) or target.host)

    def _context(self, ca_file: str) -> ssl.SSLContext:
        if ca_file not in self._contexts:
            self._contexts[ca_file] = ssl.create_default_context(cafile=ca_file or None)
        return self._contexts[ca_file]

    async def _http(self, target: ProbeTarget, send: Send, look: Look, limit: asyncio.Timeout) -> None:
        request = (
            f"GET {target.path} HTTP/1.1\r\nhost: {target.host_header or target.authority}\r\n"
            "user-agent: duoyun-probe\r\naccept: */*\r\n"
            f"connection: {'close' if send.fresh else 'keep-alive'}\r\n\r\n"
        ).encode("ascii", "surrogateescape")
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
            kept = await self._open(target, look.timings, limit, encrypted=target.tls)
            began_s = time.monotonic()
            head = await kept.ask(request)
        look.timings.answer_s = time.monotonic() - began_s
        look.http_status = head.status
        if send.fresh or not kept.open:
            kept.close()
        else:
            self._idle[target] = kept
        if not 200 <= head.status < 400:
            raise _Unwell(f"HTTP {head.status}")
        if other := elsewhere(head, target.host, _name(target.host_header)):
            raise _Unwell(f"HTTP {head.status}: it sends us to {other}, which is another host; not followed")

    async def _tls(self, target: ProbeTarget, look: Look, limit: asyncio.Timeout) -> None:
        connection = await self._open(target, look.timings, limit, encrypted=True)
        transport = connection.transport
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        connection.close()
        if certificate:
            look.certificate_days = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / DAY_S
            if look.certificate_days < target.min_days:
                raise _Unwell(f"the certificate ends in {look.certificate_days:.1f} days")

    async def _line(self, target: ProbeTarget, look: Look, limit: asyncio.Timeout) -> _Line:
        """A connection that speaks HTTP/2."""
        addresses = await self._addresses(target, look.timings, limit)
        context = None
        if target.tls:
            context = ssl.create_default_context(cafile=target.ca_file or None)
            context.set_alpn_protocols(["h2"])
        return await dial(_Line, addresses, look.timings, context, _name(target.host_header) or target.host)

    async def _http2(self, target: ProbeTarget, look: Look, limit: asyncio.Timeout) -> None:
        try:
            from probes.http2 import Question
        except ModuleNotFoundError as exc:
            raise OSError("HTTP/2 needs the package h2: pip install 'duoyun[probes]'") from exc
        line = await self._line(target, look, limit)
        began_s = time.monotonic()
        try:
            question = Question(target.host_header or target.authority, target.path, tls=target.tls)
            line.write(question.first)
            while question.status is None:
                line.write(question.feed(await line.read()))
        finally:
            line.close()
        look.timings.answer_s = time.monotonic() - began_s
        look.http_status = question.status
        if not 200 <= question.status < 400:
            raise _Unwell(f"HTTP {question.status}")

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
            raise _Unwell(f"gRPC health says {status}")


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
            raise EOFError("the connection ended before the answer did")
        return data

    def write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _name(host_header: str) -> str:
    """The name in a Host header, without its port."""
    return urlsplit(f"//{host_header}").hostname or "" if host_header else ""


async def watch(
    detector: Detector,
    targets: Iterable[ProbeTarget],
    probers: Mapping[str, Looks],
    on_verdict: Callable[[Verdict], None],
    stop: asyncio.Event,
    on_look: Callable[[Look], None] | None = None,
) -> None:
    """Lets the detector drive the probers (one a vantage) until stop is set. Pending probes are cancelled then.

    The detector is polled as soon as a result is there and by its `next_wake_s`, at least every TICK_S.
    """
    by_name = {t.name: t for t in targets}
    for name in by_name:
        detector.watch(name, time.monotonic())
    running: set[asyncio.Task[None]] = set()
    news = asyncio.Event()

    async def run(send: Send) -> None:
        try:
            look = await probers[send.vantage].look(by_name[send.target], send)
        except VantageGoneError:
            return  # nobody looked: no result, and nothing against the target
        detector.on_result(look.result)
        if on_look is not None:
            on_look(look)
        news.set()

    stopping = asyncio.create_task(stop.wait())
    stopping.add_done_callback(lambda _: news.set())
    try:
        while not stop.is_set():
            news.clear()
            for order in detector.poll(time.monotonic()):
                if isinstance(order, Verdict):
                    on_verdict(order)
                else:
                    task = asyncio.create_task(run(order))
                    running.add(task)
                    task.add_done_callback(running.discard)
            wait_s = min(TICK_S, max(0.001, detector.next_wake_s - time.monotonic()))
            # Not wait_for: before Python 3.12 it may swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await news.wait()
    finally:
        stopping.cancel()
        for task in running:
            task.cancel()
        await asyncio.gather(stopping, *running, return_exceptions=True)


def probe_once(targets: Iterable[ProbeTarget], *, timeout_s: float = 5.0, vantage: str = "here") -> list[Result]:
    """Asks each target once, all at the same time, on fresh connections. For gates that want one look."""

    async def ask() -> list[Result]:
        async with Prober(vantage) as prober:
            now_s = time.monotonic()
            sends = [(t, Send(now_s, t.name, vantage, True, timeout_s)) for t in targets]
            return await asyncio.gather(*(prober.probe(t, s) for t, s in sends))

    return asyncio.run(ask())
