"""Who may do what, and what is written down about it, read: IAM's identities and policies; CloudTrail's trails.

Callers: provider.py. IAM is one service per partition: every region that is asked shows the same identities. Sources:
IAM API Reference, GetAccountAuthorizationDetails; CloudTrail API Reference, DescribeTrails, GetEventSelectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.resources import AuditTrail, Grant, Identity, Kind, Observed
from providers.aws.keys import chosen_key
from providers.aws.listed import Listed, if_told, tags_of_pairs
from providers.aws.policy_text import grants_of
from providers.aws.tags import logical_name, user_tags
from providers.base import Call

_LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
Details = dict[str, list[dict[str, Any]]]


class Identities(Listed):
    """Users, groups, roles and the account's own policies. AWS's managed policies are grants of who has them."""

    kind = Kind.IDENTITY

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        told = self._details(region, call)
        documents = {row["Arn"]: _default_document(row) for row in told["Policies"]}
        for row in told["UserDetailList"]:
            yield self._user(region, row, documents, call)
        for row in told["GroupDetailList"]:
            yield self._plain(region, "group", row, row["GroupName"], documents, "GroupPolicyList")
        for row in told["RoleDetailList"]:
            yield self._plain(region, "role", row, row["RoleName"], documents, "RolePolicyList")
        bound = {a["PolicyArn"] for row in told["UserDetailList"] for a in row.get("AttachedManagedPolicies") or ()}
        for row in told["Policies"]:
            if ":iam::aws:" not in row["Arn"]:
                yield self._policy(region, row, row["Arn"] in bound)

    def _details(self, region: str, call: Call) -> Details:
        found: Details = {name: [] for name in _LISTS}
        start: dict[str, str] = {}
        while True:
            page = self.read("iam", region, "GetAccountAuthorizationDetails", call, **start)
            for name in _LISTS:
                found[name] += page.get(name) or ()
            if not page.get("IsTruncated"):
                return found
            start = {"Marker": page["Marker"]}

    def _plain(
        self,
        region: str,
        family: str,
        row: Mapping[str, Any],
        name: str,
        documents: Mapping[str, Any],
        inline: str,
        **more: Any,
    ) -> Observed:
        tags = tags_of_pairs(row.get("Tags"))
        attached = [documents.get(a["PolicyArn"]) for a in row.get("AttachedManagedPolicies") or ()]
        own = [p.get("PolicyDocument") for p in row.get(inline) or ()]
        return self.observed(
            region,
            Identity(
                name=logical_name(tags, name),
                tags=user_tags(tags),
                family=family,
                grants=_grants([*own, *attached]),
                trust=grants_of(row.get("AssumeRolePolicyDocument")),
                **more,
            ),
            row["Arn"],
            raw={"tags": tags},
        )

    def _user(self, region: str, row: Mapping[str, Any], documents: Mapping[str, Any], call: Call) -> Observed:
        name = row["UserName"]
        keys = if_told(lambda: self.read("iam", region, "ListAccessKeys", call, UserName=name), call, {})
        devices = if_told(lambda: self.read("iam", region, "ListMFADevices", call, UserName=name), call, {})
        return self._plain(
            region, "user", row, name, documents, "UserPolicyList",
            long_lived_keys=None if keys is None else bool(keys.get("AccessKeyMetadata")),
            mfa=None if devices is None else bool(devices.get("MFADevices")),
            attached_to_users=bool(row.get("UserPolicyList") or row.get("AttachedManagedPolicies")),
        )  # fmt: skip

    def _policy(self, region: str, row: Mapping[str, Any], to_users: bool) -> Observed:
        tags = tags_of_pairs(row.get("Tags"))
        return self.observed(
            region,
            Identity(
                name=logical_name(tags, row["PolicyName"]),
                tags=user_tags(tags),
                family="policy",
                grants=grants_of(_default_document(row)),
                attached_to_users=to_users,
            ),
            row["Arn"],
            raw={"tags": tags},
        )


def _default_document(row: Mapping[str, Any]) -> Any:
    versions = row.get("PolicyVersionList") or ()
    return next((v.get("Document") for v in versions if v.get("IsDefaultVersion")), None)


def _grants(documents: Iterable[Any]) -> tuple[Grant, ...]:
    return tuple(grant for document in documents for grant in grants_of(document))


class AuditTrails(Listed):
    """Trails that record in a region, those of other regions that reach it included."""

    kind = Kind.AUDIT_TRAIL

    def rows(self, region: str, call: Call) -> Iterator[Observed]:
        for row in self.read("cloudtrail", region, "DescribeTrails", call)["trailList"]:
            yield self._observed(region, row, call)

    def _observed(self, region: str, row: Mapping[str, Any], call: Call) -> Observed:
        arn = row["TrailARN"]
        status = if_told(lambda: self.read("cloudtrail", region, "GetTrailStatus", call, Name=arn), call, {})
        selectors = if_told(lambda: self.read("cloudtrail", region, "GetEventSelectors", call, TrailName=arn), call, {})
        tagged = if_told(
            lambda: self.read("cloudtrail", region, "ListTags", call, ResourceIdList=[arn])["ResourceTagList"], call, []
        )
        tags = tags_of_pairs((tagged or [{}])[0].get("TagsList"))
        key = row.get("KmsKeyId", "")
        return self.observed(
            region,
            AuditTrail(
                name=logical_name(tags, row["Name"]),
                tags=user_tags(tags),
                enabled=None if status is None else bool(status.get("IsLogging")),
                all_regions=bool(row.get("IsMultiRegionTrail")),
                all_events=None if selectors is None else _all_events(selectors),
                validated=bool(row.get("LogFileValidationEnabled")),
                encrypted=True,  # CloudTrail User Guide: by S3 at least
                key=chosen_key(self.session, region, key, call) if key else "",
                destination=row.get("S3BucketName", ""),
            ),
            arn,
            raw={"tags": tags},
        )


def _all_events(selectors: Mapping[str, Any]) -> bool:
    """Whether reads and writes of the management API are recorded: so it is where nothing is selected."""
    basic = selectors.get("EventSelectors") or ()
    if not basic and not selectors.get("AdvancedEventSelectors"):
        return True
    if any(s.get("ReadWriteType", "All") == "All" and s.get("IncludeManagementEvents", True) for s in basic):
        return True
    return any(
        any(f.get("Field") == "eventCategory" and "Management" in (f.get("Equals") or ()) for f in fields)
        and not any(f.get("Field") == "readOnly" for f in fields)
        for fields in (s.get("FieldSelectors") or () for s in selectors.get("AdvancedEventSelectors") or ())
    )
