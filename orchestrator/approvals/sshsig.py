"""SSH signatures as `ssh-keygen -Y sign` makes them and git uses them, verified here.

Format: PROTOCOL.sshsig of OpenSSH; keys and signatures: RFC 4253 6.6, RFC 5656, RFC 8332, RFC 8709, and PROTOCOL.u2f.
Callers: prove. Pure. Non-goals: certificates, and making signatures (ssh-keygen does, which also reaches agents and
security keys).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from typing import Any

MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = ("sha256", "sha512")
_CURVES = {"nistp256": "SECP256R1", "nistp384": "SECP384R1", "nistp521": "SECP521R1"}
_CURVE_HASHES = {"nistp256": "SHA256", "nistp384": "SHA384", "nistp521": "SHA512"}
_USER_PRESENT = 0x01


class BadSignature(ValueError):
    """It proves nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class SshSignature:
    """key: the public key's wire form. hash_name: of the message, within what is signed."""

    key: bytes
    namespace: str
    reserved: bytes
    hash_name: str
    signature: bytes


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise BadSignature("the signature is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        return int(struct.unpack(">I", self.take(4))[0])

    def text(self) -> bytes:
        return self.take(self.number())

    def end(self) -> None:
        if self._at != len(self._data):
            raise BadSignature("the signature goes on after its end")


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def parse(armored: str) -> SshSignature:
    """The signature of a `.sig` file. Raises BadSignature."""
    text = armored.strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise BadSignature("this is no SSH signature: it begins with -----BEGIN SSH SIGNATURE-----")
    try:
        data = base64.b64decode("".join(text[len(_BEGIN) : -len(_END)].split()), validate=True)
    except binascii.Error as exc:
        raise BadSignature("the signature is no base64") from exc
    reader = _Reader(data)
    if reader.take(len(MAGIC)) != MAGIC or reader.number() != 1:
        raise BadSignature("this is no SSH signature of version 1")
    key, namespace, reserved, hash_name, signature = (reader.text() for _ in range(5))
    reader.end()
    try:
        names = namespace.decode(), hash_name.decode()
    except UnicodeDecodeError as exc:
        raise BadSignature("the signature's namespace is no text") from exc
    if names[1] not in _HASHES:
        raise BadSignature(f"the signature uses the hash {names[1]!r}, which SSH signatures may not")
    return SshSignature(key, names[0], reserved, names[1], signature)


def public_key(line: str) -> bytes:
    """The wire form of a key as it stands in a .pub file. Raises BadSignature."""
    words = line.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error) as exc:
        raise BadSignature(f"{line[:40]!r} is no public key") from exc
    if _Reader(blob).text().decode("ascii", "replace") != words[0]:
        raise BadSignature(f"{line[:40]!r} is no public key of the type that it says")
    return blob


def fingerprint(key: bytes) -> str:
    """As `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def verify(signature: SshSignature, message: bytes, namespace: str) -> None:
    """Raises BadSignature unless its key signed that message for that namespace."""
    if signature.namespace != namespace:
        raise BadSignature(f"it was made for {signature.namespace!r}, not for {namespace!r}")
    digest = hashlib.new(signature.hash_name, message).digest()
    signed = MAGIC + b"".join(
        map(_text, (namespace.encode(), signature.reserved, signature.hash_name.encode(), digest))
    )
    reader = _Reader(signature.signature)
    algorithm, blob = reader.text().decode("ascii", "replace"), reader.text()
    more = reader.take(5) if algorithm.startswith("sk-") else b""
    reader.end()
    _check(_Reader(signature.key), algorithm, blob, signed, more)


def _check(key: _Reader, algorithm: str, blob: bytes, signed: bytes, more: bytes) -> None:
    from cryptography.exceptions import InvalidSignature

    kind = key.text().decode("ascii", "replace")
    try:
        match kind:
            case "ssh-ed25519" if algorithm == kind:
                _ed25519(key.text(), blob, signed)
            case "sk-ssh-ed25519@openssh.com" if algorithm == kind:
                point = key.text()
                _ed25519(point, blob, _by_token(key.text(), more, signed))
            case "ssh-rsa" if algorithm in ("rsa-sha2-256", "rsa-sha2-512"):
                _rsa(key, algorithm, blob, signed)
            case _ if kind.startswith("ecdsa-sha2-") and algorithm == kind:
                curve = key.text().decode("ascii", "replace")
                _ecdsa(curve, key.text(), blob, signed)
            case "sk-ecdsa-sha2-nistp256@openssh.com" if algorithm == kind:
                curve, point = key.text().decode("ascii", "replace"), key.text()
                _ecdsa(curve, point, blob, _by_token(key.text(), more, signed))
            case _:
                raise BadSignature(f"a {algorithm} signature by a {kind} key is not accepted")
    except InvalidSignature as exc:
        raise BadSignature("the signature is not of this plan, or not by this key") from exc
    except (ValueError, TypeError) as exc:
        if isinstance(exc, BadSignature):
            raise
        raise BadSignature(f"the key or the signature is malformed: {exc}") from exc


def _by_token(application: bytes, more: bytes, signed: bytes) -> bytes:
    """What a security key signs (PROTOCOL.u2f): it must have been touched."""
    if not more[0] & _USER_PRESENT:
        raise BadSignature("the security key was not touched")
    return hashlib.sha256(application).digest() + more + hashlib.sha256(signed).digest()


def _ed25519(point: bytes, blob: bytes, signed: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    Ed25519PublicKey.from_public_bytes(point).verify(blob, signed)


def _rsa(key: _Reader, algorithm: str, blob: bytes, signed: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    exponent, modulus = int.from_bytes(key.text(), "big"), int.from_bytes(key.text(), "big")
    if modulus.bit_length() < 2048:
        raise BadSignature("RSA keys shorter than 2048 bits prove nothing")
    wanted = hashes.SHA512() if algorithm == "rsa-sha2-512" else hashes.SHA256()
    RSAPublicNumbers(exponent, modulus).public_key().verify(blob, signed, PKCS1v15(), wanted)


def _ecdsa(curve: str, point: bytes, blob: bytes, signed: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if curve not in _CURVES:
        raise BadSignature(f"keys on the curve {curve} are not accepted")
    reader = _Reader(blob)
    r, s = int.from_bytes(reader.text(), "big"), int.from_bytes(reader.text(), "big")
    reader.end()
    known: Any = getattr(ec, _CURVES[curve])()
    key = ec.EllipticCurvePublicKey.from_encoded_point(known, point)
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(getattr(hashes, _CURVE_HASHES[curve])()))
