"""Identity is proven, never claimed: signatures by real keys of ssh-keygen, tokens by real JSON Web Keys."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from model.errors import DuoyunError, Unauthenticated
from model.spec.approvals import ApproverSpec, OidcIdentity
from orchestrator.approvals import sshsig
from orchestrator.approvals.prove import Proof, Purpose, prove, sign
from orchestrator.approvals.sshsig import BadSignature
from tests.approvals.conftest import public

HASH = hashlib.sha256(b"plan").hexdigest()
OTHER = hashlib.sha256(b"changed plan").hexdigest()
NOW_S = 1_800_000_000.0
Keys = Callable[..., Path]


def who(proof: Proof, *people: ApproverSpec, of: str = HASH, purpose: Purpose = Purpose.APPROVE, **more: Any) -> str:
    given: dict[str, Any] = {"now_s": NOW_S, "folder": Path(), **more}
    return prove(proof, people, of, purpose, **given).name


# -- SSH -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa", "ecdsa-384"])
def test_a_signature_of_ssh_keygen_proves_its_person_for_this_plan_and_purpose_alone(keys: Keys, kind: str) -> None:
    anna = ApproverSpec(name="anna", ssh_keys=(public(keys("anna", kind)),))
    proof = sign(keys("anna", kind), HASH, Purpose.APPROVE)
    assert who(proof, anna) == "anna"
    for wrong in (
        lambda: who(proof, anna, of=OTHER),
        lambda: who(proof, anna, purpose=Purpose.REJECT),
        lambda: who(proof, anna, purpose=Purpose.REQUEST),
        lambda: who(proof, ApproverSpec(name="bert", ssh_keys=(public(keys("bert")),))),
        lambda: who(proof),
    ):
        with pytest.raises(Unauthenticated, match="proves nobody"):
            wrong()


def test_ssh_keygen_agrees_with_us(keys: Keys, tmp_path: Path) -> None:
    proof = sign(keys("anna"), HASH, Purpose.APPROVE)
    (tmp_path / "allowed").write_text(f"anna {public(keys('anna'))}\n")
    (tmp_path / "hash.sig").write_text(proof.text)
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "anna", "-n", "duoyun-approval", "-s", "hash.sig"]
    done = subprocess.run(command, input=HASH, text=True, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(keys("anna"))], text=True, capture_output=True, check=True
    ).stdout
    assert sshsig.fingerprint(sshsig.public_key(public(keys("anna")))) in listed


def test_every_changed_byte_of_a_signature_is_noticed(keys: Keys) -> None:
    anna = ApproverSpec(name="anna", ssh_keys=(public(keys("anna")),))
    armored = sign(keys("anna"), HASH, Purpose.APPROVE).text
    body = base64.b64decode("".join(armored.split("\n")[1:-2]))
    for index in range(len(body)):
        broken = bytearray(body)
        broken[index] ^= 1
        text = f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(broken).decode()}\n-----END SSH SIGNATURE-----\n"
        with pytest.raises(Unauthenticated):
            who(Proof("ssh", text), anna)
    for cut in (0, 10, len(body) - 1):
        text = f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(body[:cut]).decode()}\n-----END SSH SIGNATURE-----\n"
        with pytest.raises(Unauthenticated):
            who(Proof("ssh", text), anna)


@pytest.mark.parametrize("text", ["", "anna", "-----BEGIN SSH SIGNATURE-----\n!\n-----END SSH SIGNATURE-----"])
def test_what_is_no_signature_proves_nothing(text: str) -> None:
    with pytest.raises(Unauthenticated):
        who(Proof("ssh", text))


def _packed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(p)) + p for p in parts)


def _security_key(flags: int) -> tuple[str, str]:
    """A public key and a signature as a touched security key makes them (PROTOCOL.u2f), without the hardware."""
    key = Ed25519PrivateKey.generate()
    kind, application = b"sk-ssh-ed25519@openssh.com", b"ssh:"
    blob = _packed(kind, key.public_key().public_bytes_raw(), application)
    message = b"SSHSIG" + _packed(b"duoyun-approval", b"", b"sha512", hashlib.sha512(HASH.encode()).digest())
    more = struct.pack(">BI", flags, 7)
    inner = hashlib.sha256(application).digest() + more + hashlib.sha256(message).digest()
    signature = _packed(kind, key.sign(inner)) + more
    whole = b"SSHSIG" + struct.pack(">I", 1) + _packed(blob, b"duoyun-approval", b"", b"sha512", signature)
    text = f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(whole).decode()}\n-----END SSH SIGNATURE-----"
    return f"{kind.decode()} {base64.b64encode(blob).decode()}", text


def test_a_security_key_must_have_been_touched() -> None:
    line, text = _security_key(flags=1)
    assert who(Proof("ssh", text), ApproverSpec(name="anna", ssh_keys=(line,))) == "anna"
    line, text = _security_key(flags=0)
    with pytest.raises(Unauthenticated, match="not touched"):
        who(Proof("ssh", text), ApproverSpec(name="anna", ssh_keys=(line,)))


def test_a_key_of_another_type_than_its_line_says_is_none() -> None:
    with pytest.raises(BadSignature):
        sshsig.public_key("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==")


def test_a_key_that_cannot_sign_says_so(tmp_path: Path) -> None:
    with pytest.raises(DuoyunError, match="cannot sign"):
        sign(tmp_path / "none", HASH, Purpose.APPROVE)


# -- OIDC ------------------------------------------------------------------------------------------------------

ISSUER = "https://ci.example.com"
JOB = OidcIdentity(issuer=ISSUER, audience="duoyun", subject="repo:shop:ref:refs/heads/main")
KEY = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def _jwk(key: Any, algorithm: Any, kid: str) -> dict[str, Any]:
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}


KEY_SET = [
    _jwk(KEY, jwt.algorithms.RSAAlgorithm, "k1"),
    _jwk(CURVE, jwt.algorithms.ECAlgorithm, "k2"),
    {"kty": "oct", "kid": "k3", "k": base64.urlsafe_b64encode(b"x" * 32).decode()},
]


def ask(url: str) -> dict[str, Any]:
    assert url.startswith(ISSUER)
    if url.endswith("/.well-known/openid-configuration"):
        return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    return {"keys": KEY_SET}


def token(key: Any = KEY, alg: str = "RS256", kid: str = "k1", **more: Any) -> Proof:
    claims = {"iss": ISSUER, "sub": JOB.subject, "aud": f"duoyun/{HASH}", "iat": NOW_S - 5, "exp": NOW_S + 300, **more}
    claims = {k: v for k, v in claims.items() if v is not None}
    return Proof("oidc", jwt.encode(claims, key, algorithm=alg, headers={"kid": kid}))


CI = ApproverSpec(name="ci", oidc=JOB)


def test_a_token_for_this_plan_proves_its_job() -> None:
    assert who(token(), CI, ask=ask) == "ci"
    assert who(token(CURVE, "ES256", "k2"), CI, ask=ask) == "ci"
    asking = token(aud=f"duoyun/request/{HASH}")
    assert who(asking, CI, ask=ask, purpose=Purpose.REQUEST) == "ci"


@pytest.mark.parametrize(
    "bad",
    [
        token(aud="duoyun"),
        token(aud=f"duoyun/{OTHER}"),
        token(aud=f"duoyun/request/{HASH}"),
        token(sub="repo:shop:ref:refs/heads/feature"),
        token(iss="https://evil.example.com"),
        token(exp=NOW_S - 60),
        token(iat=NOW_S - 4000, exp=NOW_S + 300),
        token(iat=NOW_S + 600),
        token(nbf=NOW_S + 600),
        token(exp=None),
        token(iat=None),
        token(iat="soon"),
        token(kid="k9"),
        token(rsa.generate_private_key(65537, 2048)),
        token("x" * 32, "HS256", "k3"),
        Proof("oidc", jwt.encode({"iss": ISSUER, "sub": JOB.subject, "aud": f"duoyun/{HASH}"}, None, algorithm="none")),
        Proof("oidc", "a.b.c"),
        Proof("oidc", ""),
    ],
    ids=range(18),
)
def test_a_token_that_is_not_for_this_plan_by_this_job_now_proves_nothing(bad: Proof) -> None:
    with pytest.raises(Unauthenticated):
        who(bad, CI, ask=ask)


def test_a_token_rejects_nothing_and_an_issuer_that_lies_about_its_name_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="SSH key"):
        who(token(), CI, ask=ask, purpose=Purpose.REJECT)
    with pytest.raises(Unauthenticated, match="another issuer"):
        who(token(), CI, ask=lambda url: {**ask(url), "issuer": "https://evil.example.com"})


def test_keys_may_lie_beside_the_fleet(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": KEY_SET}))
    job = JOB.model_copy(update={"jwks": "keys.json"})
    assert who(token(), ApproverSpec(name="ci", oidc=job), folder=tmp_path) == "ci"
    with pytest.raises(Unauthenticated, match="cannot be read"):
        who(token(), ApproverSpec(name="ci", oidc=job.model_copy(update={"jwks": "none.json"})), folder=tmp_path)
