"""BUCKET (OSS), read only. Callers: provider.py. A bucket's name is unique in all of OSS, and its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as Xml

from model.errors import NotFound
from model.resources import TAG_FLEET, Bucket, Kind, Observed, State
from providers.alibaba.common import Identified, References, Row, users_tags
from providers.alibaba.oss import OssReader
from providers.alibaba.reader import Reader
from providers.alibaba.session import Session
from providers.base import Call


class Buckets(Reader):
    KIND = Kind.BUCKET

    def __init__(self, session: Session, references: References) -> None:
        super().__init__(session, references)
        self._oss = OssReader(session)

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        """OSS filters by no tag."""
        if name:
            row = self.by_id(region, name, call)
            yield from [row] if row is not None else []
            return
        for found in self._oss.buckets(region, call):
            row = self.by_id(region, str(found.findtext("Name")), call)
            if row is not None and all(row["tags"].get(k) == v for k, v in (tags or {}).items()):
                yield row

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        try:
            info = self._oss.get("GetBucketInfo", region, provider_id, {"bucketInfo": ""}, call)
            policy = self._oss.get("GetBucketPolicyStatus", region, provider_id, {"policyStatus": ""}, call)
            tagging = self._oss.get("GetBucketTagging", region, provider_id, {"tagging": ""}, call)
        except NotFound:
            return None
        bucket = info.find("Bucket")
        if bucket is None or (bucket.findtext("Location") or "").removeprefix("oss-") != region:
            return None
        tags = {str(t.findtext("Key")): str(t.findtext("Value") or "") for t in tagging.iter("Tag")}
        return {"name": provider_id, "tags": tags, "info": _told(bucket), "open": policy.findtext("IsPublic") == "true"}

    def identify(self, row: Row) -> Identified:
        return Identified(row["name"], row["name"], row["tags"])

    def observe(self, region: str, row: Row, call: Call) -> Observed:  # noqa: ARG002  (the same for every kind)
        who, info = self.identify(row), row["info"]
        blocked = info.get("BlockPublicAccess") == "true"
        public = info.get("AccessControlList/Grant", "private") != "private" or bool(row["open"])
        key = info.get("ServerSideEncryptionRule/KMSMasterKeyID", "")
        algorithm = info.get("ServerSideEncryptionRule/SSEAlgorithm", "None")
        bucket = Bucket(
            name=who.logical_name,
            tags=users_tags(who.tags),
            public=public and not blocked,
            public_access_blocked=blocked,
            sse="none" if algorithm in ("", "None") else "key" if key else "cloud",
            key=key,
            versioning=info.get("Versioning") == "Enabled",
            access_logs=bool(info.get("BucketPolicy/LogBucket")),
            redundancy=info.get("DataRedundancyType", ""),
        )
        return Observed(
            address=self.address(region, who.logical_name),
            resource=bucket,
            provider_id=who.id,
            state=State.READY,
            owner=who.tags.get(TAG_FLEET, ""),
        )


def _told(bucket: Xml.Element) -> dict[str, Any]:
    """Texts by path, `AccessControlList/Grant`."""
    found: dict[str, Any] = {}
    for element in bucket:
        found[element.tag] = element.text or ""
        found |= {f"{element.tag}/{inner.tag}": inner.text or "" for inner in element}
    return found
