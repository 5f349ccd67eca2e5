"""Virtual machine scale sets of the Azure sandbox, their machines, and the autoscale settings that keep their size.

Callers: server.py. The machines have sizes, states and addresses of their set's subnet; they run no containers. Rules:
learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets, .../rest/api/monitor/autoscale-settings.
"""

from __future__ import annotations

import copy
from typing import Any

from sandbox.azure.arm_types import VMSS
from sandbox.azure.compute import check_os_disk, check_size
from sandbox.azure.kinds import Put, ResourceKind, invalid, required
from sandbox.azure.store import Record, timestamp
from sandbox.azure.uses import configs_of, networks_of
from sandbox.azure.wire import ArmError, reference

MEMBER = f"{VMSS}/virtualMachines"
AUTOSCALE = "Microsoft.Insights/autoscaleSettings"
_LARGEST = 1000
_SECRET = ("adminPassword", "customData")


class ScaleSets(ResourceKind):
    """A set without a profile is a flexible one that machines join later."""

    type = VMSS
    timing = "vm"
    extras = ("sku", "zones", "identity", "plan")
    busy_code = "Conflict"

    def properties(self, put: Put) -> dict[str, Any]:
        sku = required(put.body, "sku", "body")
        check_size(sku.get("name"), put)
        self.zones(put)
        check_capacity(sku.get("capacity"))
        properties = copy.deepcopy(put.properties)
        profile = properties.get("virtualMachineProfile")
        if profile:
            self._check_profile(put, profile)
        properties.setdefault("upgradePolicy", {"mode": "Manual"})
        properties.setdefault("singlePlacementGroup", True)
        properties.setdefault("orchestrationMode", "Uniform" if profile else "Flexible")
        self._references(put.path.id, put.location, properties)
        return properties

    def _check_profile(self, put: Put, profile: dict[str, Any]) -> None:
        storage = dict(profile.get("storageProfile") or {})
        disk = check_os_disk(storage, put.path.name, self.store.new_guid())
        kept = ("createOption", "caching", "managedDisk", "diskSizeGB", "osType")
        profile["storageProfile"] = storage | {"osDisk": {k: disk[k] for k in kept if k in disk}}
        os_profile = required(profile, "osProfile", "virtualMachineProfile")
        required(os_profile, "computerNamePrefix", "osProfile")
        required(os_profile, "adminUsername", "osProfile")
        before = put.before.properties.get("virtualMachineProfile") if put.before else None
        if before:
            profile["osProfile"] = before["osProfile"] | os_profile
        nics = required(profile.get("networkProfile") or {}, "networkInterfaceConfigurations", "networkProfile")
        primary = [n for n in nics if (n.get("properties") or {}).get("primary")]
        if len(nics) > 1 and len(primary) != 1:
            raise invalid("Exactly one network interface configuration must be primary.", "networkProfile")
        for nic in nics:
            for config in required(nic.get("properties") or {}, "ipConfigurations", "networkInterfaceConfiguration"):
                required(config.get("properties") or {}, "subnet", "ipConfiguration")

    def _references(self, own_id: str, location: str, properties: dict[str, Any]) -> None:
        for config in configs_of(properties):
            self.referenced(reference(config.get("subnet")), own_id)
            for entry in config.get("loadBalancerBackendAddressPools") or ():
                pool_id = reference(entry)
                balancer = self.referenced(pool_id.rsplit("/backendAddressPools/", 1)[0], own_id)
                check_pool(balancer, pool_id, own_id)
                if balancer.location != location:
                    raise ArmError(400, "InvalidResourceReference", f"{balancer.id} is in another region.")
        for nic in networks_of(properties):
            group = reference((nic.get("properties") or {}).get("networkSecurityGroup"))
            if group:
                self.referenced(group, own_id)

    def patch(self, record: Record, body: dict[str, Any]) -> None:
        sku = body.get("sku") or {}
        if "capacity" in sku:
            check_capacity(sku["capacity"])
        merged = _merged(record.properties, body.get("properties") or {})
        self._references(record.id, record.location, merged)
        record.properties = merged
        record.body["sku"] = record.body["sku"] | sku

    async def apply(self, record: Record, _before: Record | None) -> None:
        """As many machines as the capacity says: the newest go first."""
        if not record.properties.get("virtualMachineProfile"):
            return
        members = sorted(self.store.children(record.id, MEMBER), key=lambda m: int(m.hidden["number"]))
        wanted = int(record.body["sku"]["capacity"])
        for surplus in members[wanted:]:
            self.store.remove(surplus)
        following = int(members[-1].hidden["number"]) + 1 if members else int(record.hidden.get("next", 0))
        for number in range(following, following + wanted - len(members)):
            self._make(record, number)
        record.hidden["next"] = max(following, following + wanted - len(members))

    def _make(self, record: Record, number: int) -> None:
        zones = record.body.get("zones") or []
        self.store.put(
            Record(
                id=f"{record.id}/virtualMachines/{number}",
                type=MEMBER,
                name=f"{record.name}_{number}",
                location=record.location,
                tags=dict(record.tags),
                properties={},
                body={"zones": [zones[number % len(zones)]]} if zones else {},
                hidden={"number": number},
            )
        )

    def view(self, record: Record) -> dict[str, Any]:
        shown = copy.deepcopy(record.properties)
        profile = shown.get("virtualMachineProfile") or {}
        for name in _SECRET:
            (profile.get("osProfile") or {}).pop(name, None)
        return shown | {"uniqueId": record.guid, "timeCreated": timestamp(record.created_at_s)}


