"""A world of virtual time in which targets answer, are slow, refuse or fall silent."""

from __future__ import annotations

import datetime as dt
import heapq
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from probes.detector import Detector
from probes.policy import Outcome, ProbePolicy, Result, Send, Status, Vantage, Verdict

Answer = tuple[Outcome, float] | None  # outcome and elapsed seconds; None: no answer ever
Behaviour = Callable[[Send], Answer]
VANTAGES = (Vantage("a", "zone-a"), Vantage("b", "zone-b"), Vantage("c", "zone-c"))


@dataclass
class World:
    """Drives a detector: polls each tick_s, answers as behaviour says, keeps what was sent and found."""

    behaviour: Behaviour
    policy: ProbePolicy = field(default_factory=ProbePolicy)
    vantages: tuple[Vantage, ...] = VANTAGES
    seed: int = 0
    tick_s: float = 0.5
    now_s: float = 0.0
    sends: list[Send] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.detector = Detector(self.policy, self.vantages, self.seed)
        self._due: list[tuple[float, int, Result]] = []
        self._count = 0

    def watch(self, *targets: str) -> World:
        for target in targets:
            self.detector.watch(target, self.now_s)
        return self

    def run(self, seconds: float) -> World:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            while self._due and self._due[0][0] <= self.now_s:
                self.detector.on_result(heapq.heappop(self._due)[2])
            for order in self.detector.poll(self.now_s):
                if isinstance(order, Verdict):
                    self.verdicts.append(order)
                else:
                    self._send(order)
            self.now_s += self.tick_s
        return self

    def _send(self, send: Send) -> None:
        self.sends.append(send)
        answer = self.behaviour(send)
        outcome, elapsed_s = answer if answer is not None else (Outcome.TIMEOUT, send.timeout_s)
        if elapsed_s >= send.timeout_s:
            outcome, elapsed_s = Outcome.TIMEOUT, send.timeout_s
        self._count += 1
        result = Result(send.vantage, send.target, send.sent_s, elapsed_s, outcome)
        heapq.heappush(self._due, (send.sent_s + elapsed_s, self._count, result))

    def statuses(self, target: str = "t") -> list[Status]:
        return [v.status for v in self.verdicts if v.target == target]

    def first(self, status: Status, after_s: float = 0.0) -> float:
        """When that verdict came first, counted from after_s; infinity where it never did."""
        return min(
            (v.at_s - after_s for v in self.verdicts if v.status is status and v.at_s >= after_s), default=float("inf")
        )


@pytest.fixture
def world() -> Callable[..., World]:
    return World


@pytest.fixture
def sends_per_window() -> Callable[[Iterable[Send]], int]:
    """The most sends in any window of 60 s."""

    def count(sends: Iterable[Send]) -> int:
        times = sorted(s.sent_s for s in sends)
        start, most = 0, 0
        for end, at_s in enumerate(times):
            while at_s - times[start] >= 60.0:
                start += 1
            most = max(most, end - start + 1)
        return most

    return count


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A self-signed certificate for 127.0.0.1 that ends in so many days, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def make(days: int) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "probe test")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=60))
            .not_valid_after(now + dt.timedelta(days=days, hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path_factory.mktemp("tls") / "both.pem"
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
        return path

    return make
