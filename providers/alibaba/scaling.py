"""INSTANCE_GROUP (ESS scaling group with its scaling configuration): Ess 2022-02-22.

Callers: provider.py. A group is made in three steps: group, configuration, enabling; what was left half made is PENDING
and completed by create or update. What its machines are made from cannot change in place: a changed configuration would
hold for new members only, so the group is made anew.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model.errors import Conflict
from model.resources import TAG_FLEET, Address, InstanceGroup, Kind, Observed, State
from providers.alibaba.common import (
    Adapter,
    Identified,
    Row,
    changed_tags,
    gone_is_fine,
    ownership_tags,
    tag_list,
    tags_of,
    users_tags,
)
from providers.alibaba.instances import BANDWIDTH_MBPS, Instances, encoded, image_role
from providers.alibaba.session import client_token, new_token
from providers.base import Call
from providers.remembered import image_of, machine_tags, made_differently, user_data_digest

TAGGED_AS = "scalinggroup"


class InstanceGroups(Adapter):
    KIND = Kind.INSTANCE_GROUP

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        asked = {"Tags": tag_list(tags or {}), "ScalingGroupName": name}
        return self.session.pages("Ess", "DescribeScalingGroups", region, call, ("ScalingGroups",), asked)

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        answer = self.session.rpc("Ess", "DescribeScalingGroups", region, call, {"ScalingGroupIds": [provider_id]})
        return next(iter(answer.get("ScalingGroups") or ()), None)

    def identify(self, row: Row) -> Identified:
        return Identified(row["ScalingGroupId"], row.get("ScalingGroupName", ""), tags_of(row.get("Tags")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who = self.identify(row)
        active = str(row.get("ActiveScalingConfigurationId") or "")
        made_from = row["made_from"] if "made_from" in row else self._configuration(region, active, call)
        members = row["members"] if "members" in row else self._members(region, who.id, call)[who.id]
        switches = [str(s) for s in row.get("VSwitchIds") or [row.get("VSwitchId")] if s]
        security = [*(made_from.get("SecurityGroupIds") or ()), str(made_from.get("SecurityGroupId") or "")]
        group = InstanceGroup(
            name=who.logical_name,
            tags=users_tags(who.tags),
            zones=tuple(dict.fromkeys(z for s in switches if (z := self.references.zone(region, s, call)))),
            subnets=tuple(self.references.name(Kind.SUBNET, region, s, call) for s in switches),
            firewall_group=self.references.name(Kind.FIREWALL_GROUP, region, security[0], call),
            instance_type=str(made_from.get("InstanceType") or next(iter(made_from.get("InstanceTypes") or ()), "")),
            size=_size(row),
            smallest=int(row.get("MinSize") or 0),
            largest=int(row.get("MaxSize") or 0),
            machine_image=image_of(who.tags, image_role(str(made_from.get("ImageId") or ""))),
            user_data=_digest(str(made_from.get("UserData") or "")),
            disk_gib=int(made_from.get("SystemDiskSize") or 0),
            disk_encrypted=bool(made_from.get("SystemDiskEncrypted", False)),
            public_ip=int(made_from.get("InternetMaxBandwidthOut") or 0) > 0,
            load_balancers=tuple(
                sorted(
                    self.references.name(Kind.LOAD_BALANCER, region, str(b), call)
                    for b in row.get("LoadBalancerIds") or ()
                )
            ),
        )
        state, detail = _state(row)
        if state in (State.PENDING, State.UPDATING) and row.get("LifecycleState") == "Active":
            why = self._failure(region, who.id, call)
            state, detail = (State.FAILED, f"{detail}: {why}") if why else (state, detail)
        return Observed(
            address=self.address(region, who.logical_name),
            resource=group,
            provider_id=who.id,
            state=state,
            owner=who.tags.get(TAG_FLEET, ""),
            detail=detail,
            raw={
                "members": tuple(sorted(members)),
                "balancers": tuple(str(b) for b in row.get("LoadBalancerIds") or ()),
                "enabled": row.get("LifecycleState") == "Active",
            },
        )

    def _configuration(self, region: str, configuration_id: str, call: Call) -> Row:
        """The active one; nothing where there is none (yet)."""
        if not configuration_id:
            return {}
        asked = {"ScalingConfigurationIds": [configuration_id]}
        answer = self.session.rpc("Ess", "DescribeScalingConfigurations", region, call, asked)
        return next(iter(answer.get("ScalingConfigurations") or ()), {})

    def _failure(self, region: str, group_id: str, call: Call) -> str:
        """Why its latest activity came to nothing; "" where it did not."""
        asked = {"ScalingGroupId": group_id, "PageSize": 1}
        answer = self.session.rpc("Ess", "DescribeScalingActivities", region, call, asked)
        latest: Row = next(iter(answer.get("ScalingActivities") or ()), {})
        if latest.get("StatusCode") not in ("Failed", "Rejected"):
            return ""
        told = (latest.get("ErrorCode"), latest.get("ErrorMessage") or latest.get("StatusMessage"))
        return ": ".join(str(part) for part in told if part) or str(latest["StatusCode"])

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        """Configurations and members of all of them at once."""
        wanted = {TAG_FLEET: fleet} if fleet is not None else None
        rows = [*self.rows(region, call, tags=wanted)]
        if not rows:
            return
        where = ("ScalingConfigurations",)
        found = self.session.pages("Ess", "DescribeScalingConfigurations", region, call, where, {})
        made_from = {str(r["ScalingConfigurationId"]): r for r in found}
        members = self._members(region, "", call)
        for row in rows:
            who, active = self.identify(row), str(row.get("ActiveScalingConfigurationId") or "")
            if fleet is None or who.tags.get(TAG_FLEET) == fleet:
                besides = {"made_from": made_from.get(active, {}), "members": members[who.id]}
                yield self.observe(region, {**row, **besides}, call)

    def _members(self, region: str, group_id: str, call: Call) -> defaultdict[str, set[str]]:
        """Ids of the instances that are there to stay, by group; of one group, or of all."""
        asked = {"ScalingGroupId": group_id}
        found: defaultdict[str, set[str]] = defaultdict(set)
        for r in self.session.pages("Ess", "DescribeScalingInstances", region, call, ("ScalingInstances",), asked):
            if not str(r["LifecycleState"]).startswith("Remov"):
                found[str(r["ScalingGroupId"])].add(str(r["InstanceId"]))
        return found

    # -- writing -----------------------------------------------------------------------------------------------

    def make(
        self, address: Address, desired: InstanceGroup, call: Call, token: Callable[[Mapping[str, Any]], str]
    ) -> str:
        subnets = [self.references.find(Kind.SUBNET, address, name, call).provider_id for name in desired.subnets]
        self.references.find(Kind.FIREWALL_GROUP, address, desired.firewall_group, call)
        balancers = [
            self.references.find(Kind.LOAD_BALANCER, address, name, call).provider_id for name in desired.load_balancers
        ]
        self._image(address.region, desired, call)  # what cannot be is told before anything exists
        params = {
            "ScalingGroupName": address.name,
            **_sizes(desired),
            "VSwitchIds": subnets,
            "MultiAZPolicy": "BALANCE" if len(subnets) > 1 else "",
            "LoadBalancerIds": json.dumps(balancers) if balancers else "",
            "HealthCheckType": "ECS",
            "Tags": tag_list(ownership_tags(desired, address, call) | machine_tags(desired)),
        }
        sent = {**params, "ClientToken": token(params)}
        answer = self.session.rpc("Ess", "CreateScalingGroup", address.region, call, sent, write=True)
        return str(answer["ScalingGroupId"])

    def _image(self, region: str, desired: InstanceGroup, call: Call) -> str:
        machines = self.references.adapters[Kind.INSTANCE]
        assert isinstance(machines, Instances)
        return machines.image_id(region, desired, call)

    def create(self, address: Address, desired: Any, call: Call) -> Observed:
        made = super().create(address, desired, call)
        if made.raw["enabled"]:
            return made
        self._complete(made, desired, call)
        row = self.by_id(address.region, made.provider_id, call)
        return self.observe(address.region, row, call) if row is not None else made

    def _complete(self, observed: Observed, desired: InstanceGroup, call: Call) -> None:
        """Configuration and enabling, where they are missing."""
        region, group_id = observed.address.region, observed.provider_id
        asked = {"ScalingGroupId": group_id}
        answer = self.session.rpc("Ess", "DescribeScalingConfigurations", region, call, asked)
        there = [str(r["ScalingConfigurationId"]) for r in answer.get("ScalingConfigurations") or ()]
        chosen = there[0] if there else self._configure(observed, desired, call)
        params = {"ScalingGroupId": group_id, "ActiveScalingConfigurationId": chosen}
        try:
            self.session.rpc("Ess", "EnableScalingGroup", region, call, params, write=True)
        except Conflict:
            row = self.by_id(region, group_id, call)  # enabled already, by a request whose answer was lost
            if row is None or row.get("LifecycleState") != "Active":
                raise

    def _configure(self, observed: Observed, desired: InstanceGroup, call: Call) -> str:
        address = observed.address
        security = self.references.find(Kind.FIREWALL_GROUP, address, desired.firewall_group, call)
        params: dict[str, Any] = {
            "ScalingGroupId": observed.provider_id,
            "ScalingConfigurationName": address.name,
            "InstanceName": address.name,
            "InstanceType": desired.instance_type,
            "ImageId": self._image(address.region, desired, call),
            "SecurityGroupId": security.provider_id,
            "SystemDisk.Category": "cloud_essd",
            "SystemDisk.Size": max(20, desired.disk_gib),
            "SystemDisk.Encrypted": desired.disk_encrypted,
            "UserData": encoded(desired.user_data, address),
            "Tags": json.dumps(dict(desired.tags), sort_keys=True) if desired.tags else "",
        }
        if desired.public_ip:
            params |= {"InternetMaxBandwidthOut": BANDWIDTH_MBPS, "InternetChargeType": "PayByTraffic"}
        token = client_token(call, observed.provider_id, sorted(params.items()))
        sent = {**params, "ClientToken": token}
        answer = self.session.rpc("Ess", "CreateScalingConfiguration", address.region, call, sent, write=True)
        return str(answer["ScalingConfigurationId"])

    def update(self, observed: Observed, desired: InstanceGroup, call: Call) -> None:
        region, group_id, current = observed.address.region, observed.provider_id, observed.resource
        assert isinstance(current, InstanceGroup)
        changes: dict[str, Any] = {}
        now = {"MinSize": current.smallest, "MaxSize": current.largest, "DesiredCapacity": current.size}
        if now != _sizes(desired):
            changes |= _sizes(desired)
        if sorted(current.subnets) != sorted(desired.subnets):
            found = [self.references.find(Kind.SUBNET, observed.address, name, call) for name in desired.subnets]
            changes["VSwitchIds"] = [subnet.provider_id for subnet in found]
        if changes:
            sent = {"ScalingGroupId": group_id, **changes}
            self.session.rpc("Ess", "ModifyScalingGroup", region, call, sent, write=True)
        self._bring_balancers(observed, desired, call)
        tags = changed_tags(observed, desired)
        if tags:
            params = {"ResourceType": TAGGED_AS, "ResourceIds": [group_id], "Tags": tag_list(tags)}
            self.session.rpc("Ess", "TagResources", region, call, params, write=True)
        if not observed.raw.get("enabled"):
            self._complete(observed, desired, call)

    def _bring_balancers(self, observed: Observed, desired: InstanceGroup, call: Call) -> None:
        region, address = observed.address.region, observed.address
        found = [self.references.find(Kind.LOAD_BALANCER, address, name, call) for name in desired.load_balancers]
        wanted, have = {seen.provider_id for seen in found}, set(observed.raw.get("balancers", ()))
        for action, option, ids in (
            ("AttachLoadBalancers", "ForceAttach", wanted - have),
            ("DetachLoadBalancers", "ForceDetach", have - wanted),
        ):
            if ids:
                params = {"ScalingGroupId": observed.provider_id, "LoadBalancers": sorted(ids), option: True}
                self.session.rpc("Ess", action, region, call, {**params, "ClientToken": new_token()}, write=True)

    def delete(self, observed: Observed, call: Call) -> None:
        if observed.state is State.DELETING:
            return
        params, region = {"ScalingGroupId": observed.provider_id, "ForceDelete": True}, observed.address.region
        gone_is_fine(lambda: self.session.rpc("Ess", "DeleteScalingGroup", region, call, params, write=True))

    def fixed_fields(self) -> tuple[str, ...]:
        return ("firewall_group", "instance_type", "disk_gib", "disk_encrypted", "public_ip")

    def made_anew_for(self, before: InstanceGroup, desired: InstanceGroup) -> tuple[str, ...]:
        return made_differently(before, desired)


def _sizes(desired: InstanceGroup) -> dict[str, int]:
    largest = max(desired.largest, desired.size)
    return {"MinSize": desired.smallest, "MaxSize": largest, "DesiredCapacity": desired.size}


def _size(row: Row) -> int:
    """What is wanted; groups without an expected number have as many as there are."""
    wanted = row.get("DesiredCapacity")
    return int(row.get("TotalCapacity") or 0) if wanted is None else int(wanted)


def _digest(user_data: str) -> str:
    """Other people's may hold secrets: a digest is enough to tell whether it is what was wanted."""
    try:
        return user_data_digest(base64.b64decode(user_data, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        return user_data_digest(user_data)


def _state(row: Row) -> tuple[State, str]:
    life, active, size = row.get("LifecycleState"), int(row.get("ActiveCapacity") or 0), _size(row)
    if life == "Deleting":
        return State.DELETING, ""
    if life == "Inactive":
        if row.get("ActiveScalingConfigurationId"):
            return State.FAILED, "disabled: enable it in the console"
        return State.PENDING, "it has no active scaling configuration yet"
    total = int(row.get("TotalCapacity") or 0)
    if (active, total) == (size, size):
        return State.READY, ""
    told = f"{active} of {size} instances are in service" + (f", {total - size} too many" if total > size else "")
    return (State.PENDING if active == 0 else State.UPDATING), told
