"""An authority and certificates signed by it, as files; for tests that speak mutual TLS on loopback."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from probes.mutual_tls import MutualTls

NOW = dt.datetime.now(dt.UTC)


class Authority:
    """Signs for whoever asks, as strictly as Python verifies from 3.13 on (RFC 5280: key usage, key identifiers)."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        built = self._begin(self._name, self._key, 10).add_extension(x509.BasicConstraints(True, None), True)
        built = built.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
        self._write(self.file, built.sign(self._key, hashes.SHA256()))

    def _begin(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=20))
            .not_valid_after(NOW + dt.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False)
        )

    def _write(self, path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str, *, trusting: Authority | None = None, days: int = 5) -> MutualTls:
        """A certificate for a vantage (its name as DNS name) that also holds for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        built = self._begin(subject, key, days).add_extension(x509.SubjectAlternativeName(names), False)
        cert_file = self._folder / f"{name}-{self.file.stem}-{days}.pem"
        key_file = cert_file.with_suffix(".key")
        self._write(cert_file, built.sign(self._key, hashes.SHA256()))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return MutualTls(str((trusting or self).file), str(cert_file), str(key_file))
