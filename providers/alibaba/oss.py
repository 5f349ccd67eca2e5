"""OSS's own protocol: signed GET requests and XML answers, for what is read of buckets.

Callers: buckets.py. Three reads of a bucket's settings are all that is needed, so no package is: `oss2` brings a CRC
extension that is built from source and a retry of its own, and `aliyun-python-sdk-core` does not sign for OSS. The
signature is OSS4-HMAC-SHA256 ("Include a V4 signature in the Authorization header" of the OSS reference), for accounts
made since 2025 are refused the older one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import quote
from xml.etree import ElementTree as Xml

import httpx

from model.errors import CallSite, CloudError, Unreachable
from providers.alibaba.errors import map_code
from providers.alibaba.session import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Session
from providers.base import Call
from providers.calls import OutOfTime

_ALGORITHM = "OSS4-HMAC-SHA256"
_PAYLOAD = "UNSIGNED-PAYLOAD"


class OssReader:
    """Thread-safe: a client for each request, as there are few."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def buckets(self, region: str, call: Call) -> Iterator[Xml.Element]:
        """<Bucket> of those in the region, over all pages."""
        marker = ""
        while True:
            query = {"max-keys": str(self._session.page_size()), **({"marker": marker} if marker else {})}
            answer = self.get("ListBuckets", region, "", query, call)
            for row in answer.iter("Bucket"):
                if (row.findtext("Location") or "").removeprefix("oss-") == region:
                    yield row
            marker = answer.findtext("NextMarker") or ""
            if answer.findtext("IsTruncated") != "true" or not marker:
                return

    def get(self, operation: str, region: str, bucket: str, query: Mapping[str, str], call: Call) -> Xml.Element:
        """One read. Raises model.errors only."""
        name = f"oss:{operation}"

        def attempt() -> Xml.Element:
            left = call.remaining_s()
            if left <= 0:
                raise OutOfTime(name)
            try:
                answer = self._send(region, bucket, query, left, call)
            except httpx.HTTPError as exc:
                raise Unreachable(f"{name}: {type(exc).__name__}: {exc}", call=self._site(region, name)) from exc
            return self._read(answer, region, name)

        return self._session.calls.run(name, attempt, call, api=f"{region}/{name}")

    def _site(self, region: str, name: str) -> CallSite:
        return CallSite("alibaba", self._session.account.name, region, name)

    def _send(self, region: str, bucket: str, query: Mapping[str, str], left: float, call: Call) -> httpx.Response:
        key = self._session.key(call)
        base, host, proxy = self._session.base_url("oss", region)
        named = f"{bucket}." if bucket and not self._session.host_given else ""
        path = f"/{bucket}/" if bucket and not named else "/"
        signed_path = f"/{bucket}/" if bucket else "/"
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = {"x-oss-date": now, "x-oss-content-sha256": _PAYLOAD}
        if key.security_token:
            headers["x-oss-security-token"] = key.security_token
        scope = f"{now[:8]}/{region}/oss/aliyun_v4_request"
        signature = sign("GET", signed_path, query, headers, scope, key.secret)
        headers["authorization"] = f"{_ALGORITHM} Credential={key.key_id}/{scope},Signature={signature}"
        timeout = httpx.Timeout(min(READ_TIMEOUT_S, left), connect=min(CONNECT_TIMEOUT_S, left))
        scheme = base.partition("://")[0]
        url = httpx.URL(f"{scheme}://{named}{host}{path}?{_query(query)}")
        with httpx.Client(
            trust_env=False, proxy=proxy or None, verify=self._session.trust(), timeout=timeout
        ) as client:
            return client.get(url, headers=headers)

    def _read(self, answer: httpx.Response, region: str, name: str) -> Xml.Element:
        try:
            document = Xml.fromstring(answer.content)  # noqa: S314  (expat 2.4.1 and later refuse entity bombs)
        except Xml.ParseError as exc:
            raise Unreachable(f"{name}: the answer is no XML", call=self._site(region, name)) from exc
        if answer.status_code < 300:
            return document
        told = {field: document.findtext(field) or "" for field in ("Code", "Message", "RequestId")}
        raise self._refused(told, answer.status_code, region, name)

    def _refused(self, told: Mapping[str, str], status: int, region: str, name: str) -> CloudError:
        site = CallSite("alibaba", self._session.account.name, region, name, told["RequestId"], told["Code"])
        return map_code(told["Code"], told["Message"], status, site)


def _query(query: Mapping[str, str]) -> str:
    """A parameter without a value has no `=`."""
    pairs = sorted(query.items())
    return "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" if v else quote(k, safe="") for k, v in pairs)


def sign(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], scope: str, secret: str) -> str:
    """The signature of a request without a body. headers: lower-case x-oss-* names; path with the bucket in front."""
    lines = "".join(f"{k}:{v}\n" for k, v in sorted(headers.items()))
    canonical = "\n".join((method, quote(path, safe="/-_.~"), _query(query), lines, "", _PAYLOAD))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((_ALGORITHM, headers["x-oss-date"], scope, digest))
    key = f"aliyun_v4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
