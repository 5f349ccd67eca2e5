"""The certificate authority of a sandbox's clusters, and the TLS context that their APIs listen with.

Callers: the host, which has one for all of its clusters. Keys are P-256, so that making them costs a millisecond; they
stay in memory and in the state folder. Non-goals: client certificates, revocation.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = timedelta(days=3650)
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True, slots=True)
class Authority:
    """ca_pem is what clients trust; the server's chain and key are what the APIs answer with, on 127.0.0.1."""

    ca_pem: str
    server_pem: str
    server_key_pem: str = field(repr=False)

    @classmethod
    def make(cls) -> Authority:
        """A new authority and one server certificate, both valid for ten years."""
        ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        issuer = _name("kubernetes")
        ca = (
            _builder(issuer, issuer, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        names = [x509.DNSName(n) for n in _NAMES]
        addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        server = (
            _builder(_name("kube-apiserver"), issuer, server_key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        key = server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(_pem(ca), _pem(server), key.decode())

    def server_context(self) -> ssl.SSLContext:
        """What an API listens with. The ssl module reads keys from files only: 0600, and gone before this returns."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        descriptor, path = tempfile.mkstemp(prefix="duoyun-sandbox-")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(self.server_pem + self.server_key_pem)
            context.load_cert_chain(path)
        finally:
            os.unlink(path)  # noqa: PTH108  (mkstemp gives a name, not a Path)
        return context

    def snapshot(self) -> dict[str, str]:
        """What `restore` needs, so that kubeconfigs outlive a restart. Holds the server's key: keep it private."""
        return {"ca": self.ca_pem, "server": self.server_pem, "server_key": self.server_key_pem}

    @classmethod
    def restore(cls, saved: Mapping[str, Any]) -> Authority:
        """KeyError where a part is missing."""
        return cls(str(saved["ca"]), str(saved["server"]), str(saved["server_key"]))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
