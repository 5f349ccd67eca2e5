"""OSS on the same port: buckets, what they allow and how they are kept; no objects. Signed with OSS4-HMAC-SHA256.

Callers: sandbox/alibaba/server.py. A bucket is named by the path, as OSS accepts for addresses that are numbers; its
answers are XML. Sources: "Include a V4 signature in the Authorization header", PutBucket, GetBucketInfo of the OSS
reference. Not here: objects, lifecycle, replication, the older signature (V1), which new accounts are refused.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml
from xml.sax.saxutils import escape

from sandbox.alibaba import things
from sandbox.alibaba.state import Ctx
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import MAX_SKEW_S, ApiError, Raw

KIND, TRAIL = "bucket", "ACS::OSS::Bucket"
_ALGORITHM = "OSS4-HMAC-SHA256"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ACLS = ("private", "public-read", "public-read-write")
_SUBRESOURCES = ("bucketInfo", "policyStatus", "tagging", "acl", "encryption", "versioning", "logging", "policy",
                 "publicAccessBlock")  # fmt: skip


OPERATIONS = (
    *("oss:ListBuckets", "oss:PutBucket", "oss:DeleteBucket", "oss:GetBucketInfo", "oss:GetBucketPolicyStatus"),
    *("oss:GetBucketTagging", "oss:PutBucketTagging", "oss:PutBucketAcl", "oss:PutBucketEncryption"),
    *("oss:PutBucketVersioning", "oss:PutBucketLogging", "oss:PutBucketPolicy", "oss:PutBucketPublicAccessBlock"),
)
"""For the fault table."""


def is_oss(raw: Raw) -> bool:
    return raw.headers.get("authorization", "").startswith(_ALGORITHM)


def bucket_of(raw: Raw) -> str:
    return raw.path.strip("/").partition("/")[0]


def operation(raw: Raw) -> str:
    """`GetBucketInfo` and its like; what is not known is refused."""
    bucket = bucket_of(raw)
    if not bucket:
        return "ListBuckets" if raw.method == "GET" else _refuse(raw)
    sub = next((s for s in _SUBRESOURCES if s in raw.query), "")
    verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}.get(raw.method, "")
    if not verb or (verb == "Get" and not sub):
        return _refuse(raw)
    name = sub[:1].upper() + sub[1:]
    return f"{verb}Bucket{name.removeprefix('Bucket')}"


def _refuse(raw: Raw) -> str:
    raise ApiError(501, "NotImplemented", f"The sandbox has no {raw.method} {raw.path}.")


# -- the signature -------------------------------------------------------------------------------------------------


def credential(raw: Raw) -> tuple[str, str]:
    """(access key id, region) that a request names."""
    match = re.search(r"Credential=([^/,]+)/(\d{8})/([^/]+)/oss/aliyun_v4_request", raw.headers["authorization"])
    if match is None:
        raise ApiError(400, "InvalidArgument", "The Authorization header is malformed.")
    return match[1], match[3]


def verify(raw: Raw, secret: str) -> None:
    """Raises what OSS answers to an old request or a wrong signature."""
    header = raw.headers["authorization"]
    stamp = raw.headers.get("x-oss-date", "")
    try:
        at_s = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as exc:
        raise ApiError(403, "AccessDenied", "Invalid signing date in Authorization header.") from exc
    if abs(time.time() - at_s) > MAX_SKEW_S:
        raise ApiError(403, "RequestTimeTooSkewed", "The difference between the request time and ours is too large.")
    _, region = credential(raw)
    extra = re.search(r"AdditionalHeaders=([^, ]*)", header)
    names = sorted(n for n in (extra[1] if extra else "").lower().split(";") if n)
    signed = {k: v for k, v in raw.headers.items() if k.startswith("x-oss-") or k in ("content-type", "content-md5")}
    signed |= {n: raw.headers.get(n, "") for n in names}
    headers = "".join(f"{k}:{v.strip()}\n" for k, v in sorted(signed.items()))
    query = "&".join(
        f"{quote(k, safe='')}={quote(v, safe='')}" if v else quote(k, safe="") for k, v in sorted(raw.query.items())
    )
    payload = raw.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD")
    canonical = "\n".join((raw.method, quote(raw.path, safe="/-_.~"), query, headers, ";".join(names), payload))
    scope = f"{stamp[:8]}/{region}/oss/aliyun_v4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"aliyun_v4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    given = re.search(r"Signature=([0-9a-f]+)", header)
    if given is None or not hmac.compare_digest(given[1], expected):
        message = "The request signature we calculated does not match the signature you provided."
        raise ApiError(403, "SignatureDoesNotMatch", message)


# -- actions -------------------------------------------------------------------------------------------------------


def run(ctx: Ctx, raw: Raw, name: str) -> str:
    """The answer's XML; "" where it has none."""
    if name == "ListBuckets":
        return _list(ctx, raw)
    bucket = bucket_of(raw)
    if name == "PutBucket":
        return _put(ctx, raw, bucket)
    found = _find(ctx, bucket)
    if name == "DeleteBucket":
        things.remove(ctx, found, touched=TRAIL)
        return ""
    if name.startswith("Put"):
        _change(found, raw, name)
        ctx.touched.append((TRAIL, found.id))
        return ""
    return _shown(ctx, found, name)


def _find(ctx: Ctx, bucket: str) -> Thing:
    return things.find(
        ctx, KIND, bucket, lambda: ApiError(404, "NoSuchBucket", "The specified bucket does not exist."),
        everywhere=True,
    )  # fmt: skip


