"""grpc.health.v1.Health/Check as bytes: one HTTP/2 request out, frames in, until it is clear what the server says.

HTTP/2 frames by RFC 9113, header fields as literals without indexing (RFC 7541, 6.2.2), the health message by
https://github.com/grpc/grpc/blob/master/doc/health-checking.md. Response headers stay undecoded: SERVING stands in the
data, and an error is an answer without data. Callers: the prober. Non-goals: any other gRPC.
"""

from __future__ import annotations

from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_FRAME: Final = 64 * 1024
MAX_TOTAL: Final = 256 * 1024
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 0x1, 0x1, 0x4, 0x8
_STATUS: Final = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


class NotGrpcError(Exception):
    """What came is no HTTP/2, or no health answer."""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _field(name: str, value: str) -> bytes:
    found = b"\x00"
    for text in (name.encode("ascii"), value.encode("utf-8")):
        found += _integer(len(text)) + text
    return found


def _integer(value: int) -> bytes:
    """RFC 7541, 5.1 with a prefix of 7 bits."""
    if value < 127:
        return bytes([value])
    found, value = [127], value - 127
    while value >= 128:
        found.append(value % 128 + 128)
        value //= 128
    return bytes([*found, value])


def check_request(authority: str, service: str, *, tls: bool) -> bytes:
    """Everything a client says to ask once."""
    headers = b"".join(
        _field(name, value)
        for name, value in (
            (":method", "POST"),
            (":scheme", "https" if tls else "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "duoyun-probe"),
        )
    )
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    data = b"\x00" + len(message).to_bytes(4, "big") + message
    return (
        PREFACE
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, 1, headers)
        + _frame(_DATA, _END_STREAM, 1, data)
    )


def _varint(value: int) -> bytes:
    found = []
    while value >= 128:
        found.append(value % 128 + 128)
        value //= 128
    return bytes([*found, value])


class HealthReader:
    """Reads the answer from bytes as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._data = bytearray()
        self._total = 0

    def feed(self, data: bytes) -> tuple[bytes, str | None]:
        """What to write back now, and the status by name once the answer is there. NotGrpcError where it is none."""
        self._buffer += data
        self._total += len(data)
        if self._total > MAX_TOTAL:
            raise NotGrpcError("an answer without end")
        reply = b""
        while len(self._buffer) >= 9:
            length = int.from_bytes(self._buffer[:3], "big")
            if length > MAX_FRAME:
                raise NotGrpcError("no HTTP/2 frame")
            if len(self._buffer) < 9 + length:
                break
            kind, flags = self._buffer[3], self._buffer[4]
            stream = int.from_bytes(self._buffer[5:9], "big") & 0x7FFFFFFF
            payload = bytes(self._buffer[9 : 9 + length])
            del self._buffer[: 9 + length]
            if kind == _SETTINGS and not flags & _ACK:
                reply += _frame(_SETTINGS, _ACK, 0, b"")
            elif kind == _PING and not flags & _ACK:
                reply += _frame(_PING, _ACK, 0, payload)
            elif kind == _GOAWAY or (kind == _RST_STREAM and stream == 1):
                raise NotGrpcError("the server ended the stream")
            elif kind == _DATA and stream == 1:
                self._data += payload[1 : len(payload) - payload[0]] if flags & _PADDED and payload else payload
            if kind in (_DATA, _HEADERS) and stream == 1:
                status = self._status(ended=bool(flags & _END_STREAM))
                if status is not None:
                    return reply, status
        return reply, None

    def _status(self, *, ended: bool) -> str | None:
        if len(self._data) >= 5:
            length = int.from_bytes(self._data[1:5], "big")
            if len(self._data) >= 5 + length:
                message = bytes(self._data[5 : 5 + length])
                if not message:
                    return _STATUS[0]
                if message[0] != 0x08 or len(message) < 2:
                    raise NotGrpcError("no health answer")
                return _STATUS.get(message[1], f"status {message[1]}")
        if ended:
            raise NotGrpcError("an error instead of an answer: no health service there, or no such service")
        return None
