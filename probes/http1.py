"""One HTTP/1.1 question at a time on one connection, no more of the answer read than it takes to judge it.

Callers: spokes of the wheel; by_task.py, over TLS. Bounds: MAX_HEAD_BYTES of a head, MAX_BODY_BYTES of a body; what is
longer ends the connection's use, not the verdict. Non-goals: redirects, cookies, compression, bodies for anybody.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, cast
from urllib.parse import urlsplit

from probes.targets import ProbeTarget, name_of

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 64 * 1024
_MAX_CHUNK_LINE: Final = 1024
_MAX_INTERIM: Final = 8  # answers with a status of 1xx before the real one


class NotHttpError(Exception):
    """What came is no HTTP/1.x."""


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an answer. length: of the body; None where chunked; -1 where the connection's end tells."""

    status: int
    length: int | None
    reusable: bool
    location: str = ""


def parse_head(data: bytes) -> Head:
    """A head without its closing empty line. NotHttpError where it is none."""
    lines = data.split(b"\r\n")
    version, _, rest = lines[0].partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/1.") or not code.isdigit() or len(code) != 3:
        raise NotHttpError(f"no HTTP status line: {lines[0][:40]!r}")
    status = int(code)
    length: int | None = -1
    closing, location, chunked = version == b"HTTP/1.0", "", False
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        key, text = name.strip().lower(), value.strip()
        if key == b"content-length":
            if not text.isdigit():
                raise NotHttpError(f"no length: {text[:40]!r}")
            length = int(text)
        elif key == b"transfer-encoding":
            chunked = text.lower().endswith(b"chunked")
        elif key == b"connection":
            closing = b"close" in text.lower() or (closing and b"keep-alive" not in text.lower())
        elif key == b"location":
            location = text.decode("latin-1")
    if chunked:
        length = None
    if status in (204, 304):
        length = 0
    return Head(status, length, not closing and length != -1, location)


def elsewhere(head: Head, *ours: str) -> str:
    """The other host that an answer sends us to; "" where it sends us to nobody or to one of ours."""
    if not (300 <= head.status < 400 and head.location):
        return ""
    try:
        host = urlsplit(head.location).hostname or ""
    except ValueError:  # as of `http://[`
        host = head.location
    return "" if host in (name.lower() for name in ours) else host[:80]


def question(target: ProbeTarget, *, fresh: bool) -> bytes:
    """The request. fresh: the connection is not used again."""
    return (
        f"GET {target.path} HTTP/1.1\r\nhost: {target.host_header or target.authority}\r\n"
        "user-agent: duoyun-probe\r\naccept: */*\r\n"
        f"connection: {'close' if fresh else 'keep-alive'}\r\n\r\n"
    ).encode("ascii", "surrogateescape")


def unwell(head: Head, target: ProbeTarget) -> str:
    """Why an answer says that its target is not well; "" where it is."""
    if not 200 <= head.status < 400:
        return f"HTTP {head.status}"
    if other := elsewhere(head, target.host, name_of(target.host_header)):
        return f"HTTP {head.status}: it sends us to {other}, which is another host; not followed"
    return ""


class _State(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    CHUNK_SIZE = auto()
    CHUNK = auto()
    TRAILER = auto()


class Exchange:
    """Reads one answer from bytes as they come: `feed` returns the head once the answer is judged, then `reusable`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._state = _State.HEAD
        self._head: Head | None = None
        self._left = 0
        self._body = 0
        self._interim = 0
        self.reusable = False

    @property
    def head(self) -> Head | None:
        """What is known so far."""
        return self._head

    def feed(self, data: bytes) -> Head | None:
        """The head once the whole answer is there or longer than anybody reads; None while more is to come.

        Raises NotHttpError.
        """
        self._buffer += data
        while True:
            if self._state is _State.HEAD:
                step = self._take_head()
            elif self._state is _State.BODY:
                step = self._take_body()
            else:
                step = self._take_chunks()
            if step is None:
                return None
            if step:
                return self._head

    def _take_head(self) -> bool | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD_BYTES:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise NotHttpError(f"a head of more than {MAX_HEAD_BYTES} bytes")
            if self._buffer and not b"HTTP/1.".startswith(bytes(self._buffer[:7])):
                raise NotHttpError(f"no HTTP status line: {bytes(self._buffer[:40])!r}")
            return None
        head = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        if 100 <= head.status < 200:
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise NotHttpError("one interim answer after the other")
            return False
        self._head = head
        if head.length is None:
            self._state = _State.CHUNK_SIZE
        elif head.length < 0:
            return True  # until the connection ends: nobody waits for that
        else:
            self._state, self._left = _State.BODY, head.length
        return False

    def _take_body(self) -> bool | None:
        if self._left > MAX_BODY_BYTES:
            return True
        if len(self._buffer) < self._left:
            return None
        self.reusable = self._head is not None and self._head.reusable and len(self._buffer) == self._left
        return True

    def _take_chunks(self) -> bool | None:
        if self._state is _State.CHUNK:
            if len(self._buffer) < self._left + 2:
                return None
            del self._buffer[: self._left + 2]
            self._state = _State.CHUNK_SIZE
            return False
        end = self._buffer.find(b"\r\n")
        if end < 0 or end > _MAX_CHUNK_LINE:
            return True if len(self._buffer) > _MAX_CHUNK_LINE else None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._state is _State.TRAILER:
            if not line:
                self.reusable = self._head is not None and self._head.reusable and not self._buffer
                return True
            return self._grown(len(line))
        try:
            self._left = int(line.partition(b";")[0].strip() or b"x", 16)
        except ValueError as exc:
            raise NotHttpError(f"no chunk size: {line[:40]!r}") from exc
        self._state = _State.TRAILER if self._left == 0 else _State.CHUNK
        return True if self._left < 0 else self._grown(self._left)

    def _grown(self, by: int) -> bool:
        """Whether the body is longer now than anybody reads."""
        self._body += by
        return self._body > MAX_BODY_BYTES


class Connection(asyncio.Protocol):
    """A connection that asks one question at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._answer: asyncio.Future[Head] | None = None
        self.heard = False  # anything, since the last question
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # of a stream; uvloop's is no subclass
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or EOFError("the connection ended before the answer did"))

    def data_received(self, data: bytes) -> None:
        self.heard = True
        if self._exchange is None or self._answer is None or self._answer.done():
            self.close()  # nobody asked for this
            return
        try:
            head = self._exchange.feed(data)
        except NotHttpError as exc:
            self._answer.set_exception(exc)
            self.close()
            return
        if head is not None:
            self._answer.set_result(head)
            if not self._exchange.reusable:
                self.close()

    async def ask(self, request: bytes) -> Head:
        """Sends a request, returns its answer's head. Raises OSError, EOFError, NotHttpError."""
        if self.transport is None or not self.open:
            raise ConnectionResetError("the connection is closed")
        self.heard = False
        self._exchange = Exchange()
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._answer = None

    def close(self) -> None:
        """Ends it without waiting."""
        self.open = False
        if self.transport is not None:
            self.transport.abort()
