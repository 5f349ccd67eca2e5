"""Who it was: a proof of identity against the people that a roster names. Callers: flow, compliance.

A proof is an SSH signature over the plan's hash, or an OIDC token. Its purpose is part of what is proven: the signature
that asks for an approval cannot be used to give it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from model.errors import DuoyunError, Unauthenticated
from model.spec.approvals import ApproverSpec
from orchestrator.approvals import oidc, sshsig
from orchestrator.approvals.sshsig import BadSignature


class Purpose(StrEnum):
    """The SSH namespace of each statement that can be made about a plan."""

    APPROVE = "duoyun-approval"
    REJECT = "duoyun-rejection"
    REQUEST = "duoyun-request"


@dataclass(frozen=True, slots=True)
class Proof:
    """kind: `ssh` (an armored signature) or `oidc` (a token)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Proven:
    """name: of the person or job in the roster. evidence: what is recorded, enough to verify it again later."""

    name: str
    may_approve: bool
    evidence: dict[str, Any]


def prove(
    proof: Proof,
    people: Sequence[ApproverSpec],
    subject_hash: str,
    purpose: Purpose,
    *,
    now_s: float,
    folder: Path,
    ask: oidc.Fetch = oidc.fetch,
) -> Proven:
    """The one person that the proof is of. Raises Unauthenticated, saying why it is nobody's."""
    try:
        if proof.kind == "ssh":
            return _by_key(proof.text, people, subject_hash, purpose)
        return _by_token(proof.text, people, subject_hash, purpose, now_s=now_s, folder=folder, ask=ask)
    except BadSignature as exc:
        raise Unauthenticated(
            f"this proves nobody's identity: {exc}",
            detail=f"plan {subject_hash}",
            mend="sign the plan's hash with a key that the fleet names: duoyun approve --hash H --key FILE",
        ) from exc


def _by_key(armored: str, people: Sequence[ApproverSpec], subject_hash: str, purpose: Purpose) -> Proven:
    signature = sshsig.parse(armored)
    sshsig.verify(signature, subject_hash.encode(), purpose.value)
    for person in people:
        if any(sshsig.public_key(k) == signature.key for k in person.ssh_keys):
            evidence = {"kind": "ssh", "signature": armored.strip(), "fingerprint": sshsig.fingerprint(signature.key)}
            return Proven(person.name, person.may_approve, evidence)
    raise BadSignature(f"the key {sshsig.fingerprint(signature.key)} is none of the fleet's approvers'")


def _by_token(
    token: str,
    people: Sequence[ApproverSpec],
    subject_hash: str,
    purpose: Purpose,
    *,
    now_s: float,
    folder: Path,
    ask: oidc.Fetch,
) -> Proven:
    if purpose is Purpose.REJECT:
        raise BadSignature("a token only approves; reject with an SSH key")
    # A token that asks for an approval must not be good for giving it.
    statement = subject_hash if purpose is Purpose.APPROVE else f"request/{subject_hash}"
    why = "the fleet names nobody with an OIDC identity"
    for person in people:
        if person.oidc is None:
            continue
        try:
            found = oidc.verify(token, person.oidc, oidc.keys_of(person.oidc, folder, ask), statement, now_s)
        except BadSignature as exc:
            why = str(exc)
            continue
        kept = {"token": token, "key": found["key"]} if person.oidc.bound else {}
        evidence = {
            "kind": "oidc",
            "issuer": person.oidc.issuer,
            "subject": person.oidc.subject,
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
            **kept,
        }
        return Proven(person.name, person.may_approve, evidence)
    raise BadSignature(why)


def sign(key: Path, subject_hash: str, purpose: Purpose) -> Proof:
    """Signs with `ssh-keygen`, which asks for the key's passphrase, its agent or its touch. Raises DuoyunError."""
    with tempfile.TemporaryDirectory(prefix="duoyun-") as folder:
        message = Path(folder) / "hash"
        message.write_text(subject_hash, encoding="ascii")
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", purpose.value, "-f", str(key.expanduser()), str(message)]
        try:
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=300, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as exc:
            mend = "install OpenSSH, or sign elsewhere and hand in --signature FILE"
            raise DuoyunError(f"ssh-keygen does not answer: {exc}", mend=mend) from exc
        signature = message.with_name("hash.sig")
        if done.returncode or not signature.exists():
            what = done.stderr.strip().splitlines()[-1:] or ["no signature was made"]
            raise DuoyunError(f"{key} cannot sign: {what[0]}", mend="name a private key, or a .pub of your agent's")
        return Proof("ssh", signature.read_text(encoding="ascii"))


def from_environment(name: str) -> Proof | None:
    """A token that a CI job was given."""
    token = os.environ.get(name, "").strip()
    return Proof("oidc", token) if token else None


def read_signature(path: Path) -> Proof:
    """A `.sig` file. Raises DuoyunError."""
    with suppress(OSError, UnicodeDecodeError):
        return Proof("ssh", path.read_text(encoding="ascii"))
    raise DuoyunError(f"{path} is no signature that can be read", mend="ssh-keygen -Y sign writes a file FILE.sig")
