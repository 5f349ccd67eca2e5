"""`kubectl port-forward`: streams of one WebSocket, copied to and from connections to a pod.

Callers: ApiProxy.forward. kubectl since 1.30 tunnels SPDY/3.1 through a WebSocket (KEP-4006); each local connection is
a pair of streams with the same request id: `data`, which is copied, and `error`, which tells why it could not be.
Non-goals: the older upgrade to SPDY without a WebSocket, exec and attach.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from sandbox.kubernetes import spdy
from sandbox.kubernetes.errors import bad_request
from sandbox.kubernetes.spdy import Kind
from sandbox.kubernetes.tasks import spawn

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
_CONNECT_S = 5.0
_LARGEST_MESSAGE = 4 * 1024 * 1024
Connect = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass(slots=True)
class _Pair:
    """The two streams of one connection, as far as they are there."""

    port: int
    data: int = 0
    error: int = 0


class Tunnel:
    """One client's WebSocket. connect: opens a connection to the pod's port."""

    def __init__(self, socket: web.WebSocketResponse, connect: Connect) -> None:
        self._socket, self._connect = socket, connect
        self._reader, self._writer = spdy.Reader(), spdy.Writer()
        self._pairs: dict[str, _Pair] = {}
        self._inbound: dict[int, asyncio.Queue[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the client goes."""
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.BINARY:
                    continue
                for frame in self._reader.feed(message.data):
                    await self._take(frame)
        except spdy.BadFrame as exc:
            await self._socket.close(code=1002, message=str(exc).encode()[:120])
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, frame: spdy.Frame) -> None:
        match frame.kind:
            case Kind.SYN_STREAM:
                await self._socket.send_bytes(self._writer.reply(frame.stream))
                await self._opened(frame)
            case Kind.DATA:
                queue = self._inbound.get(frame.stream)
                if queue is not None:
                    if frame.payload:
                        queue.put_nowait(frame.payload)
                    if frame.final:
                        queue.put_nowait(b"")
            case Kind.RST_STREAM:
                if (queue := self._inbound.get(frame.stream)) is not None:
                    queue.put_nowait(b"")
            case Kind.PING:
                await self._socket.send_bytes(spdy.ping(frame.stream))

    async def _opened(self, frame: spdy.Frame) -> None:
        headers = {name.lower(): value for name, value in frame.headers.items()}
        kind, port, request = headers.get("streamtype"), headers.get("port", ""), headers.get("requestid", "")
        if kind not in ("data", "error") or not port.isdecimal() or not 0 < int(port) < 65536:
            await self._socket.send_bytes(spdy.reset(frame.stream))
            return
        pair = self._pairs.setdefault(request, _Pair(int(port)))
        if kind == "error":
            pair.error = frame.stream
        else:
            pair.data = frame.stream
            self._inbound[frame.stream] = asyncio.Queue()
        if pair.data and pair.error:
            del self._pairs[request]
            task = spawn(self._carry(pair), f"forwarded connection to port {pair.port}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, pair: _Pair) -> None:
        """Copies both ways until the pod or the client has ended."""
        inbound = self._inbound[pair.data]
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await self._connect(pair.port)
        except (OSError, TimeoutError) as exc:
            text = f"error forwarding port {pair.port} to pod: {exc or 'timed out'}"
            await self._send(spdy.data(pair.error, text.encode(), final=True), spdy.data(pair.data, b"", final=True))
            self._inbound.pop(pair.data, None)
            return
        upward = spawn(_copy_in(inbound, writer), "forwarded bytes to a pod")
        try:
            while chunk := await reader.read(32768):
                await self._send(spdy.data(pair.data, chunk))
        except OSError:
            pass  # the pod broke the connection: to the client it has ended
        finally:
            writer.close()  # before anything that waits: this task may be cancelled there
            upward.cancel()
            self._inbound.pop(pair.data, None)
            await asyncio.gather(upward, return_exceptions=True)
            await self._send(spdy.data(pair.data, b"", final=True), spdy.data(pair.error, b"", final=True))

    async def _send(self, *frames: bytes) -> None:
        if not self._socket.closed:
            with contextlib.suppress(ConnectionError):
                await self._socket.send_bytes(b"".join(frames))


async def _copy_in(inbound: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await inbound.get():
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def forward(request: web.BaseRequest, connect: Connect) -> web.StreamResponse:
    """Serves one `port-forward`. ApiError 400 where the request is no WebSocket of the protocol that is spoken."""
    offered = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if request.headers.get("Upgrade", "").lower() != "websocket" or PROTOCOL not in offered:
        raise bad_request(f"unable to upgrade: a WebSocket with the protocol {PROTOCOL} is spoken here")
    socket = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=_LARGEST_MESSAGE)
    await socket.prepare(request)
    await Tunnel(socket, connect).run()
    return socket
