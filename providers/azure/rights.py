"""Identities and the subscription's audit trail, read only.

Callers: provider.py. Identities are user-assigned managed identities, roles that are not Azure's own, and every
principal that a role was given to: Resource Manager knows them by object id, the directory is another API. They and the
trail are of the whole subscription, so they show in every region that is asked; managed identities have one.
Sources: learn.microsoft.com/rest/api/authorization, .../managedidentity, .../monitor/diagnostic-settings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from model.resources import AuditTrail, Grant, Identity, Kind, Observed
from providers.azure.arm import Raw
from providers.azure.names import user_tags
from providers.azure.readers import Reader
from providers.base import Call

IDENTITIES, IDENTITIES_API = "Microsoft.ManagedIdentity/userAssignedIdentities", "2023-01-31"
ROLES, ASSIGNMENTS = "Microsoft.Authorization/roleDefinitions", "Microsoft.Authorization/roleAssignments"
RIGHTS_API = "2022-04-01"
TRAILS, TRAILS_API = "Microsoft.Insights/diagnosticSettings", "2021-05-01-preview"
EVENTS = frozenset({"Administrative", "Security", "Alert", "Policy"})
"""Categories of the activity log that tell who did what; the others tell of health and advice."""
_FAMILIES = {"User": "user", "Group": "group", "ServicePrincipal": "service_principal", "ForeignGroup": "group"}


class Identities(Reader):
    kind = Kind.IDENTITY

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        """raw carries the grants of its principal as `grants`."""
        roles = {raw.name.lower(): raw for raw in self.arm.of_type(ROLES, RIGHTS_API, region, call)}
        given = defaultdict[str, list[Grant]](list)
        principals: dict[str, Raw] = {}
        for row in self.arm.of_type(ASSIGNMENTS, RIGHTS_API, region, call):
            principal = str(row.said("principalId") or "")
            role = roles.get(str(row.said("roleDefinitionId") or "").rsplit("/", 1)[-1].lower())
            scope, conditions = str(row.said("scope") or ""), ("condition",) if row.said("condition") else ()
            given[principal] += grants_of(role, (scope,), conditions) if role is not None else []
            principals.setdefault(principal, row)
        for identity in self.here(IDENTITIES, IDENTITIES_API, region, call):
            principal = str(identity.said("principalId") or "")
            principals.pop(principal, None)
            yield Raw({**identity.data, "grants": given[principal], "family": "managed_identity"}, region)
        for role in roles.values():
            if role.said("type") == "CustomRole":
                scopes = tuple(str(s) for s in role.said("assignableScopes") or ())
                data = {**role.data, "grants": grants_of(role, scopes), "family": "role"}
                yield Raw({**data, "name": role.said("roleName")}, region)
        for principal, row in sorted(principals.items()):
            family = _FAMILIES.get(str(row.said("principalType")), "principal")
            yield Raw({**row.data, "name": principal, "grants": given[principal], "family": family}, region)

    def observe(self, raw: Raw, _call: Call) -> Observed:
        resource = Identity(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            family=str(raw.data["family"]),
            grants=tuple(raw.data["grants"]),
            # A managed identity has no secret of its own (learn.microsoft.com/entra/identity).
            long_lived_keys=False if raw.data["family"] == "managed_identity" else None,
        )
        return self.observed(raw, resource)


def grants_of(role: Raw, resources: tuple[str, ...], conditions: tuple[str, ...] = ()) -> list[Grant]:
    """One per permission of a role; data actions count among the actions. Pure."""
    return [
        Grant(
            actions=_both(row, "actions", "dataActions"),
            not_actions=_both(row, "notActions", "notDataActions"),
            resources=resources,
            conditions=conditions,
        )
        for row in role.said("permissions") or ()
    ]


def _both(row: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(str(action) for name in names for action in row.get(name) or ())


class AuditTrails(Reader):
    """Diagnostic settings of the subscription: each sends the activity log somewhere."""

    kind = Kind.AUDIT_TRAIL

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        return self.arm.of_type(TRAILS, TRAILS_API, region, call)

    def observe(self, raw: Raw, _call: Call) -> Observed:
        return self.observed(raw, trail_of(raw, self.address(raw).name))


def trail_of(raw: Raw, name: str) -> AuditTrail:
    logs = raw.said("logs") or ()
    on = {str(log.get("category") or log.get("categoryGroup") or "") for log in logs if log.get("enabled")}
    retention = [log.get("retentionPolicy") or {} for log in logs if log.get("enabled")]
    days = {int(row.get("days") or 0) for row in retention if row.get("enabled")}
    places = ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId")
    return AuditTrail(
        name=name,
        enabled=bool(on),
        all_regions=True,  # the activity log is one for all regions
        all_events=bool(on & {"allLogs", "audit"}) or on >= EVENTS,
        retention_days=min(days) if days else None,
        destination=next((str(raw.said(p)) for p in places if raw.said(p)), ""),
    )
