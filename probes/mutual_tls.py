"""Both sides show a certificate. Callers: probes.agent, probes.hub.

Files are read when a context is made: an agent makes one for each connection, so that a certificate that was renewed is
taken at the next one. A vantage may only speak for itself: its certificate names it (subject alternative name, DNS or
URI, or common name), and the orchestrator compares.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MutualTls:
    """PEM files. ca_file: whose certificates hold for the other side; nobody else's do."""

    ca_file: str
    cert_file: str
    key_file: str

    def _context(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        context = ssl.create_default_context(purpose, cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.cert_file, self.key_file)
        return context

    def server(self) -> ssl.SSLContext:
        """For the side that listens. OSError (ssl.SSLError is one) where a file does not hold."""
        return self._context(ssl.Purpose.CLIENT_AUTH)

    def client(self) -> ssl.SSLContext:
        """For the side that connects: the other's name is checked, too. OSError as above."""
        return self._context(ssl.Purpose.SERVER_AUTH)


def names_of(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The names in a certificate as ssl.SSLSocket.getpeercert() gives it; none where there is none."""
    if not certificate:
        return frozenset()
    names = {value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "URI")}
    names |= {v for row in certificate.get("subject", ()) for k, v in row if k == "commonName"}
    return frozenset(names)
