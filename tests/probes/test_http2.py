"""HTTP/2 against a server of the same library on loopback, and what is no HTTP/2."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from probes.policy import Outcome, Send
from probes.prober import Prober
from probes.targets import Kind, Look, ProbeTarget
from tests.probes.pki import Authority

h2_connection = pytest.importorskip("h2.connection")
h2_config = pytest.importorskip("h2.config")
h2_events = pytest.importorskip("h2.events")


@contextlib.asynccontextmanager
async def server(status: str, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2_connection.H2Connection(h2_config.H2Configuration(client_side=False))
        connection.initiate_connection()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                for event in connection.receive_data(data):
                    if isinstance(event, h2_events.RequestReceived):
                        asked.append({bytes(k): bytes(v) for k, v in event.headers})
                        if status == "reset":
                            connection.reset_stream(event.stream_id, 2)
                            continue
                        if status == "bye":
                            connection.close_connection(1)
                            continue
                        connection.send_headers(event.stream_id, [(":status", status)])
                        connection.send_data(event.stream_id, b"ok", end_stream=True)
                writer.write(connection.data_to_send())
        writer.close()

    asked: list[dict[bytes, bytes]] = []
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
    if status.isdigit():
        assert {row[b":path"] for row in asked} == {b"/healthz"}


async def look_at(target: ProbeTarget) -> Look:
    async with Prober("here") as prober:
        return await prober.look(target, Send(0.0, target.name, "here", True, 5.0))


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        ("200", Outcome.OK, ""),
        ("302", Outcome.OK, ""),
        ("503", Outcome.UNHEALTHY, "HTTP 503"),
        ("reset", Outcome.UNHEALTHY, "reset the stream"),
        ("bye", Outcome.UNHEALTHY, "ended the connection"),
    ],
)
def test_what_a_server_answers(status: str, outcome: Outcome, reason: str) -> None:
    async def scene() -> Look:
        async with server(status) as port:
            return await look_at(ProbeTarget("t", "127.0.0.1", port, kind=Kind.HTTP2))

    look = asyncio.run(scene())
    assert look.result.outcome is outcome
    assert reason in look.reason
    assert look.http_status == (int(status) if status.isdigit() else 0)


def test_over_tls_it_is_agreed_on(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "web")
    files = authority.sign("site")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert_file, files.key_file)
    context.set_alpn_protocols(["h2"])

    async def scene() -> Look:
        async with server("200", context) as port:
            return await look_at(
                ProbeTarget("t", "127.0.0.1", port, kind=Kind.HTTP2, tls=True, ca_file=str(authority.file))
            )

    look = asyncio.run(scene())
    assert (look.result.outcome, look.reason) == (Outcome.OK, "")
    assert look.timings.tls_s is not None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "ended before the answer"),  # to HTTP/2 a frame of 4.7 MB
        (b"\x00" * 300_000, "no HTTP/2"),
    ],
)
def test_what_is_no_http2(said: bytes, reason: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(said)
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    async def scene() -> Look:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        target = ProbeTarget("t", "127.0.0.1", listening.sockets[0].getsockname()[1], kind=Kind.HTTP2)
        look = await look_at(target)
        listening.close()
        return look

    look = asyncio.run(scene())
    assert look.result.outcome is Outcome.UNHEALTHY
    assert reason in look.reason
