"""What of ARM is no provider's resource: subscriptions, locations, resource groups, lists over types, activity log.

Callers: server.py.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from sandbox.azure.arm_types import VM
from sandbox.azure.catalog import KUBERNETES_VERSIONS, REGIONS, display_name
from sandbox.azure.compute import CORES_LIMIT, cores_used
from sandbox.azure.engine import Engine
from sandbox.azure.operations import Request
from sandbox.azure.skus import sku_rows
from sandbox.azure.store import Event, Record, timestamp
from sandbox.azure.wire import ArmError, Reply, same
from sandbox.prices import SPOT_VCPU_LIMIT

GROUP = "Microsoft.Resources/resourceGroups"
API_VERSIONS = ("2099-01-01-preview", "2024-05-01", "2022-09-01")
"""What every type is said to have: the sandbox looks at none of them."""
_NOT_LISTED = ("properties", "etag", "eTag", "zones")
_GROUP_NAME = re.compile(r"[-\w().]{0,89}[-\w()]")
_TAG_FILTER = re.compile(r"tagname eq '([^']*)'(?: and tagvalue eq '([^']*)')?", re.IGNORECASE)
_TYPE_FILTER = re.compile(r"resourcetype eq '([^']*)'", re.IGNORECASE)
_EVENT_TERM = re.compile(r"(\w+)\s+(eq|ge|le)\s+'([^']*)'", re.IGNORECASE)


class Subscription:
    """Answers for both subscriptions; the principal says which partition it is."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.store = engine, engine.store

    def describe(self, subscription: str, partition: str) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{subscription}",
            "subscriptionId": subscription,
            "tenantId": subscription[:-1] + "f",
            "displayName": f"Sandbox {partition}",
            "state": "Enabled",
            "authorizationSource": "RoleBased",
        }

    def locations(self, subscription: str, partition: str) -> Reply:
        rows = [
            {
                "id": f"/subscriptions/{subscription}/locations/{name}",
                "name": name,
                "type": "Region",
                "displayName": display_name(name),
                "regionalDisplayName": display_name(name),
                "metadata": {"regionType": "Physical", "regionCategory": "Recommended" if zones else "Other"},
            }
            | (
                {"availabilityZoneMappings": [
                    {"logicalZone": z, "physicalZone": f"{name}-az{z}"} for z in zones
                ]} if zones else {}
            )
            for name, zones in REGIONS[partition].items()
        ]  # fmt: skip
        return Reply(200, {"value": rows})

    # -- resource groups ---------------------------------------------------------------------------------------

    def render_group(self, group: Record) -> dict[str, Any]:
        return {
            "id": group.id,
            "name": group.name,
            "type": GROUP,
            "location": group.location,
            "tags": dict(group.tags),
            "properties": {"provisioningState": group.state},
        }

    async def group(self, request: Request) -> Reply:
        """GET, HEAD, PUT, PATCH, DELETE of one resource group; request.path.names[0] is its name."""
        name, subscription = request.path.name, request.path.subscription
        group_id = f"/subscriptions/{subscription}/resourceGroups/{name}"
        found = self.store.get(group_id)
        if request.method == "PUT":
            return self._put_group(request, found, group_id)
        if request.method == "HEAD":
            return Reply(204 if found else 404)
        if found is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
        if request.method == "PATCH":
            found.tags = dict(request.body.get("tags") or {}) if "tags" in request.body else found.tags
        if request.method in ("GET", "PATCH"):
            return Reply(200, self.render_group(found))
        return await self._delete_group(request, found)

    def _put_group(self, request: Request, found: Record | None, group_id: str) -> Reply:
        name = request.path.name
        if not _GROUP_NAME.fullmatch(name):
            raise ArmError(400, "InvalidResourceGroup", f"The resource group name '{name}' is not valid.")
        location = str(request.body.get("location") or "").replace(" ", "").lower()
        regions = REGIONS[request.principal.partition]
        if location not in regions:
            raise ArmError(
                400,
                "LocationNotAvailableForResourceGroup",
                f"The provided location '{location}' is not available for resource group. List of available regions "
                f"is '{','.join(sorted(regions))}'.",
            )
        if found is not None and found.location != location:
            raise ArmError(
                409,
                "InvalidResourceGroupLocation",
                f"Invalid resource group location '{location}'. The Resource group already exists in location "
                f"'{found.location}'.",
            )
        if found is not None and found.state == "Deleting":
            raise ArmError(
                409,
                "ResourceGroupBeingDeleted",
                f"The resource group '{name}' is in deprovisioning state and cannot perform this operation.",
            )
        group = self.store.put(
            Record(
                id=found.id if found else group_id,
                type=GROUP,
                name=found.name if found else name,
                location=location,
                tags=dict(request.body.get("tags") or {}),
                guid=found.guid if found else "",
                created_at_s=found.created_at_s if found else 0.0,
            )
        )
        return Reply(200 if found else 201, self.render_group(group))

    async def _delete_group(self, request: Request, group: Record) -> Reply:
        group.state = "Deleting"

        operation = await self.engine.operations.start(
            group, "azure.network.delete", lambda: self.engine.delete_group(group)
        )
        reply = Reply(200 if operation.ended_at_s else 202)
        return self.engine.operations.announced(reply, request, operation, location=True)

    def groups(self, request: Request) -> Reply:
        rows = [
            self.render_group(g)
            for g in self.store.of_type(GROUP, subscription=request.path.subscription)
            if _tag_matches(g, request.query.get("$filter", ""))
        ]
        return self.engine.page(request, rows)

    def resources(self, request: Request, group: str) -> Reply:
        """Top-level resources of a subscription or group, without properties."""
        text = request.query.get("$filter", "")
        wanted = _TYPE_FILTER.search(text)
        rows = []
        for record in self.store.records.values():
            if record.type == GROUP or record.id.count("/") != 8:
                continue
            if record.subscription != request.path.subscription.lower() or (group and record.group != group.lower()):
                continue
            if (wanted and not same(record.type, wanted[1])) or not _tag_matches(record, text):
                continue
            rendered = self.engine.render(record)
            rows.append({k: v for k, v in rendered.items() if k not in _NOT_LISTED})
        return self.engine.page(request, rows)

    # -- providers ---------------------------------------------------------------------------------------------

    def providers(self, subscription: str, partition: str) -> list[dict[str, Any]]:
        by_namespace: dict[str, list[str]] = {}
        for kind in self.engine.kinds.values():
            namespace, _, type_ = kind.type.partition("/")
            by_namespace.setdefault(namespace, []).append(type_)
        places = [display_name(r) for r in REGIONS[partition]]
        return [
            {
                "id": f"/subscriptions/{subscription}/providers/{namespace}",
                "namespace": namespace,
                "registrationState": "Registered",
                "resourceTypes": [
                    {"resourceType": t, "locations": places, "apiVersions": list(API_VERSIONS)} for t in sorted(types)
                ],
            }
            for namespace, types in sorted(by_namespace.items())
        ]

    def location_query(self, request: Request, location: str, rest: list[str]) -> Reply:
        """`.../locations/{location}/usages`, `/kubernetesVersions`."""
        what = rest[0].lower() if rest else ""
        if location not in REGIONS[request.principal.partition]:
            raise ArmError(
                400,
                "NoRegisteredProviderFound",
                f"No registered resource provider found for location '{location}' and API version "
                f"'{request.query.get('api-version')}' for type 'locations/{what}'.",
            )
        if what == "usages":
            return self.engine.page(request, self._usages(request.path.subscription, location))
        if what == "kubernetesversions":
            values = [
                {
                    "version": minor,
                    "capabilities": {"supportPlan": ["KubernetesOfficial"]},
                    "patchVersions": {patch: {"upgrades": []}},
                }
                for minor, patch in KUBERNETES_VERSIONS.items()
            ]
            return Reply(200, {"values": values})
        raise ArmError(404, "InvalidResourceType", f"The resource type 'locations/{what}' could not be found.")

    def _usages(self, subscription: str, location: str) -> list[dict[str, Any]]:
        used = cores_used(self.store.of_type(VM, subscription=subscription), location)
        rows = (
            ("cores", "Total Regional vCPUs", used, CORES_LIMIT),
            ("lowPriorityCores", "Total Regional Low-priority vCPUs", 0, SPOT_VCPU_LIMIT),
            ("virtualMachines", "Virtual Machines", 0, 25000),
            ("standardDSv5Family", "Standard DSv5 Family vCPUs", used, CORES_LIMIT),
        )
        return [
            {"unit": "Count", "currentValue": n, "limit": limit, "name": {"value": name, "localizedValue": words}}
            for name, words, n, limit in rows
        ]

    def skus(self, request: Request) -> Reply:
        """Microsoft.Compute/skus: the shipped types of a region, with their zones, and what this subscription may not
        use. All rows of all regions where no location is asked for, as in life."""
        found = re.fullmatch(r"location eq '(\w+)'", request.query.get("$filter", ""))
        partition = request.principal.partition
        regions = [found[1]] if found else list(REGIONS[partition])
        return self.engine.page(request, [row for region in regions for row in sku_rows(partition, region)])

    # -- activity log ------------------------------------------------------------------------------------------

    def activity(self, request: Request) -> Reply:
        """Microsoft.Insights/eventtypes/management/values: newest first. The filter must bound eventTimestamp."""
        terms = [(n.lower(), op.lower(), v) for n, op, v in _EVENT_TERM.findall(request.query.get("$filter", ""))]
        bounds = {op: _seconds(value) for name, op, value in terms if name == "eventtimestamp"}
        if "ge" not in bounds:
            raise ArmError(400, "BadRequest", "The filter must say eventTimestamp ge '...'.")
        equal = {name: value.lower() for name, op, value in terms if op == "eq"}
        rows = []
        for event in reversed(self.store.events):
            parts = event.resource_id.lower().split("/")
            group = parts[4] if len(parts) > 4 else ""
            if (
                parts[2] == request.path.subscription.lower()
                and bounds["ge"] <= event.at_s <= bounds.get("le", float("inf"))
                and equal.get("resourcegroupname", group) == group
                and equal.get("resourceuri", event.resource_id.lower()) == event.resource_id.lower()
            ):
                rows.append(_render_event(event))
        return self.engine.page(request, rows)


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise ArmError(400, "BadRequest", f"{text!r} is no timestamp.") from None


def _tag_matches(record: Record, text: str) -> bool:
    match = _TAG_FILTER.search(text)
    if match is None:
        return True
    value = next((v for k, v in record.tags.items() if same(k, match[1])), None)
    return value is not None and (match[2] is None or value == match[2])


def _render_event(event: Event) -> dict[str, Any]:
    parts = event.resource_id.split("/")
    named = {"value": event.operation, "localizedValue": event.operation}
    return {
        "caller": event.caller,
        "claims": {"name": event.caller},
        "channels": "Operation",
        "category": {"value": "Administrative", "localizedValue": "Administrative"},
        "correlationId": event.correlation_id,
        "eventDataId": event.correlation_id,
        "eventTimestamp": timestamp(event.at_s),
        "level": "Informational" if event.status == "Succeeded" else "Error",
        "operationName": named,
        "resourceGroupName": parts[4] if len(parts) > 4 else "",
        "resourceId": event.resource_id,
        "status": {"value": event.status, "localizedValue": event.status},
        "subStatus": {"value": event.status_code, "localizedValue": event.status_code},
        "subscriptionId": parts[2],
    }


__all__ = ["GROUP", "Subscription"]
