"""One GET over HTTP/2, by the library h2 (the extra `probes`): bytes out, bytes in, no more read than it takes.

Callers: the prober. Over TLS the server has to agree by ALPN; without TLS it is spoken at once (RFC 9113, 3.3). Bounds:
MAX_TOTAL bytes of an answer. Non-goals: more than one question on a connection, pushed answers, redirects.
"""

from __future__ import annotations

from typing import Final

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from probes.http1 import NotHttpError

MAX_TOTAL: Final = 256 * 1024
STREAM: Final = 1


class Question:
    """Feed it what comes until `status` is there; what it returns is to be written."""

    def __init__(self, authority: str, path: str, *, tls: bool) -> None:
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._total = 0
        self.status: int | None = None
        self._connection.initiate_connection()
        scheme = "https" if tls else "http"
        names = ((":method", "GET"), (":scheme", scheme), (":authority", authority), (":path", path))
        self._connection.send_headers(STREAM, [*names, ("user-agent", "duoyun-probe")], end_stream=True)

    @property
    def first(self) -> bytes:
        """What opens the connection and asks. Once."""
        return self._connection.data_to_send()

    def feed(self, data: bytes) -> bytes:
        """What to write back now. Raises NotHttpError."""
        self._total += len(data)
        if self._total > MAX_TOTAL:
            raise NotHttpError("an answer without end before its status")
        try:
            for event in self._connection.receive_data(data):
                self._take(event)
        except h2.exceptions.ProtocolError as exc:
            raise NotHttpError(f"no HTTP/2: {exc}") from exc
        return self._connection.data_to_send()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(headers=headers):
                text = next((value for name, value in headers or () if name in (b":status", ":status")), b"")
                code = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
                if not code.isdigit():
                    raise NotHttpError(f"no status: {code[:40]!r}")
                self.status = int(code)
            case h2.events.StreamReset(error_code=code):
                raise NotHttpError(f"the server reset the stream: {code}")
            case h2.events.ConnectionTerminated(error_code=code):
                raise NotHttpError(f"the server ended the connection: {code}")
