"""Probes as a kubelet runs them: real HTTP and TCP to the container.

Callers: nodes.worker. A redirect counts as success, as documented for HTTP probes: any status from 200 to 399.
Containers here speak HTTP whatever their image would speak, so a grpc probe and an exec probe ask `/healthz` of their
port (exec: of the container's first); where a real process runs instead, they ask whether the port is open. HTTPS is
asked as HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
Resolve = Callable[[int], tuple[str, int]]
"""Container port -> where it really answers."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe, all defaults filled in. Durations in seconds."""

    initial_delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int
    handler: str
    port: int
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, container: Object, name: str) -> Probe | None:
        """The probe of that name; None where the container has none. An exec probe of a container without a port
        succeeds (port 0)."""
        raw = container.get(name)
        if raw is None:
            return None
        handler = next((h for h in ("httpGet", "tcpSocket", "grpc", "exec") if h in raw), "exec")
        action = raw.get(handler) or {}
        path, headers = "/", action.get("httpHeaders") or ()
        if handler == "httpGet":
            path = action.get("path", "/")
        elif handler in ("exec", "grpc"):
            path = "/healthz"
        ports = container.get("ports") or ()
        first = ports[0]["containerPort"] if ports else 0
        return cls(
            float(raw.get("initialDelaySeconds", 0)),
            max(1.0, float(raw.get("periodSeconds", 10))),
            float(raw.get("timeoutSeconds", 1)),
            raw.get("successThreshold", 1),
            raw.get("failureThreshold", 3),
            handler,
            first if handler == "exec" else _port(action.get("port", 0), container),
            path if path.startswith("/") else f"/{path}",
            tuple((h["name"], h["value"]) for h in headers),
        )

    async def run(self, resolve: Resolve, *, speaks_http: bool = True) -> str:
        """Empty where it succeeded, else what a kubelet says of the failure. speaks_http: False where a process of
        its own listens, which need not."""
        if self.port == 0:
            return "" if self.handler == "exec" else "invalid port"
        host, port = resolve(self.port)
        only_open = self.handler == "tcpSocket" or (self.handler != "httpGet" and not speaks_http)
        asked = "" if self.handler != "httpGet" else f'Get "http://{host}:{port}{self.path}": '
        try:
            async with asyncio.timeout(self.timeout_s):
                if only_open:
                    return await _connect(host, port)
                status = await _http_status(host, port, self.path, self.headers)
        except TimeoutError:
            return f"{asked}context deadline exceeded"
        except (OSError, ValueError, asyncio.IncompleteReadError) as exc:
            refused = isinstance(exc, ConnectionRefusedError)
            return f"{asked}dial tcp {host}:{port}: {'connect: connection refused' if refused else str(exc) or 'EOF'}"
        if 200 <= status < 400:
            return ""
        word = {"grpc": 'service unhealthy (responded with "NOT_SERVING")', "exec": "command failed"}
        return word.get(self.handler, f"HTTP probe failed with statuscode: {status}")


def _port(value: int | str, container: Object) -> int:
    if isinstance(value, int):
        return value
    named = {p.get("name"): p["containerPort"] for p in container.get("ports") or ()}
    return int(named.get(value, value if value.isdigit() else 0))


async def _connect(host: str, port: int) -> str:
    _reader, writer = await asyncio.open_connection(host, port)
    await _close(writer)
    return ""


async def _http_status(host: str, port: int, path: str, headers: tuple[tuple[str, str], ...]) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        rows = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.31", "Accept": "*/*", "Connection": "close"}
        text = "".join(f"{k}: {v}\r\n" for k, v in (rows | dict(headers)).items())
        writer.write(f"GET {path} HTTP/1.1\r\n{text}\r\n".encode())
        line = await reader.readline()
        parts = line.split()
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/"):
            raise ValueError("malformed HTTP response")
        return int(parts[1])
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    # The other side may have closed first; there is nothing left to send.
    with contextlib.suppress(OSError):
        await writer.wait_closed()
