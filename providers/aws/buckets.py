"""S3 buckets, read: who can reach them, how they are encrypted, what is kept.

Callers: provider.py. What a missing permission hides is None. Sources: S3 API Reference, GetBucketEncryption,
GetPublicAccessBlock and so on; S3 User Guide, "Blocking public access" (what is blocked cannot be public).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from model.resources import Bucket, Kind, Observed
from providers.aws.keys import chosen_key
from providers.aws.listed import Listed, if_told, tags_of_pairs
from providers.aws.policy_text import open_to_all, tls_only
from providers.aws.session import DEFAULT_REGION
from providers.aws.tags import user_tags
from providers.base import Call

_GROUPS = "http://acs.amazonaws.com/groups/global"
_EVERYBODY = (f"{_GROUPS}/AllUsers", f"{_GROUPS}/AuthenticatedUsers")
_PAGE = 1000
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class Buckets(Listed):
    """S3 keeps one list for all regions; only those of the region asked for are shown."""

    kind = Kind.BUCKET

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        start: dict[str, str] = {}
        while True:
            page = self.read("s3", region, "ListBuckets", call, BucketRegion=region, MaxBuckets=_PAGE, **start)
            for row in page.get("Buckets") or ():
                if self._region(region, row, call) == region:
                    yield self._observed(region, row["Name"], call)
            if not page.get("ContinuationToken"):
                return
            start = {"ContinuationToken": page["ContinuationToken"]}

    def _region(self, region: str, row: Mapping[str, Any], call: Call) -> str:
        """Where a bucket is; "" where it went meanwhile or may not be asked."""
        if row.get("BucketRegion"):
            return str(row["BucketRegion"])
        told = if_told(lambda: self.read("s3", region, "GetBucketLocation", call, Bucket=row["Name"]), call)
        if told is None:
            return ""
        place = told.get("LocationConstraint") or DEFAULT_REGION["aws"]  # none means the first region, us-east-1
        return "eu-west-1" if place == "EU" else str(place)

    def _observed(self, region: str, name: str, call: Call) -> Observed:
        ask = self._asker(region, name, call)
        rules = ask("GetBucketEncryption", lambda a: a["ServerSideEncryptionConfiguration"]["Rules"], [])
        blocks = ask("GetPublicAccessBlock", lambda a: a["PublicAccessBlockConfiguration"], {})
        policy = ask("GetBucketPolicy", lambda a: a["Policy"], "")
        grants = ask("GetBucketAcl", lambda a: a.get("Grants") or [], [])
        tags = tags_of_pairs(ask("GetBucketTagging", lambda a: a["TagSet"], []))
        replication = ask("GetBucketReplication", lambda a: a["ReplicationConfiguration"]["Rules"], [])
        blocked = None if blocks is None else all(blocks.get(b) for b in _BLOCKS)
        sse, key = _encryption(rules)
        return self.observed(
            region,
            Bucket(
                name=name,
                tags=user_tags(tags),
                public=_public(blocked, policy, grants),
                public_access_blocked=blocked,
                sse=sse,
                key=chosen_key(self.session, region, key, call) if sse == "key" and key else "",
                versioning=ask("GetBucketVersioning", lambda a: a.get("Status") == "Enabled", False),
                access_logs=ask("GetBucketLogging", lambda a: bool(a.get("LoggingEnabled")), False),
                tls_only=None if policy is None else tls_only(policy),
                replicas=tuple(sorted({_destination(rule) for rule in replication or ()})),
            ),
            f"arn:{self.session.account.partition}:s3:::{name}",
            raw={"tags": tags},
        )

    def _asker(self, region: str, name: str, call: Call) -> Callable[[str, Callable[[Any], Any], Any], Any]:
        def ask(operation: str, pick: Callable[[Any], Any], absent: Any) -> Any:
            """What one of S3's reads says; absent where nothing of that sort is set; None where it may not tell."""
            return if_told(lambda: pick(self.read("s3", region, operation, call, Bucket=name)), call, absent)

        return ask


def _encryption(rules: Iterable[Mapping[str, Any]] | None) -> tuple[str, str]:
    """(sse, key id): none, cloud or key; "" where nobody tells."""
    if rules is None:
        return "", ""
    for rule in rules:
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        by_key = str(default.get("SSEAlgorithm", "")).startswith("aws:kms")
        return ("key", str(default.get("KMSMasterKeyID", ""))) if by_key else ("cloud", "")
    return "none", ""


def _public(blocked: bool | None, policy: str | None, grants: Iterable[Mapping[str, Any]] | None) -> bool | None:
    if blocked:
        return False
    open_acl = None if grants is None else any((g.get("Grantee") or {}).get("URI") in _EVERYBODY for g in grants)
    open_policy = None if policy is None else open_to_all(policy)
    if open_acl or open_policy:
        return True
    return None if open_acl is None or open_policy is None or blocked is None else False


def _destination(rule: Mapping[str, Any]) -> str:
    return str((rule.get("Destination") or {}).get("Bucket", "")).rsplit(":", 1)[-1]