def _put(ctx: Ctx, raw: Raw, bucket: str) -> str:
    acl = raw.headers.get("x-oss-acl", "private")
    if not _NAME.fullmatch(bucket) or acl not in _ACLS:
        raise ApiError(400, "InvalidBucketName", "The specified bucket is not valid.")
    if any(t.id == bucket for e in ctx.cloud.estates.values() for t in things.living(e, KIND)):
        raise ApiError(409, "BucketAlreadyExists", "The requested bucket name is not available.")
    asked = _xml(raw.body) if raw.body else None
    redundancy = (asked.findtext("DataRedundancyType") if asked is not None else None) or "LRS"
    things.add(
        ctx, KIND, bucket, bucket, touched=TRAIL, acl=acl, redundancy=redundancy, sse="", key="", versioning="",
        logs="", blocked=False, open=False,
    )  # fmt: skip
    return ""


def _xml(body: bytes) -> Xml.Element:
    try:
        return Xml.fromstring(body)  # noqa: S314  (the sandbox's own users; expat 2.4.1 and later refuse entity bombs)
    except Xml.ParseError as exc:
        raise ApiError(400, "MalformedXML", "The XML you provided was not well-formed.") from exc


def _change(found: Thing, raw: Raw, name: str) -> None:
    values = found.values
    if name == "PutBucketAcl":
        values["acl"] = raw.headers.get("x-oss-acl", "private")
    elif name == "PutBucketPolicy":
        values["open"] = b'"*"' in raw.body and b'"Allow"' in raw.body
    else:
        asked = _xml(raw.body)
        text = {element.tag: element.text or "" for element in asked.iter()}
        if name == "PutBucketEncryption":
            values.update(sse=text.get("SSEAlgorithm", ""), key=text.get("KMSMasterKeyID", ""))
        elif name == "PutBucketVersioning":
            values["versioning"] = text.get("Status", "")
        elif name == "PutBucketLogging":
            values["logs"] = text.get("TargetBucket", "")
        elif name == "PutBucketPublicAccessBlock":
            values["blocked"] = text.get("BlockPublicAccess", "") == "true"
        elif name == "PutBucketTagging":
            pairs = [(t.findtext("Key") or "", t.findtext("Value") or "") for t in asked.iter("Tag")]
            found.tags = dict(pairs)


def _element(name: str, value: Any) -> str:
    if isinstance(value, dict):
        inner = "".join(_element(k, v) for k, v in value.items())
    elif isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    else:
        inner = escape(str(value).lower() if isinstance(value, bool) else str(value))
    return f"<{name}>{inner}</{name}>"


def document(name: str, value: dict[str, Any]) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element(name, value)}'


def _row(found: Thing) -> dict[str, Any]:
    return {
        "Name": found.id,
        "Location": f"oss-{found.region}",
        "Region": found.region,
        "CreationDate": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(found.created_s)),
        "ExtranetEndpoint": f"oss-{found.region}.aliyuncs.com",
        "IntranetEndpoint": f"oss-{found.region}-internal.aliyuncs.com",
        "StorageClass": "Standard",
    }


def _list(ctx: Ctx, raw: Raw) -> str:
    size = int(raw.query.get("max-keys") or 100)
    marker, prefix = raw.query.get("marker", ""), raw.query.get("prefix", "")
    found = sorted(things.living(ctx.estate, KIND), key=lambda t: t.id)
    rows = [t for t in found if t.id > marker and t.id.startswith(prefix)]
    more = len(rows) > size
    account = ctx.caller.account.account_id
    answer: dict[str, Any] = {
        "Prefix": prefix, "Marker": marker, "MaxKeys": size, "IsTruncated": more,
        "NextMarker": rows[size - 1].id if more else "", "Owner": {"ID": account, "DisplayName": account},
        "Buckets": {"Bucket": [_row(t) for t in rows[:size]]},
    }  # fmt: skip
    return document("ListAllMyBucketsResult", answer)


def _shown(ctx: Ctx, found: Thing, name: str) -> str:
    values, account = found.values, ctx.caller.account.account_id
    if name == "GetBucketInfo":
        rule = {"SSEAlgorithm": values["sse"] or "None"}
        if values["key"]:
            rule["KMSMasterKeyID"] = values["key"]
        info: dict[str, Any] = {
            **_row(found),
            "Owner": {"ID": account, "DisplayName": account},
            "AccessControlList": {"Grant": values["acl"]},
            "DataRedundancyType": values["redundancy"],
            "ServerSideEncryptionRule": rule,
            "BlockPublicAccess": values["blocked"],
            "CrossRegionReplication": "Disabled",
            "BucketPolicy": {"LogBucket": values["logs"], "LogPrefix": ""},
            **({"Versioning": values["versioning"]} if values["versioning"] else {}),
        }
        return document("BucketInfo", {"Bucket": info})
    if name == "GetBucketPolicyStatus":
        return document("PolicyStatus", {"IsPublic": values["open"]})
    if name == "GetBucketTagging":
        tags = [{"Key": k, "Value": v} for k, v in found.tags.items()]
        return document("Tagging", {"TagSet": {"Tag": tags}})
    raise ApiError(501, "NotImplemented", f"The sandbox has no {name}.")


def error_body(exc: ApiError, request_id: str, host: str) -> str:
    return document("Error", {"Code": exc.code, "Message": exc.message, "RequestId": request_id, "HostId": host})
