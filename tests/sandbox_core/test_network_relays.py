"""Listeners and relays over real sockets. Times are bounded from below only, or by a wide margin: machines stall."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sandbox.kubernetes.authority import Authority
from sandbox.network import Listener, Network, Settings

FAR = Settings.parse({"links": [{"a": "*", "b": "aws", "rtt_ms": 80}]})
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each piece with itself, and ends when the other side has."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()  # the other side has reset the connection
    finally:
        writer.close()


def factory(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] = echo) -> Any:
    def make() -> asyncio.StreamReaderProtocol:
        loop = asyncio.get_running_loop()
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), answer, loop=loop)

    return make


@asynccontextmanager
async def listening(settings: Settings, seed: int = 0, **tls: Any) -> AsyncIterator[tuple[Network, Listener]]:
    network = Network(seed)
    network.set(settings)
    listener = await network.listen(factory(), "127.0.0.1", 0, at="aws", **tls)
    try:
        yield network, listener
    finally:
        listener.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(listener: Listener, **kwargs: Any) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, **kwargs)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def exchange_s(streams: Streams, data: bytes = b"ping") -> float:
    """How long one question and its answer take."""
    reader, writer = streams
    began_s = time.monotonic()
    writer.write(data)
    assert await asyncio.wait_for(reader.readexactly(len(data)), 20) == data
    return time.monotonic() - began_s


def test_a_fresh_connection_takes_two_round_trips_and_a_kept_one_takes_one() -> None:
    async def run() -> None:
        async with listening(FAR) as (_network, listener), connected(listener) as streams:
            assert await exchange_s(streams) >= 0.155
            assert 0.075 <= min([await exchange_s(streams) for _ in range(8)]) < 0.155

    asyncio.run(run())


def test_without_a_network_nothing_is_added_and_a_change_takes_effect_on_open_connections() -> None:
    async def run() -> None:
        async with listening(Settings()) as (network, listener):
            async with connected(listener) as streams:
                assert min([await exchange_s(streams) for _ in range(5)]) < 0.04
                network.set(FAR)  # the connection that was open without a network breaks, once
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await exchange_s(streams)
            async with connected(listener) as streams:
                assert await exchange_s(streams) >= 0.155
                network.set(Settings())
                assert min([await exchange_s(streams) for _ in range(5)]) < 0.04
                network.set(FAR)
                assert await exchange_s(streams) >= 0.075

    asyncio.run(run())


def test_every_byte_arrives_in_order_with_loss_and_half_closed_connections() -> None:
    lossy = Settings.parse({"links": [{"a": "*", "b": "aws", "rtt_ms": 4, "jitter_ms": 3, "loss": 0.01}]})
    data = bytes(range(256)) * 4096  # 1 MiB

    async def run() -> None:
        async with listening(lossy, seed=4) as (network, listener), connected(listener) as (reader, writer):
            writer.write(data)
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(-1), 60) == data
            counted = network.describe()["paths"][0]["counted"]
            assert counted["bytes"] == 2 * len(data)
            assert counted["lost"] > 0
            assert counted["connections"] == 1

    asyncio.run(run())


def test_tls_passes_through_and_its_handshake_takes_its_round_trips() -> None:
    authority = Authority.make()
    trusting = ssl.create_default_context(cadata=authority.ca_pem)

    async def run() -> None:
        context = authority.server_context()
        async with listening(FAR, ssl=context, ssl_shutdown_timeout=0.1) as (_network, listener):
            began_s = time.monotonic()
            async with connected(listener, ssl=trusting) as streams:
                await exchange_s(streams)
                assert time.monotonic() - began_s >= 0.235  # opening, hello, question: three round trips

    asyncio.run(run())


def test_a_reset_is_seen_as_one() -> None:
    resets = Settings.parse({"links": [{"a": "*", "b": "aws", "rtt_ms": 2, "resets": 1.0}]})

    async def run() -> None:
        async with listening(resets) as (network, listener):
            seen = 0
            for _ in range(20):
                async with connected(listener) as streams:
                    try:
                        await exchange_s(streams)
                    except ConnectionResetError:
                        seen += 1
            assert seen >= 10  # three of four exchanges: half on the way there, half of the rest on the way back
            assert network.describe()["paths"][0]["counted"]["resets"] >= seen

    asyncio.run(run())


def test_what_is_sent_over_a_cut_link_arrives_once_it_is_back() -> None:
    async def run() -> None:
        cut = Settings.parse({"links": [{"a": "*", "b": "aws", "cut": True}]})
        async with listening(cut) as (network, listener), connected(listener) as (reader, writer):
            writer.write(b"ping")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(4), 0.3)
            network.set(Settings())
            assert await asyncio.wait_for(reader.readexactly(4), 10) == b"ping"

    asyncio.run(run())


@pytest.mark.parametrize("settings", [Settings(), FAR], ids=["direct", "relayed"])
def test_refusing_breaks_what_is_open_refuses_the_rest_and_ends(settings: Settings) -> None:
    async def run() -> None:
        async with listening(settings) as (_network, listener), connected(listener) as streams:
            port = listener.port
            await exchange_s(streams)
            listener.refuse(0.3)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await exchange_s(streams)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            for _ in range(200):
                await asyncio.sleep(0.02)
                try:
                    async with connected(listener) as again:
                        await exchange_s(again)
                        break
                except ConnectionRefusedError:
                    continue
            else:
                raise AssertionError("it did not come back")

    asyncio.run(run())


def test_who_calls_is_told_by_the_source_address() -> None:
    settings = Settings.parse({"links": [{"a": "azure-cn/chinanorth3", "b": "aws", "rtt_ms": 90}]})

    async def run() -> None:
        async with listening(settings) as (network, listener):
            network.stand("127.60.0.9", lambda: "azure-cn/chinanorth3")
            async with connected(listener, local_addr=("127.60.0.9", 0)) as streams:
                assert await exchange_s(streams) >= 0.17
            async with connected(listener) as streams:
                await exchange_s(streams)
            paths = {path["from"]: path for path in network.describe()["paths"]}
            assert paths["azure-cn/chinanorth3"]["counted"]["connections"] == 1
            assert paths["vantage"]["counted"]["connections"] == 1
            assert paths["vantage"]["link"]["rtt_ms"] == 0

    asyncio.run(run())


def test_a_port_that_is_taken_is_an_error_and_closing_frees_it() -> None:
    async def run() -> None:
        async with listening(Settings()) as (network, listener):
            with pytest.raises(OSError, match="in use"):
                await network.listen(factory(), "127.0.0.1", listener.port)
            port = listener.port
            listener.close()
            again = await network.listen(factory(), "127.0.0.1", port)
            again.close()
            assert again.sockets == ()
            with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
                raise AssertionError("nobody should listen here")

    asyncio.run(run())
