"""Real sockets on loopback: what each kind of server makes of a probe."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from probes.detector import Detector
from probes.dial import LOOKUPS_AT_ONCE
from probes.loop import run
from probes.policy import Outcome, ProbePolicy, Result, Send, Status, Vantage, Verdict
from probes.prober import Prober
from probes.targets import Kind, ProbeTarget
from probes.watching import watch

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[int]:
    """Listens on a free port of loopback; connections are closed with it."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for writer in writers:
            writer.close()
        for writer in writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def answering(status: str, body: bytes = b"ok", header: str = "") -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(f"HTTP/1.1 {status}\r\n{header}content-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()

    return handle


async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def ask(
    port: int, *, path: str = "/healthz", fresh: bool = True, timeout_s: float = 5.0, host: str = "127.0.0.1"
) -> Result:
    async with Prober("here") as prober:
        return await prober.probe(ProbeTarget("t", host, port, path), Send(1.0, "t", "here", fresh, timeout_s))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_resolver_that_hangs_is_nothing_against_the_target_and_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the loop wait for it when it closes, however many names stand in line."""
    real, asked, over = socket.getaddrinfo, [], threading.Event()

    def hangs(host: str, *args: object, **kwargs: int) -> object:
        if kwargs.get("flags"):
            return real(host, *args, **kwargs)
        asked.append(host)
        over.wait(20)
        return []

    async def scene() -> None:
        targets = [ProbeTarget(f"t{i}", f"slow{i}.example", 80) for i in range(LOOKUPS_AT_ONCE + 8)]
        async with Prober("here") as prober:
            looks = await asyncio.gather(*(prober.look(t, Send(0.0, t.name, "here", timeout_s=0.1)) for t in targets))
        for look in looks:
            assert look.result.outcome is Outcome.ERROR
            assert "does not resolve within 0.1 s" in look.reason
            assert look.timings.dns_s is not None
            assert look.timings.dns_s >= 0.1 - 1e-2

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    began_s = time.monotonic()
    run(scene())
    took_s = time.monotonic() - began_s
    over.set()
    assert len(asked) == LOOKUPS_AT_ONCE
    assert took_s < 15


def test_nobody_listens() -> None:
    port = free_port()
    assert asyncio.run(ask(port)).outcome is Outcome.REFUSED
    assert asyncio.run(ask(port, path="")).outcome is Outcome.REFUSED


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for path in ("/healthz", ""):
        assert asyncio.run(ask(80, host="no-such-host.invalid", path=path)).outcome is Outcome.ERROR


def test_a_name_that_is_none() -> None:
    for path in ("/healthz", ""):
        assert asyncio.run(ask(80, host="x" * 70, path=path, timeout_s=60)).outcome is Outcome.ERROR


@pytest.mark.parametrize("name", ["a..b", ".example", "x" * 70])
def test_a_name_that_tls_cannot_ask_for_is_a_reason_and_harms_no_other_probe(name: str) -> None:
    async def scene() -> None:
        async with server(answering("200 OK")) as port, Prober("here") as prober:
            send = Send(1.0, "t", "here", True, 5.0)
            for kind in (Kind.HTTP, Kind.TLS, Kind.GRPC):
                odd = ProbeTarget("t", "127.0.0.1", port, tls=True, host_header=name, kind=kind)
                look = await prober.look(odd, send)
                assert (look.result.outcome, "no name that TLS" in look.reason) == (Outcome.ERROR, True)
            well = await prober.look(ProbeTarget("t", "127.0.0.1", port), send)
            assert well.result.outcome is Outcome.OK

    run(scene())


def test_tcp() -> None:
    async def scene() -> None:
        async with server(mute) as port:
            assert (await ask(port, path="")).outcome is Outcome.OK

    asyncio.run(scene())


def test_a_blocked_loop_is_noticed() -> None:
    async def scene() -> None:
        async with server(mute) as port, Prober("here") as prober:
            probe = asyncio.create_task(
                prober.probe(ProbeTarget("t", "127.0.0.1", port), Send(0.0, "t", "here", True, 0.5))
            )
            await asyncio.sleep(0.1)
            time.sleep(0.3)  # what a busy process does to its loop
            result = await probe
            assert result.loop_lag_s > 0.2

    asyncio.run(scene())


def test_urls() -> None:
    assert ProbeTarget("t", "127.0.0.1", 80).url == "http://127.0.0.1:80/healthz"
    assert ProbeTarget("t", "::1", 443, "/x", tls=True).url == "https://[::1]:443/x"


def test_the_detector_drives_the_prober() -> None:
    """A server that is there and then is not: up, then down, with real sockets."""

    async def scene() -> list[Status]:
        policy = ProbePolicy(stable_interval_s=0.3, suspect_interval_s=0.3, unreachable_after_s=5.0)
        vantages = (Vantage("a"), Vantage("b"))
        found: list[Status] = []
        stop = asyncio.Event()
        changed = asyncio.Event()

        def on_verdict(verdict: Verdict) -> None:
            found.append(verdict.status)
            changed.set()
            if verdict.status is Status.DOWN:
                stop.set()

        async with Prober("a") as a, Prober("b") as b:
            async with server(answering("200 OK")) as port:
                targets = [ProbeTarget("t", "127.0.0.1", port)]
                watching = asyncio.create_task(
                    watch(Detector(policy, vantages), targets, {"a": a, "b": b}, on_verdict, stop)
                )
                await asyncio.wait_for(changed.wait(), 30)
            await asyncio.wait_for(watching, 60)
        return found

    assert asyncio.run(scene()) == [Status.UP, Status.SUSPECT, Status.DOWN]
