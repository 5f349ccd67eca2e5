"""SPDY/3.1 frames: as much of that protocol as `kubectl port-forward` still speaks inside its WebSocket. Pure.

Callers: portforward. Source: the protocol's draft, www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1; the
dictionary is that of its section 2.6.10.1. Non-goals: flow control and priorities, which the Go side does not use.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

_NAMES: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TEXT: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY: Final = (
    b"".join(struct.pack(">I", len(n)) + n.replace("_", " ").encode() for n in _NAMES.split()) + _TEXT.encode()
)
_HEADER: Final = 8
_LARGEST: Final = 1 << 24
_MOST_HEADERS: Final = 64 * 1024
FIN: Final = 1


class Kind(IntEnum):
    """Frame types; DATA is our own number for what is no control frame."""

    DATA = 0
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


# Where the headers of a control frame begin.
_HEADERS_AT: Final[Mapping[int, int]] = {Kind.SYN_STREAM: 10, Kind.SYN_REPLY: 4, Kind.HEADERS: 4}


class BadFrame(ValueError):
    """The other side sent what is no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. payload: of data, or what follows the stream's id in a control frame."""

    kind: int
    stream: int
    payload: bytes = b""
    final: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class Reader:
    """Bytes in, frames out. Headers are one compressed stream over the whole connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete by now. Raises BadFrame."""
        self._buffer += data
        while len(self._buffer) >= _HEADER:
            first, second = struct.unpack(">II", self._buffer[:_HEADER])
            length = second & 0xFFFFFF
            if len(self._buffer) < _HEADER + length:
                return
            body = bytes(self._buffer[_HEADER : _HEADER + length])
            del self._buffer[: _HEADER + length]
            yield self._frame(first, second >> 24, body)

    def _frame(self, first: int, flags: int, body: bytes) -> Frame:
        final = bool(flags & FIN)
        if not first & 0x80000000:
            return Frame(Kind.DATA, first, body, final)
        kind = first & 0xFFFF
        skip = _HEADERS_AT.get(kind)
        if kind == Kind.SETTINGS:
            return Frame(kind, 0, body, final)
        if len(body) < (skip or 4):
            raise BadFrame(f"a frame of type {kind} is too short")
        stream = struct.unpack(">I", body[:4])[0] & 0x7FFFFFFF
        if skip is None:
            return Frame(kind, stream, body[4:], final)
        return Frame(kind, stream, b"", final, self._headers(body[skip:]))

    def _headers(self, block: bytes) -> Mapping[str, str]:
        try:
            raw = self._inflate.decompress(block, _MOST_HEADERS)
            count, at, found = struct.unpack(">I", raw[:4])[0], 4, {}
            for _ in range(min(count, 256)):
                name, at = _text(raw, at)
                value, at = _text(raw, at)
                found[name] = value
        except (zlib.error, struct.error, UnicodeDecodeError) as exc:
            raise BadFrame(f"headers cannot be read: {exc}") from exc
        return found


def _text(raw: bytes, at: int) -> tuple[str, int]:
    length = struct.unpack(">I", raw[at : at + 4])[0]
    end = at + 4 + length
    return raw[at + 4 : end].decode(), end


class Writer:
    """Frames as bytes."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def reply(self, stream: int) -> bytes:
        """SYN_REPLY without headers."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return control(Kind.SYN_REPLY, struct.pack(">I", stream) + block)


def data(stream: int, payload: bytes, *, final: bool = False) -> bytes:
    return struct.pack(">II", stream, (FIN if final else 0) << 24 | len(payload)) + payload


def ping(payload: int) -> bytes:
    return control(Kind.PING, struct.pack(">I", payload))


def reset(stream: int, status: int = 5) -> bytes:
    """RST_STREAM; 5 is CANCEL."""
    return control(Kind.RST_STREAM, struct.pack(">II", stream, status))


def control(kind: Kind, body: bytes) -> bytes:
    return struct.pack(">II", 0x80030000 | kind, len(body)) + body
