"""Signature Version 4: is the request signed with that secret?

Callers: sandbox.aws.identity (requests) and sandbox.aws.eks_token (presigned URLs). The canonical forms are botocore's.
Source: AWS General Reference, "Create a signed AWS API request".
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

MAX_SKEW_S = 15 * 60
_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request says about its signature. date like 20261123T192400Z; expires_s is 0 for signed headers."""

    key_id: str
    region: str
    service: str
    date: str
    headers: tuple[str, ...]
    signature: str
    token: str = ""
    expires_s: int = 0

    def age_s(self, now: datetime) -> float:
        """Seconds since it was signed. ValueError where the date cannot be read."""
        at = datetime.strptime(self.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return (now - at).total_seconds()


def read_header(headers: Mapping[str, str]) -> Signed | None:
    """From `Authorization: AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`, or None."""
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme != _ALGORITHM:
        return None
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    return _signed(
        parts.get("Credential", ""),
        headers.get("x-amz-date", ""),
        parts.get("SignedHeaders", ""),
        parts.get("Signature", ""),
        headers.get("x-amz-security-token", ""),
    )


def read_query(url: str) -> Signed | None:
    """From a presigned URL's X-Amz-* parameters, or None."""
    query = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
    if query.get("X-Amz-Algorithm") != _ALGORITHM:
        return None
    expires = query.get("X-Amz-Expires", "")
    return _signed(
        query.get("X-Amz-Credential", ""),
        query.get("X-Amz-Date", ""),
        query.get("X-Amz-SignedHeaders", ""),
        query.get("X-Amz-Signature", ""),
        query.get("X-Amz-Security-Token", ""),
        int(expires) if expires.isdigit() else 0,
    )


def _signed(credential: str, date: str, headers: str, signature: str, token: str, expires_s: int = 0) -> Signed | None:
    scope = credential.split("/")
    if len(scope) != 5 or scope[4] != "aws4_request" or not (date and signature):
        return None
    return Signed(scope[0], scope[2], scope[3], date, tuple(headers.split(";")), signature, token, expires_s)


def holds(signed: Signed, secret: str, method: str, url: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the signature is that of this request under this secret. headers: names in lower case."""
    presigned = "X-Amz-Signature=" in url
    kept = {name: headers[name] for name in signed.headers if name in headers}
    if len(kept) != len(signed.headers):
        return False
    request = AWSRequest(method=method, url=_without_signature(url), headers=kept, data=b"" if presigned else body)
    request.context["timestamp"] = signed.date
    kind = S3SigV4Auth if signed.service == "s3" else SigV4Auth
    auth = kind(Credentials(signed.key_id, secret), signed.service, signed.region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return hmac.compare_digest(auth.signature(text, request), signed.signature)


def _without_signature(url: str) -> str:
    head, mark, query = url.partition("?")
    kept = [part for part in query.split("&") if not part.startswith("X-Amz-Signature=")]
    return head + mark + "&".join(kept)
