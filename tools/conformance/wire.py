"""What really goes over the wire between an adapter and a sandbox: a proxy on loopback that keeps every exchange.

Callers: lives.py. Requests pass unchanged, Host header and signature included. Non-goal: TLS, streaming.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its answer. target: path and query as sent. headers: names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer_headers: dict[str, str]
    answer: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        kind = self.headers.get("content-type", "")
        if not kind.startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The request's body; None where there is none."""
        return json.loads(self.body) if self.body else None

    @property
    def answer_json(self) -> Any:
        return json.loads(self.answer) if self.answer else None


@dataclass
class Recording:
    """All exchanges since it began, in the order in which they were answered."""

    url: str
    exchanges: list[Exchange] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    upstream: tuple[str, int]
    recording: Recording


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    _upstream: http.client.HTTPConnection | None = None

    def _pass(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(*server.upstream, timeout=60)
        upstream = self._upstream
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "connection":
                upstream.putheader(name, value)
        upstream.endheaders(body or None)
        answer = upstream.getresponse()
        data = answer.read()
        if answer.will_close:
            upstream.close()
        given = {name.lower(): value for name, value in self.headers.items()}
        told = {name.lower(): value for name, value in answer.getheaders()}
        server.recording.exchanges.append(Exchange(self.command, self.path, given, body, answer.status, told, data))
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed: the recording says all."""


@contextmanager
def recorded(upstream_url: str) -> Iterator[Recording]:
    """A proxy before a server; recording.url is what a client is given in its place."""
    parts = urlsplit(upstream_url)
    assert parts.hostname is not None
    assert parts.port is not None
    server = _Server(("127.0.0.1", 0), _Handler)
    server.upstream = (parts.hostname, parts.port)
    server.recording = Recording(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.recording
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
