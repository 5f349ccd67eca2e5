"""Whose bearer token of an EKS cluster this is: a presigned STS GetCallerIdentity, as aws-iam-authenticator reads it.

Callers: sandbox.aws.eks hands authenticator() to the cluster. Source: the README of aws-iam-authenticator, "API
authorization from outside a cluster": prefix `k8s-aws-v1.`, unpadded base64url, signed header x-k8s-aws-id, good for
15 minutes after X-Amz-Date.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from sandbox.aws.identity import Identities
from sandbox.aws.signature import holds, read_query

PREFIX = "k8s-aws-v1."
VALID_S = 15 * 60
_MAX_SKEW_S = 60.0
_HOST = re.compile(r"^(sts(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?|127\.0\.0\.1(:\d+)?|localhost(:\d+)?)$")
_PARAMETERS = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}


def authenticator(identities: Identities, cluster: str, account_id: str) -> Callable[[str], str | None]:
    """The function that the cluster's API asks. Reader keys become `reader:ARN`; other accounts are refused."""

    def user_of(token: str) -> str | None:
        return user(identities, token, cluster, account_id)

    return user_of


def user(identities: Identities, token: str, cluster: str, account_id: str) -> str | None:
    """The user's name, or None where the token is not good for this cluster."""
    url = _url(token)
    if url is None:
        return None
    parts = urlsplit(url)
    query = {k: v[0] for k, v in parse_qs(parts.query).items()}
    signed = read_query(url)
    if (
        signed is None
        or not _HOST.match(parts.netloc)
        or parts.path not in ("", "/")
        or signed.service != "sts"
        or any(query.get(k) != v for k, v in _PARAMETERS.items())
        or "x-k8s-aws-id" not in signed.headers
        or not 0 < signed.expires_s <= VALID_S
    ):
        return None
    try:
        age_s = signed.age_s(datetime.now(UTC))
    except ValueError:
        return None
    found = identities.find(signed.key_id)
    if not -_MAX_SKEW_S <= age_s <= VALID_S or found is None:
        return None
    principal, secret = found
    headers = {"host": parts.netloc, "x-k8s-aws-id": cluster}
    if principal.account_id != account_id or not holds(signed, secret, "GET", url, headers, b""):
        return None
    return f"reader:{principal.arn}" if principal.reader else principal.arn


def _url(token: str) -> str | None:
    if not token.startswith(PREFIX):
        return None
    text = token.removeprefix(PREFIX)
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