def check_capacity(capacity: object) -> None:
    if not isinstance(capacity, int) or not 0 <= capacity <= _LARGEST:
        raise invalid(f"The capacity of a scale set must lie between 0 and {_LARGEST}.", "sku.capacity")


def check_pool(balancer: Record, pool_id: str, by: str) -> None:
    """The pool is there, and holds no addresses: addresses and interfaces do not mix in one."""
    pools = balancer.properties.get("backendAddressPools") or ()
    pool = next((p for p in pools if str(p.get("name")).lower() == pool_id.rsplit("/", 1)[-1].lower()), None)
    if pool is None:
        raise ArmError(
            400, "InvalidResourceReference", f"Resource {pool_id} referenced by resource {by} was not found."
        )
    if (pool.get("properties") or {}).get("loadBalancerBackendAddresses"):
        raise ArmError(
            400,
            "InvalidRequestFormat",
            f"Backend pool {pool_id} holds IP addresses and cannot be referenced by the interfaces of {by}.",
        )


def _merged(before: Any, change: Any) -> Any:
    """JSON merge: lists and plain values are replaced."""
    if isinstance(before, dict) and isinstance(change, dict):
        return before | {k: _merged(before.get(k), v) for k, v in change.items()}
    return copy.deepcopy(change)


class Members(ResourceKind):
    """The machines of a set; made and taken away by it."""

    type = MEMBER
    etag_member = ""
    patchable = writable = False

    def members(self, record: Record) -> dict[str, Any]:
        above = self.store.get(record.parent)
        sku = {k: v for k, v in above.body["sku"].items() if k != "capacity"} if above is not None else {}
        return {"instanceId": str(record.hidden["number"]), "sku": sku}

    def view(self, record: Record) -> dict[str, Any]:
        return {"latestModelApplied": True, "vmId": record.guid, "timeCreated": timestamp(record.created_at_s)}


class AutoscaleSettings(ResourceKind):
    """Capacity limits are kept at once: a set outside of them is brought inside."""

    type = AUTOSCALE
    has_state = False
    etag_member = ""
    timing = "network"

    def properties(self, put: Put) -> dict[str, Any]:
        profiles = required(put.properties, "profiles")
        if len(profiles) > 20:
            raise ArmError(400, "InvalidAutoscaleSetting", "An autoscale setting has at most 20 profiles.")
        for profile in profiles:
            required(profile, "name", "profile")
            capacity = required(profile, "capacity", "profile")
            low, high, usual = (int(required(capacity, n, "capacity")) for n in ("minimum", "maximum", "default"))
            if not 0 <= low <= usual <= high <= _LARGEST:
                raise ArmError(
                    400, "InvalidAutoscaleSetting",
                    f"The capacity of profile {profile['name']} must keep minimum <= default <= maximum.",
                )  # fmt: skip
            if profile.get("rules") is None:
                raise ArmError(400, "InvalidAutoscaleSetting", "A profile needs rules, which may be empty.")
        self.referenced(str(put.properties.get("targetResourceUri") or ""), put.path.id)
        return {"enabled": True, "notifications": []} | dict(put.properties) | {"name": put.path.name}

    async def apply(self, record: Record, _before: Record | None) -> None:
        target = self.store.get(str(record.properties["targetResourceUri"]))
        if target is None or not record.properties["enabled"]:
            return
        capacity = record.properties["profiles"][0]["capacity"]
        now = int(target.body["sku"]["capacity"])
        kept = min(max(now, int(capacity["minimum"])), int(capacity["maximum"]))
        if kept != now:
            target.body["sku"] = target.body["sku"] | {"capacity": kept}
            await self.engine.kinds[VMSS.lower()].apply(target, target)
