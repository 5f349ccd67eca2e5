"""Auto Scaling groups, each with a launch template of its own that says what its members are.

Callers: provider.py. Names are
unique in a region, the groups' and the templates', and nothing else keeps a second one from being made. Members
carry the user's tags and the name `GROUP-member`, never ours: they are the group's, and no wish of a single instance.
The template goes before the group, so that what is half gone is still found by the group.
Sources: Auto Scaling API Reference, CreateAutoScalingGroup, UpdateAutoScalingGroup; EC2 API Reference,
CreateLaunchTemplate (user data in base64; 3 to 128 characters of letters, digits and ().-/_).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from model.errors import AlreadyExists, CallSite, NotFound
from model.resources import TAG_FLEET, Address, AnyResource, InstanceGroup, Kind, Observed, State
from providers.aws.balancers import LoadBalancers
from providers.aws.firewall import FirewallGroups
from providers.aws.instances import Instances
from providers.aws.kinds import need_fleet
from providers.aws.listed import Listed, tags_of_pairs
from providers.aws.names import fit
from providers.aws.network import Subnets
from providers.aws.session import Session
from providers.aws.tags import (
    NAME,
    changed_tags,
    logical_name,
    ownership_tags,
    pairs,
    specification,
    user_tags,
)
from providers.base import Call
from providers.remembered import image_of, machine_tags, made_differently, user_data_of

_NAME, _LONGEST = "a-zA-Z0-9._/-", 255
_TEMPLATE_LONGEST = 128
_TEMPLATE = "duoyun-"
_SERVICE = "autoscaling"
_TYPE = "auto-scaling-group"


class InstanceGroups(Listed):
    """READY when as many members are in service as are wanted."""

    kind = Kind.INSTANCE_GROUP
    events = r"AutoScalingGroup|LoadBalancerTargetGroups|LaunchTemplate|^CreateOrUpdateTags$|^DeleteTags$"

    def __init__(
        self,
        session: Session,
        subnets: Subnets,
        groups: FirewallGroups,
        instances: Instances,
        balancers: LoadBalancers,
    ) -> None:
        super().__init__(session)
        self._subnets, self._groups = subnets, groups
        self._instances, self._balancers = instances, balancers

    # -- reading ----------------------------------------------------------------------------------------------

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        rows = self.session.pages(_SERVICE, region, "describe_auto_scaling_groups", "AutoScalingGroups", call)
        return self._observe(region, rows, call)

    def candidates(self, address: Address, call: Call) -> list[Observed]:
        return self._observe(address.region, self._named(address, call), call)

    def peek(self, address: Address, call: Call) -> Observed | None:
        rows = [self._observed(address.region, row, {}, {}, {}, {}) for row in self._named(address, call)]
        return replace(rows[0], address=address) if rows else None

    def _named(self, address: Address, call: Call) -> list[dict[str, Any]]:
        name = asg_name(address.name)
        return self.session.pages(
            _SERVICE, address.region, "describe_auto_scaling_groups", "AutoScalingGroups", call,
            AutoScalingGroupNames=[name],
        )  # fmt: skip

    def _observe(self, region: str, rows: list[dict[str, Any]], call: Call) -> list[Observed]:
        if not rows:
            return []
        subnets, groups = self._subnets.names(region, call), self._groups.names(region, call)
        attached = {arn for row in rows for arn in row.get("TargetGroupARNs") or ()}
        balancers = self._balancers.behind(region, call) if attached else {}
        return [
            self._observed(region, row, self._template(region, row, call), subnets, groups, balancers) for row in rows
        ]

    def _template(self, region: str, row: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """What a group's launch template says; {} for other people's groups without one, or where it is gone."""
        mixed = ((row.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}).get("LaunchTemplateSpecification")
        named = row.get("LaunchTemplate") or mixed or {}
        if not named.get("LaunchTemplateId"):
            return {}
        version = str(named.get("Version") or "$Default")
        try:
            rows = self.read(
                "ec2", region, "DescribeLaunchTemplateVersions", call,
                LaunchTemplateId=named["LaunchTemplateId"], Versions=[version],
            )["LaunchTemplateVersions"]  # fmt: skip
        except NotFound:
            return {}
        return dict(rows[0].get("LaunchTemplateData") or {}) if rows else {}

    def _observed(
        self,
        region: str,
        row: Mapping[str, Any],
        template: Mapping[str, Any],
        subnets: Mapping[str, tuple[str, str]],
        groups: Mapping[str, str],
        balancers: Mapping[str, frozenset[str]],
    ) -> Observed:
        tags = tags_of_pairs(row.get("Tags"))
        name = logical_name(tags, row["AutoScalingGroupName"])
        interface: Mapping[str, Any] = next(iter(template.get("NetworkInterfaces") or ()), {})
        group_ids = interface.get("Groups") or template.get("SecurityGroupIds") or ()
        disk = next((m.get("Ebs") or {} for m in template.get("BlockDeviceMappings") or ()), {})
        subnet_ids = [s for s in str(row.get("VPCZoneIdentifier") or "").split(",") if s]
        members = row.get("Instances") or ()
        size, attached = int(row.get("DesiredCapacity") or 0), frozenset(row.get("TargetGroupARNs") or ())
        state, detail = _state(row, members, size)
        return self.observed(
            region,
            InstanceGroup(
                name=name,
                tags=user_tags(tags),
                zones=tuple(sorted(row.get("AvailabilityZones") or ())),
                subnets=tuple(sorted(subnets.get(s, (s, ""))[0] for s in subnet_ids)),
                firewall_group=groups.get(group_ids[0], group_ids[0]) if group_ids else "",
                instance_type=template.get("InstanceType", ""),
                size=size,
                smallest=int(row.get("MinSize") or 0),
                largest=int(row.get("MaxSize") or 0),
                machine_image=image_of(tags, template.get("ImageId", "")),
                user_data=user_data_of(tags),
                disk_gib=int(disk.get("VolumeSize") or 0),
                disk_encrypted=bool(disk.get("Encrypted")),
                public_ip=bool(interface.get("AssociatePublicIpAddress")),
                load_balancers=tuple(sorted(b for b, behind in balancers.items() if behind and behind <= attached)),
            ),
            row.get("AutoScalingGroupARN") or row["AutoScalingGroupName"],
            state=state,
            detail=detail,
            raw={
                "tags": tags,
                "asg_name": row["AutoScalingGroupName"],
                "trail": row["AutoScalingGroupName"],
                "template": (row.get("LaunchTemplate") or {}).get("LaunchTemplateId", ""),
                "members": sorted(m["InstanceId"] for m in members),
                "target_groups": sorted(attached),
            },
        )

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, InstanceGroup)
        need_fleet(call)
        subnet_ids = self._subnets.ids_of(address, desired.subnets, call)
        arns = self._balancers.groups_of(address, desired.load_balancers, call)
        data = self._template_data(address, desired, call)
        existing = self.own(address, call)
        if existing is None:
            template, version = self._make_template(address, desired, data, call)
            self._make(address, desired, (template, version), subnet_ids, arns, call)
        calls = self.session.calls(_SERVICE, address.region)
        return existing or calls.poll("DescribeAutoScalingGroups", lambda: self.own(address, call), call)

    def _template_data(self, address: Address, desired: InstanceGroup, call: Call) -> dict[str, Any]:
        interface: dict[str, Any] = {
            "DeviceIndex": 0,
            "AssociatePublicIpAddress": desired.public_ip,
            "DeleteOnTermination": True,
        }
        if desired.firewall_group:
            interface["Groups"] = [self._groups.id_of(address, desired.firewall_group, call)]
        image_id, root_device = self._instances.image(address.region, desired, call)
        disk = {
            "VolumeSize": desired.disk_gib,
            "Encrypted": desired.disk_encrypted,
            "VolumeType": "gp3",
            "DeleteOnTermination": True,
        }
        member_tags = {**desired.tags, NAME: f"{address.name}-member"}
        data: dict[str, Any] = {
            "ImageId": image_id,
            "InstanceType": desired.instance_type,
            "NetworkInterfaces": [interface],
            "BlockDeviceMappings": [{"DeviceName": root_device, "Ebs": disk}],
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
            "TagSpecifications": [specification(what, member_tags) for what in ("instance", "volume")],
        }
        if desired.user_data:
            data["UserData"] = base64.b64encode(desired.user_data.encode()).decode()
        return data

    def _make_template(
        self, address: Address, desired: InstanceGroup, data: Mapping[str, Any], call: Call
    ) -> tuple[str, str]:
        """(id, version). A template of ours that a half made or half gone group left is given a further version."""
        region, name = address.region, fit(_TEMPLATE + address.name, _NAME, _TEMPLATE_LONGEST)
        found = self._own_template(address, name, call)
        if found is None:
            tags = specification("launch-template", ownership_tags(address, desired, call))
            request = {"LaunchTemplateName": name, "LaunchTemplateData": dict(data), "TagSpecifications": [tags]}
            try:
                made = self.write("ec2", region, "CreateLaunchTemplate", call, **request)["LaunchTemplate"]
            except AlreadyExists:  # an earlier try was heard, or somebody was faster
                found = self._own_template(address, name, call)
                if found is None:
                    raise
            else:
                return made["LaunchTemplateId"], "1"
        version = self.write(
            "ec2", region, "CreateLaunchTemplateVersion", call, LaunchTemplateId=found, LaunchTemplateData=dict(data),
        )["LaunchTemplateVersion"]  # fmt: skip
        return found, str(version["VersionNumber"])

    def _own_template(self, address: Address, name: str, call: Call) -> str | None:
        """Its id; AlreadyExists where the name is somebody else's."""
        try:
            rows = self.read("ec2", address.region, "DescribeLaunchTemplates", call, LaunchTemplateNames=[name])
        except NotFound:
            return None
        for row in rows["LaunchTemplates"]:
            if tags_of_pairs(row.get("Tags")).get(TAG_FLEET) == call.fleet:
                return str(row["LaunchTemplateId"])
            raise AlreadyExists(
                f"{address}: the launch template {name} belongs to somebody else",
                call=CallSite(cloud="aws", account=self.session.account.name, region=address.region),
                mend="choose another name",
                address=str(address),
            )
        return None

    def _make(
        self,
        address: Address,
        desired: InstanceGroup,
        template: tuple[str, str],
        subnet_ids: list[str],
        arns: list[str],
        call: Call,
    ) -> None:
        name = asg_name(address.name)
        tags = ownership_tags(address, desired, call) | machine_tags(desired)
        request: dict[str, Any] = {
            "AutoScalingGroupName": name,
            "LaunchTemplate": {"LaunchTemplateId": template[0], "Version": template[1]},
            "VPCZoneIdentifier": ",".join(subnet_ids),
            "Tags": _tag_rows(name, tags),
            **_sizes(desired),
        }
        if arns:
            request["TargetGroupARNs"] = arns

        def look_or_create(client: Any) -> None:
            if self.own(address, call) is None:
                call.guard()
                client.create_auto_scaling_group(**request)

        try:
            self.session.run(_SERVICE, address.region, "CreateAutoScalingGroup", look_or_create, call, write=True)
        except AlreadyExists:
            if self.own(address, call) is None:  # raises where it is somebody else's
                raise

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, InstanceGroup)
        before = observed.resource
        assert isinstance(before, InstanceGroup)
        address, region, name = observed.address, observed.address.region, observed.raw["asg_name"]
        changed = changed_tags(observed.raw["tags"], desired.tags)
        if changed:
            self.write(_SERVICE, region, "CreateOrUpdateTags", call, Tags=_tag_rows(name, changed))
        request: dict[str, Any] = {}
        if (before.size, before.smallest) != (desired.size, desired.smallest) or (
            desired.largest and before.largest != desired.largest
        ):
            request |= _sizes(desired)
        if sorted(before.subnets) != sorted(desired.subnets):
            request["VPCZoneIdentifier"] = ",".join(self._subnets.ids_of(address, desired.subnets, call))
        if request:
            self.write(_SERVICE, region, "UpdateAutoScalingGroup", call, AutoScalingGroupName=name, **request)
        if sorted(before.load_balancers) != sorted(desired.load_balancers):
            self._balance(observed, desired, call)
        return self.find(address, call) or observed

    def _balance(self, observed: Observed, desired: InstanceGroup, call: Call) -> None:
        region, name = observed.address.region, observed.raw["asg_name"]
        want = set(self._balancers.groups_of(observed.address, desired.load_balancers, call))
        have = set(observed.raw["target_groups"])
        for operation, arns in (
            ("AttachLoadBalancerTargetGroups", want - have),
            ("DetachLoadBalancerTargetGroups", have - want),
        ):
            if arns:
                self.write(_SERVICE, region, operation, call, AutoScalingGroupName=name, TargetGroupARNs=sorted(arns))

    def delete(self, observed: Observed, call: Call) -> None:
        """With its members. Ours took a template along."""
        region, name = observed.address.region, observed.raw["asg_name"]
        if observed.raw["template"] and observed.owner:
            self.gone_is_fine("ec2", region, "DeleteLaunchTemplate", call, LaunchTemplateId=observed.raw["template"])
        self.gone_is_fine(_SERVICE, region, "DeleteAutoScalingGroup", call, AutoScalingGroupName=name, ForceDelete=True)

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        """What the template says: members that run would not follow it."""
        assert isinstance(before, InstanceGroup)
        assert isinstance(desired, InstanceGroup)
        fixed = ("firewall_group", "instance_type", "disk_gib", "disk_encrypted", "public_ip")
        changed = tuple(f for f in fixed if getattr(before, f) != getattr(desired, f))
        unnamed = before.machine_image.startswith("ami-")  # nobody wrote down its role
        return changed + made_differently(replace(before, machine_image="") if unnamed else before, desired)


def _state(row: Mapping[str, Any], members: Iterable[Mapping[str, Any]], size: int) -> tuple[State, str]:
    if row.get("Status"):
        return State.DELETING, str(row["Status"])
    serving = sum(m.get("LifecycleState") == "InService" and m.get("HealthStatus") == "Healthy" for m in members)
    if serving == size and len(list(members)) == size:
        return State.READY, ""
    return State.PENDING, f"{serving} of {size} in service"


def _sizes(desired: InstanceGroup) -> dict[str, int]:
    return {
        "MinSize": desired.smallest,
        "MaxSize": max(desired.largest, desired.size),
        "DesiredCapacity": desired.size,
    }


def _tag_rows(group: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    where = {"ResourceId": group, "ResourceType": _TYPE, "PropagateAtLaunch": False}
    return [{**pair, **where} for pair in pairs(tags)]


def asg_name(name: str) -> str:
    return fit(name, _NAME, _LONGEST)
