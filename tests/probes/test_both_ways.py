"""Servers that mean no good, asked both ways: by the wheel (HTTP in the clear) and in a task each (over TLS).

Which of them is asked is the prober's business: outcome and reason are the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from probes.policy import Outcome, Send
from probes.prober import Prober
from probes.targets import Look, ProbeTarget

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ENDED = "the connection ended before the answer did"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Way:
    """How a server is asked. opened: connections so far."""

    certificate: Path | None
    opened: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def to(self, handler: Handler) -> AsyncIterator[ProbeTarget]:
        """Listens on a free port of loopback; connections are closed with it."""
        context = None
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.opened += 1
            self._writers.append(writer)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(reader, writer)

        listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        tls = self.certificate is not None
        try:
            port = listening.sockets[0].getsockname()[1]
            yield ProbeTarget("t", "127.0.0.1", port, tls=tls, ca_file=str(self.certificate) if tls else "")
        finally:
            listening.close()
            for writer in self._writers:
                writer.transport.abort()


@pytest.fixture(params=["wheel", "task"])
def way(request: pytest.FixtureRequest, certificates: Callable[[int], Path]) -> Way:
    return Way(certificates(20) if request.param == "task" else None)


def asks(way: Way, handler: Handler, *sends: Send) -> list[Look]:
    """What each of them finds, one after the other."""

    async def scene() -> list[Look]:
        async with way.to(handler) as target, Prober("here") as prober:
            return [await prober.look(target, send) for send in sends]

    return asyncio.run(scene())


def order(*, fresh: bool = False, timeout_s: float = 20.0) -> Send:
    return Send(1.0, "t", "here", fresh, timeout_s)


def answering(*parts: bytes) -> Handler:
    """Each question with the same answer, in parts that leave one by one."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)

    return handle


def status(line: str, header: str = "", body: bytes = b"ok") -> Handler:
    return answering(f"HTTP/1.1 {line}\r\n{header}content-length: {len(body)}\r\n\r\n".encode() + body)


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def closes_within(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK[:25])
    writer.close()


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    for byte in b"HTTP/1.1 200 OK\r\n" * 100:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def stops_within(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx")
    await reader.read()


ELSEWHERE = "HTTP 302: it sends us to 192.0.2.1, which is another host; not followed"


@pytest.mark.parametrize(
    ("handler", "outcome", "reason"),
    [
        (status("200 OK"), Outcome.OK, ""),
        (status("204 No Content", body=b""), Outcome.OK, ""),
        (answering(OK[:20], OK[20:]), Outcome.OK, ""),
        (answering(b"HTTP/1.1 204 No\r\nconnection: close\r\n\r\n"), Outcome.OK, ""),
        (answering(b"HTTP/1.1 100 Go on\r\n\r\n", OK), Outcome.OK, ""),
        (answering(b"HTTP/1.0 200 OK\r\n\r\nold"), Outcome.OK, ""),
        (answering(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), Outcome.OK, ""),
        (answering(b"HTTP/1.1 200 OK\r\ncontent-length: 40000\r\n\r\n" + b"x" * 40_000), Outcome.OK, ""),
        (answering(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n" + b"x" * 300_000), Outcome.OK, ""),
        (endless, Outcome.OK, ""),
        (status("302 Found", "location: /elsewhere\r\n", b""), Outcome.OK, ""),
        (status("302 Found", "location: http://127.0.0.1/login\r\n", b""), Outcome.OK, ""),
        (status("302 Found", "location: http://192.0.2.1/\r\n", b""), Outcome.UNHEALTHY, ELSEWHERE),
        (status("302 Found", "location: http://[\r\n", b""), Outcome.UNHEALTHY, "which is another host"),
        (status("404 Not Found"), Outcome.UNHEALTHY, "HTTP 404"),
        (status("503 Service Unavailable"), Outcome.UNHEALTHY, "HTTP 503"),
        (answering(b"\x00\xffnot http at all\r\n\r\n"), Outcome.UNHEALTHY, "no HTTP status line"),
        (answering(b"HTTP/1.1 200 OK\r\ncontent-length: NaN\r\n\r\n"), Outcome.UNHEALTHY, "no length: b'NaN'"),
        (answering(b"HTTP/1.1 200 OK\r\na: " + b"b" * 20_000), Outcome.UNHEALTHY, "a head of more than 16384 bytes"),
        (closes, Outcome.UNHEALTHY, ENDED),
        (closes_within, Outcome.UNHEALTHY, ENDED),
        (resets, Outcome.REFUSED, "reset by peer"),
    ],
)
def test_what_is_made_of_an_answer(way: Way, handler: Handler, outcome: Outcome, reason: str) -> None:
    """Three times on connections that are kept where they can be, and once on one of its own."""
    for look in asks(way, handler, order(), order(), order(), order(fresh=True)):
        assert (look.result.outcome, reason in look.reason, bool(look.reason)) == (outcome, True, bool(reason))
        assert (look.result.vantage, look.result.target, look.result.sent_s) == ("here", "t", 1.0)
        assert 0 < look.result.elapsed_s < 20


@pytest.mark.parametrize("handler", [mute, drips, stops_within])
@pytest.mark.parametrize("fresh", [True, False])
def test_who_says_nothing_in_time_is_given_up(way: Way, handler: Handler, fresh: bool) -> None:
    for look in asks(way, handler, order(fresh=fresh, timeout_s=0.4)):
        assert (look.result.outcome, look.reason) == (Outcome.TIMEOUT, "no answer within 0.4 s")
        assert 0.4 - 1e-6 <= look.result.elapsed_s < 20  # sums of floats: not to the last digit


def test_a_kept_connection_that_the_server_closed_is_nothing_against_it(way: Way) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        writer.close()  # without a word to the next question

    found = [(look.result.outcome, look.reason) for look in asks(way, once, *[order()] * 4)]
    assert found == [(Outcome.OK, "")] * 4
    assert way.opened == 4


def test_connections_are_kept_unless_fresh_ones_are_wanted(way: Way) -> None:
    looks = asks(way, status("200 OK"), *[order()] * 5)
    assert ({k.result.outcome for k in looks}, way.opened) == ({Outcome.OK}, 1)
    assert [k.timings.connect_s is None for k in looks] == [False, True, True, True, True]
    way.opened = 0
    asks(way, status("200 OK"), order(), *[order(fresh=True)] * 3, order())
    assert way.opened == 4


def test_an_answer_that_nobody_asked_for_ends_the_connection(way: Way) -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK + b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")

    assert [k.result.outcome for k in asks(way, twice, *[order()] * 3)] == [Outcome.OK] * 3
    assert way.opened == 3


def test_one_that_answers_well_and_then_not_is_heard(way: Way) -> None:
    """Also where the second answer is as long as the first, of which the wheel remembers the length."""
    answers = iter([OK, OK, OK.replace(b"200 OK", b"503 No"), OK, b"HTTP/1.1 2xx OK\r\ncontent-length: 2\r\n\r\nok"])

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(next(answers))

    outcomes = [k.result.outcome.value for k in asks(way, handle, *[order()] * 5)]
    assert outcomes == ["ok", "ok", "unhealthy", "ok", "unhealthy"]
