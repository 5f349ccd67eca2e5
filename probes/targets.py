"""What is asked, and what one look at it found. Values only.

Callers: the prober, the command line, the orchestrator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from probes.policy import Result


class Kind(StrEnum):
    """How a target is asked.

    http: one GET, 200 to 399 is well. http2: the same over HTTP/2. tcp: it takes connections. tls: its certificate
    holds, and for how long. grpc: grpc.health.v1.Health/Check says SERVING. exec: a command in its pod ends with 0,
    through a port handed in.
    """

    HTTP = "http"
    HTTP2 = "http2"
    TCP = "tcp"
    TLS = "tls"
    GRPC = "grpc"
    EXEC = "exec"


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What to ask. path: of an HTTP probe (status 200 to 399 is well); "" probes TCP only, unless kind says otherwise.

    host: name or address to connect to. host_header: what the request (and TLS) says instead, where it differs.
    tls: ask over TLS. ca_file: whose certificates hold, instead of the system's. grpc_service: whose health is asked;
    "" the server's. min_days: fewer days than that until the certificate ends are unwell. command: of an exec probe.
    """

    name: str
    host: str
    port: int
    path: str = "/healthz"
    host_header: str = ""
    tls: bool = False
    kind: Kind | None = None
    ca_file: str = ""
    grpc_service: str = ""
    min_days: float = 0.0
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """ValueError where a request could not be written down: a port that is none, spaces, control characters."""
        if not 0 < self.port < 65536 and self.how is not Kind.EXEC:
            raise ValueError(f"{self.name}: {self.port} is no port")
        for text in (self.path, self.host_header):
            if not (text.isascii() and text.isprintable()) or " " in text:
                raise ValueError(f"{self.name}: {text[:80]!r} cannot stand in a request; encode it first")

    @property
    def how(self) -> Kind:
        """The kind in force."""
        return self.kind or (Kind.HTTP if self.path else Kind.TCP)

    @property
    def url(self) -> str:
        """Where an HTTP request goes."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """host:port as a URL writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def name_of(host_header: str) -> str:
    """The name in a Host header, without its port."""
    return urlsplit(f"//{host_header}").hostname or "" if host_header else ""


@dataclass(slots=True)
class Timings:
    """Seconds that parts of a probe took; None where there was no such part. dns_s is not part of elapsed_s."""

    dns_s: float | None = None
    connect_s: float | None = None
    tls_s: float | None = None
    answer_s: float | None = None


NO_PARTS = Timings()
"""Of a question on a kept connection: all of it was the answer. Not to be written to."""


@dataclass(slots=True)
class Look:
    """One probe with everything that it found. reason: why it is not well, in words; "" where it is."""

    result: Result
    timings: Timings = field(default_factory=Timings)
    reason: str = ""
    http_status: int = 0
    certificate_days: float | None = None


Tell = Callable[[Look | None], None]
"""Takes what a probe found; None where nobody looked."""
