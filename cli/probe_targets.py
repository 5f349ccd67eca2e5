"""A target as users write it: http(s)://host:port/path, h2(c)://host:port/path, tcp://host:port, tls://host:port, grpc(s)://host:port/service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import UsageError

if TYPE_CHECKING:
    from probes.targets import ProbeTarget

_PORTS = {"h2": 443, "h2c": 80, "http": 80, "https": 443, "tls": 443, "grpc": 50051, "grpcs": 443}
_MEND = (
    "write http://HOST:PORT/PATH, https://..., h2://..., tcp://HOST:PORT, tls://HOST:PORT or grpc://HOST:PORT/SERVICE"
)


def parse_targets(texts: list[str], ca_file: str = "") -> list[ProbeTarget]:
    """Targets, named as they were written. UsageError for what is none or stands there twice."""
    from urllib.parse import urlsplit

    found = []
    for text in texts:
        try:
            parts = urlsplit(text)
            found.append(
                _target(text, parts.scheme, parts.hostname or "", parts.port, parts.path, parts.query, ca_file)
            )
        except ValueError as exc:
            raise UsageError(f"{text[:200]} is no target: {exc}", mend=_MEND) from exc
    if len({t.name for t in found}) != len(found):
        raise UsageError("a target stands there twice", mend="name each once")
    return found


def _target(text: str, scheme: str, host: str, port: int | None, path: str, query: str, ca_file: str) -> ProbeTarget:
    from probes.targets import Kind, ProbeTarget

    kinds = {
        "http": Kind.HTTP,
        "https": Kind.HTTP,
        "h2": Kind.HTTP2,
        "h2c": Kind.HTTP2,
        "tcp": Kind.TCP,
        "tls": Kind.TLS,
        "grpc": Kind.GRPC,
    }
    kind = kinds.get(scheme.removesuffix("s") if scheme == "grpcs" else scheme)
    if kind is None:
        raise ValueError(f"unknown scheme {scheme!r}")
    number = port if port is not None else _PORTS.get(scheme, 0)
    if not host:
        raise ValueError("it has no host")
    if kind not in (Kind.HTTP, Kind.HTTP2):
        service = path.strip("/") if kind is Kind.GRPC else ""
        return ProbeTarget(
            text, host, number, "", kind=kind, tls=scheme == "grpcs", ca_file=ca_file, grpc_service=service
        )
    asked = (path or "/") + (f"?{query}" if query else "")
    return ProbeTarget(text, host, number, asked, kind=kind, tls=scheme in ("https", "h2"), ca_file=ca_file)
