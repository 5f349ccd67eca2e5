"""TLS, gRPC health, exec, names and servers that mean no good: real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from probes.grpc_health import HealthReader, NotGrpcError, check_request
from probes.policy import Outcome, Send
from probes.prober import Prober
from probes.targets import Kind, Look, ProbeTarget

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def look_at(target: ProbeTarget, *, timeout_s: float = 5.0, fresh: bool = True, **prober: Any) -> Look:
    async with Prober("here", **prober) as opened:
        return await opened.look(target, Send(0.0, target.name, "here", fresh, timeout_s))


def serving_with(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


def test_tls_tells_the_days_that_are_left(certificates: Callable[[int], Path]) -> None:
    async def scene() -> None:
        path = certificates(20)
        async with server(ok, serving_with(path)) as port:
            target = ProbeTarget("t", "127.0.0.1", port, kind=Kind.TLS, ca_file=str(path))
            look = await look_at(target)
            assert look.result.outcome is Outcome.OK
            assert look.certificate_days == pytest.approx(20, abs=0.1)
            assert look.timings.tls_s is not None
            soon = ProbeTarget("t", "127.0.0.1", port, kind=Kind.TLS, ca_file=str(path), min_days=30)
            look = await look_at(soon)
            assert (look.result.outcome, look.reason) == (Outcome.UNHEALTHY, "the certificate ends in 20.0 days")
            https = ProbeTarget("t", "127.0.0.1", port, tls=True, ca_file=str(path))
            assert (await look_at(https)).result.outcome is Outcome.OK

    asyncio.run(scene())


def test_certificates_that_do_not_hold(certificates: Callable[[int], Path]) -> None:
    async def scene() -> None:
        path = certificates(-30)
        async with server(ok, serving_with(path)) as port:
            look = await look_at(ProbeTarget("t", "127.0.0.1", port, kind=Kind.TLS, ca_file=str(path)))
            assert look.result.outcome is Outcome.UNHEALTHY
            assert "expired" in look.reason
            look = await look_at(ProbeTarget("t", "127.0.0.1", port, kind=Kind.TLS))
            assert look.result.outcome is Outcome.UNHEALTHY
            assert "self-signed" in look.reason

    asyncio.run(scene())


def frames(*parts: tuple[int, int, int, bytes]) -> bytes:
    return b"".join(
        len(p).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + p
        for kind, flags, stream, p in parts
    )


def health(*message: int) -> bytes:
    return b"\x00" + len(message).to_bytes(4, "big") + bytes(message)


SETTINGS = (4, 0, 0, b"")
HEADERS = (1, 4, 1, b"\x88")


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (frames(SETTINGS, HEADERS, (0, 0, 1, health(8, 1))), Outcome.OK, ""),
        (frames(SETTINGS, HEADERS, (0, 0, 1, health(8, 2))), Outcome.UNHEALTHY, "gRPC health says NOT_SERVING"),
        (frames(SETTINGS, HEADERS, (0, 0, 1, health())), Outcome.UNHEALTHY, "gRPC health says UNKNOWN"),
        (frames(SETTINGS, (1, 5, 1, b"\x88")), Outcome.UNHEALTHY, "no health service"),
        (frames(SETTINGS, (7, 0, 0, bytes(8))), Outcome.UNHEALTHY, "ended the stream"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Outcome.UNHEALTHY, "no HTTP/2"),
    ],
)
def test_grpc_health(answer: bytes, outcome: Outcome, reason: str) -> None:
    asked = b""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked = await reader.readexactly(len(check_request("x", "shop.Cart", tls=False)))
        writer.write(answer)
        await writer.drain()
        await reader.read()

    async def scene() -> None:
        async with server(handle) as port:
            target = ProbeTarget("t", "127.0.0.1", port, host_header="x", kind=Kind.GRPC, grpc_service="shop.Cart")
            look = await look_at(target)
            assert look.result.outcome is outcome
            assert reason in look.reason
            assert asked.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert b"/grpc.health.v1.Health/Check" in asked
            assert asked.endswith(b"\x0a\x09shop.Cart")

    asyncio.run(scene())


def test_grpc_answers_in_pieces_are_acknowledged() -> None:
    answer = frames(SETTINGS, (6, 0, 0, b"12345678"), HEADERS, (0, 8, 1, b"\x02" + health(8, 1) + b"\0\0"))
    reader, written, status = HealthReader(), b"", None
    for index in range(len(answer)):
        reply, status = reader.feed(answer[index : index + 1])
        written += reply
    assert status == "SERVING"
    assert written == frames((4, 1, 0, b""), (6, 1, 0, b"12345678"))
    with pytest.raises(NotGrpcError, match="without end"):
        for _ in range(100):
            reader.feed(frames((0, 0, 3, bytes(60_000))))


def test_exec_goes_through_the_port_that_was_handed_in() -> None:
    async def command(target: str, command: tuple[str, ...], timeout_s: float) -> int:
        assert (target, timeout_s) == ("t", 5.0)
        return int(command[0])

    for code, outcome in (("0", Outcome.OK), ("3", Outcome.UNHEALTHY)):
        target = ProbeTarget("t", "", 0, kind=Kind.EXEC, command=(code,))
        look = asyncio.run(look_at(target, exec_port=command))
        assert look.result.outcome is outcome
    look = asyncio.run(look_at(ProbeTarget("t", "", 0, kind=Kind.EXEC)))
    assert (look.result.outcome, look.reason) == (Outcome.ERROR, "no port for exec probes was handed in")


def test_a_slow_resolver_is_not_the_targets_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = socket.getaddrinfo, []

    def slow(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        time.sleep(0.3)
        return real("127.0.0.1", *args, **kwargs)

    async def scene() -> None:
        async with server(ok) as port, Prober("here") as prober:
            monkeypatch.setattr(socket, "getaddrinfo", slow)
            target = ProbeTarget("t", "slow.example", port)
            first = await prober.look(target, Send(0.0, "t", "here", True, 5.0))
            assert first.result.outcome is Outcome.OK
            assert first.timings.dns_s is not None
            assert first.timings.dns_s >= 0.3
            assert first.result.elapsed_s < 0.25
            second = await prober.look(target, Send(0.0, "t", "here", True, 5.0))
            assert second.timings.dns_s is None
            assert asked == ["slow.example"]

    asyncio.run(scene())


@pytest.mark.parametrize("wrong", [{"port": 0}, {"path": "/a b"}, {"path": "/x\r\ny: z"}, {"host_header": "é"}])
def test_targets_that_cannot_be_written_down(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no port|cannot stand"):
        ProbeTarget(**({"name": "t", "host": "127.0.0.1", "port": 80} | wrong))
