"""Alibaba Cloud's two wire styles: how a request is read and signed, and how answers and errors look.

Callers: sandbox/alibaba/server.py. RPC: everything in the query (or form) with `Action` and `Version`, signed with
HMAC-SHA1 over the sorted parameters. ROA: a REST path with signed headers. Both: ACS3-HMAC-SHA256 headers instead.
Sources: "Request syntax and signature method V2 (RPC)", "(ROA)" and "V3" of the Alibaba Cloud SDK documentation, and
what aliyun-python-sdk-core 2.16 sends. Not here: what the actions do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, quote

MAX_SKEW_S = 15 * 60.0
_COMMON = frozenset(
    (
        *("Action", "Version", "Format", "AccessKeyId", "SecurityToken", "Timestamp", "Signature"),
        *("SignatureMethod", "SignatureVersion", "SignatureNonce", "SignatureType"),
    )
)


class ApiError(Exception):
    """An answer other than success, as the cloud names it."""

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.retry_after_s = status, code, message, retry_after_s


@dataclass(frozen=True)
class Params:
    """An action's parameters: flat names with numbered lists (`Tag.1.Key`, `InstanceId.2`)."""

    values: Mapping[str, str]

    def get(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def require(self, name: str) -> str:
        """Raises MissingParameter as the gateway does."""
        value = self.values.get(name, "")
        if not value:
            raise ApiError(
                400,
                f"Missing{name}" if name == "RegionId" else "MissingParameter",
                f"The input parameter {name} that is mandatory for processing this request is not supplied.",
            )
        return value

    def integer(self, name: str, default: int, *, low: int = 0, high: int = 2**31) -> int:
        text = self.values.get(name, "")
        if not text:
            return default
        if not re.fullmatch(r"-?\d{1,10}", text) or not low <= int(text) <= high:
            raise ApiError(400, "InvalidParameter", f"The specified parameter {name} is not valid.")
        return int(text)

    def flag(self, name: str, default: bool = False) -> bool:
        return self.values.get(name, str(default)).lower() == "true"

    def repeated(self, name: str) -> list[str]:
        """`Name.1`, `Name.2`, ... in order; also a JSON list in `Name`."""
        numbered = _numbered(self.values, name)
        if not numbered and self.values.get(name, "").startswith("["):
            return [str(item) for item in self.json_list(name)]
        return [value[""] for _, value in sorted(numbered.items()) if "" in value]

    def structs(self, name: str) -> list[dict[str, str]]:
        """`Name.1.Key`, `Name.1.Value`, ... as one dict an entry."""
        return [entry for _, entry in sorted(_numbered(self.values, name).items()) if set(entry) != {""}]

    def json_list(self, name: str) -> list[Any]:
        try:
            value = json.loads(self.values.get(name) or "[]")
        except json.JSONDecodeError as exc:
            raise ApiError(400, f"InvalidParameter.{name}", f"{name} is not a JSON array: {exc}") from exc
        if not isinstance(value, list):
            raise ApiError(400, f"InvalidParameter.{name}", f"{name} is not a JSON array.")
        return value

    def tags(self) -> dict[str, str]:
        return {t["Key"]: t.get("Value", "") for t in self.structs("Tag") if t.get("Key")}

    @property
    def fingerprint(self) -> str:
        """Equal where two requests ask for the same: what a client token is compared by."""
        text = json.dumps({k: v for k, v in self.values.items() if k != "ClientToken"}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _numbered(values: Mapping[str, str], name: str) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for key, value in values.items():
        match = re.fullmatch(rf"{re.escape(name)}\.(\d+)(?:\.(.+))?", key)
        if match:
            found.setdefault(int(match[1]), {})[match[2] or ""] = value
    return found


@dataclass
class Raw:
    """One request as it arrived. path and query are decoded; headers have lower-case names."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    form: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        kind = self.headers.get("content-type", "").partition(";")[0].strip()
        form = kind == "application/x-www-form-urlencoded" and self.body
        self.form = dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)) if form else {}

    @property
    def is_rpc(self) -> bool:
        return self.path == "/"

    @property
    def acs3(self) -> dict[str, str] | None:
        text = self.headers.get("authorization", "")
        if not text.startswith("ACS3-HMAC-SHA256 "):
            return None
        return dict(part.strip().partition("=")[::2] for part in text.partition(" ")[2].split(","))

    @property
    def action(self) -> str:
        return self.query.get("Action") or self.form.get("Action") or self.headers.get("x-acs-action", "")

    @property
    def version(self) -> str:
        return self.query.get("Version") or self.form.get("Version") or self.headers.get("x-acs-version", "")

    @property
    def security_token(self) -> str:
        """What comes with a temporary key; "" for a lasting one."""
        inside = self.query.get("SecurityToken") or self.form.get("SecurityToken", "")
        return inside or self.headers.get("x-acs-security-token", "")

    def params(self) -> Params:
        merged = {**self.query, **self.form}
        return Params({k: v for k, v in merged.items() if k not in _COMMON})

    def json_body(self) -> dict[str, Any]:
        if not self.body:
            return {}
        try:
            value = json.loads(self.body)
        except (json.JSONDecodeError, UnicodeDecodeError) as exc:
            raise ApiError(400, "InvalidParameter.Body", f"the body is no JSON: {exc}") from exc
        if not isinstance(value, dict):
            raise ApiError(400, "InvalidParameter.Body", "the body is no JSON object")
        return value


def percent(text: str) -> str:
    """RFC 3986 encoding as the signatures want it."""
    return quote(text, safe="-_.~")


class NonceBook:
    """Nonces seen within the accepted clock skew, per key."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}
        self._pruned_at = 0.0

    def use(self, key_id: str, nonce: str, now_s: float) -> None:
        if now_s - self._pruned_at > 60.0:
            self._seen = {k: at for k, at in self._seen.items() if now_s - at < MAX_SKEW_S}
            self._pruned_at = now_s
        if (key_id, nonce) in self._seen:
            raise ApiError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self._seen[key_id, nonce] = now_s


def key_id_of(raw: Raw) -> str:
    """The access key id that the request names. Raises what the gateway answers where there is none."""
    acs3 = raw.acs3
    if acs3 is not None:
        key_id = acs3.get("Credential", "")
    elif raw.is_rpc:
        key_id = raw.query.get("AccessKeyId") or raw.form.get("AccessKeyId", "")
    else:
        key_id = raw.headers.get("authorization", "").removeprefix("acs ").partition(":")[0]
    if not key_id:
        raise ApiError(400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action.")
    return key_id


def verify(raw: Raw, key_id: str, secret: str, nonces: NonceBook, now_s: float | None = None) -> None:
    """Checks time stamp, signature and nonce, in that order; raises the gateway's errors."""
    now = time.time() if now_s is None else now_s
    if raw.acs3 is not None:
        stamp, nonce = raw.headers.get("x-acs-date", ""), raw.headers.get("x-acs-signature-nonce", "")
        given, (expected, text) = raw.acs3.get("Signature", ""), _sign_acs3(raw, secret)
    elif raw.is_rpc:
        values = {**raw.query, **raw.form}
        stamp, nonce = values.get("Timestamp", ""), values.get("SignatureNonce", "")
        given, (expected, text) = values.get("Signature", ""), _sign_rpc(raw, secret)
        if not nonce:
            raise ApiError(400, "MissingSignatureNonce", "SignatureNonce is mandatory for this action.")
    else:
        stamp, nonce = raw.headers.get("date", ""), raw.headers.get("x-acs-signature-nonce", "")
        given = raw.headers.get("authorization", "").rpartition(":")[2]
        expected, text = _sign_roa(raw, secret)
    if abs(_seconds(stamp) - now) > MAX_SKEW_S:
        raise ApiError(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise ApiError(
            400,
            "SignatureDoesNotMatch",
            f"Specified signature is not matched with our calculation. server string to sign is:{text}",
        )
    if nonce:
        nonces.use(key_id, nonce, now)


def _seconds(stamp: str) -> float:
    try:
        if stamp.endswith("Z"):
            return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        return parsedate_to_datetime(stamp).timestamp()
    except (ValueError, TypeError) as exc:
        raise ApiError(
            400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
        ) from exc


def _sign_rpc(raw: Raw, secret: str) -> tuple[str, str]:
    values = {**raw.query, **raw.form}
    values.pop("Signature", None)
    canonical = "&".join(f"{percent(k)}={percent(v)}" for k, v in sorted(values.items()))
    text = f"{raw.method}&%2F&{percent(canonical)}"
    mac = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode(), text


def _sign_roa(raw: Raw, secret: str) -> tuple[str, str]:
    if raw.body and "content-md5" in raw.headers:
        digest = base64.b64encode(hashlib.md5(raw.body, usedforsecurity=False).digest()).decode()
        if digest != raw.headers["content-md5"]:
            raise ApiError(400, "InvalidContentMD5", "The Content-MD5 you specified does not match what we received.")
    head = [raw.method, *(raw.headers.get(name, "") for name in ("accept", "content-md5", "content-type", "date"))]
    signed = [f"{k}:{v}" for k, v in sorted(raw.headers.items()) if k.startswith("x-acs-")]
    query = "&".join(f"{k}={v}" for k, v in sorted(raw.query.items()))
    text = "\n".join([*head, *signed, raw.path + (f"?{query}" if query else "")])
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode(), text


def _sign_acs3(raw: Raw, secret: str) -> tuple[str, str]:
    assert raw.acs3 is not None
    names = raw.acs3.get("SignedHeaders", "")
    hashed = hashlib.sha256(raw.body).hexdigest()
    if raw.headers.get("x-acs-content-sha256", hashed) != hashed:
        raise ApiError(400, "SignatureDoesNotMatch", "x-acs-content-sha256 is not the hash of the body: it differs.")
    query = "&".join(f"{percent(k)}={percent(v)}" for k, v in sorted(raw.query.items()))
    headers = "".join(f"{name}:{raw.headers.get(name, '').strip()}\n" for name in names.split(";"))
    canonical = "\n".join([raw.method, quote(raw.path, safe="/-_.~"), query, headers, names, hashed])
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest(), text
