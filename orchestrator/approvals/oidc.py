"""OpenID Connect tokens: verified by the issuer's keys, for an audience that names the plan.

Standards: OpenID Connect Core 1.0 (3.1.3.7, ID token validation), RFC 7517 (keys), RFC 7519 (tokens). Callers: prove.
Asks the issuer for its keys where the fleet names no file with them; sends it nothing. Only asymmetric algorithms are
accepted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model.spec.approvals import OidcIdentity
from orchestrator.approvals.sshsig import BadSignature

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_TIMEOUT_S = 10.0
LEEWAY_S = 30
MOST_AGE_S = 3600.0
Fetch = Callable[[str], Mapping[str, Any]]


def fetch(url: str) -> Mapping[str, Any]:
    """A JSON document. Raises BadSignature where it cannot be had: nothing is proven then."""
    import httpx

    try:
        answer = httpx.get(url, timeout=_TIMEOUT_S, follow_redirects=False)
        answer.raise_for_status()
        data = answer.json()
    except (httpx.HTTPError, ValueError) as exc:
        raise BadSignature(f"the issuer's keys cannot be had from {url}: {exc}") from exc
    if not isinstance(data, Mapping):
        raise BadSignature(f"{url} answers no JSON object")
    return data


def keys_of(identity: OidcIdentity, folder: Path, ask: Fetch = fetch) -> list[dict[str, Any]]:
    """The issuer's public keys. folder: where the fleet lies. Raises BadSignature."""
    if identity.jwks is not None:
        path = folder / identity.jwks
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise BadSignature(f"the key file {path} cannot be read: {exc}") from exc
    else:
        about = ask(identity.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if about.get("issuer") != identity.issuer:
            raise BadSignature(f"{identity.issuer} says it is another issuer: {about.get('issuer')!r}")
        data = ask(str(about.get("jwks_uri")))
    keys = data.get("keys") if isinstance(data, Mapping) else None
    if not isinstance(keys, list):
        raise BadSignature("the issuer's keys are no JSON Web Key Set")
    return [dict(k) for k in keys]


def verify(
    token: str, identity: OidcIdentity, keys: list[dict[str, Any]], statement: str, now_s: float
) -> dict[str, Any]:
    """Claims and the key that vouches for them. Raises BadSignature.

    statement: what the audience ends with, the plan's hash (`request/` before it in a request for approval).
    now_s: the moment that must lie within the token's life, so that a recorded proof can be verified later.
    """
    import jwt

    audience = f"{identity.audience}/{statement}" if identity.bound else identity.audience
    try:
        header = jwt.get_unverified_header(token)
        key = next((k for k in keys if k.get("kid") == header.get("kid") and k.get("kty") != "oct"), None)
        if key is None:
            raise BadSignature(f"the issuer has no key {header.get('kid')!r}")
        # The times are checked below against now_s, which need not be this moment.
        claims = jwt.decode(
            token,
            jwt.PyJWK(key, algorithm=header.get("alg")).key,
            algorithms=_ALGORITHMS,
            audience=audience,
            issuer=identity.issuer,
            options={
                "require": ["exp", "iat", "aud", "iss", "sub"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.PyJWTError as exc:
        hint = f" (the audience must be {audience})" if isinstance(exc, jwt.InvalidAudienceError) else ""
        raise BadSignature(f"the token proves nothing: {exc}{hint}") from exc
    _in_time(claims, now_s)
    if claims["sub"] != identity.subject:
        raise BadSignature(f"the token is {claims['sub']!r}'s, not {identity.subject!r}'s")
    return {"claims": claims, "key": key}


def _in_time(claims: Mapping[str, Any], now_s: float) -> None:
    try:
        begin, end = float(claims.get("nbf", claims["iat"])), float(claims["exp"])
        issued = float(claims["iat"])
    except (TypeError, ValueError) as exc:
        raise BadSignature("the token's times are no numbers") from exc
    if now_s > end + LEEWAY_S:
        raise BadSignature("the token has expired")
    if now_s < max(begin, issued) - LEEWAY_S:
        raise BadSignature("the token is not valid yet")
    if now_s - issued > MOST_AGE_S:
        raise BadSignature(f"the token is older than {MOST_AGE_S / 60:.0f} minutes")
