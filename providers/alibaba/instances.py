"""INSTANCE (ECS instance): Ecs 2014-05-26.

Callers: provider.py. A machine image is a role (`debian-12`): the newest public image of that system and of the
instance type's architecture; an image id is taken as it is. DescribeInstances does not give user data back, so an
observed instance has none. Worker nodes of ACK and members of
scaling groups are their pool's and their group's business and are left out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model.errors import InvalidRequest
from model.resources import TAG_FLEET, Address, Instance, InstanceGroup, Kind, Observed, State
from providers.alibaba.common import (
    TAG_GROUP,
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
from providers.alibaba.session import DISK_PAGES, HUNDREDS, Session, new_token
from providers.base import Call
from providers.remembered import image_of, machine_tags, user_data_of

_STATES = {
    "Pending": State.PENDING,
    "Starting": State.PENDING,
    "Running": State.READY,
    "Stopping": State.UPDATING,  # on its way to Stopped, or to be released: the API does not tell which
    "Stopped": State.FAILED,
}
_OTHERS_TAGS = ("ack.aliyun.com", "ack.alibabacloud.com/nodepool-id", TAG_GROUP)
BANDWIDTH_MBPS = 100
USER_DATA_LIMIT = 32 * 1024


class Instances(Adapter):
    KIND = Kind.INSTANCE

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        asked = {"Tag": tag_list(tags or {}), "InstanceName": name}
        where = ("Instances", "Instance")
        found = self.session.token_pages("Ecs", "DescribeInstances", region, call, where, asked, HUNDREDS)
        rows = [row for row in found if not any(tag in self.identify(row).tags for tag in _OTHERS_TAGS)]
        if not rows:
            return
        only = {"InstanceId": rows[0]["InstanceId"]} if len(rows) == 1 else {}
        disks = self._disks(region, call, only)
        for row in rows:
            yield {**row, "disk": disks.get(row["InstanceId"], {})}

    def _disks(self, region: str, call: Call, only: Mapping[str, str]) -> dict[str, Row]:
        """System disks by instance."""
        asked = {"DiskType": "system", **only}
        found = self.session.token_pages("Ecs", "DescribeDisks", region, call, ("Disks", "Disk"), asked, DISK_PAGES)
        return {row["InstanceId"]: row for row in found if row.get("InstanceId")}

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        asked = {"InstanceIds": f'["{provider_id}"]'}
        answer = self.session.rpc("Ecs", "DescribeInstances", region, call, asked)
        row = next(iter(answer["Instances"]["Instance"]), None)
        if row is None:
            return None
        return {**row, "disk": self._disks(region, call, {"InstanceId": provider_id}).get(provider_id, {})}

    def identify(self, row: Row) -> Identified:
        return Identified(row["InstanceId"], row.get("InstanceName", ""), tags_of((row.get("Tags") or {}).get("Tag")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who, vpc, disk = self.who(row), row.get("VpcAttributes") or {}, row.get("disk") or {}
        groups = (row.get("SecurityGroupIds") or {}).get("SecurityGroupId") or [""]
        private = _first((vpc.get("PrivateIpAddress") or {}).get("IpAddress"))
        elastic = (row.get("EipAddress") or {}).get("IpAddress", "")
        public = _first((row.get("PublicIpAddress") or {}).get("IpAddress")) or elastic
        status = row.get("Status", "")
        instance = Instance(
            name=who.logical_name,
            tags=users_tags(who.tags),
            zone=row.get("ZoneId", ""),
            subnet=self.references.name(Kind.SUBNET, region, vpc.get("VSwitchId", ""), call),
            firewall_group=self.references.name(Kind.FIREWALL_GROUP, region, groups[0], call),
            instance_type=row.get("InstanceType", ""),
            machine_image=image_of(who.tags, image_role(row.get("ImageId", ""))),
            user_data=user_data_of(who.tags),
            disk_gib=int(disk.get("Size") or 0),
            disk_encrypted=bool(disk.get("Encrypted", False)),
            public_ip=bool(public) or int(row.get("InternetMaxBandwidthOut") or 0) > 0,
        )
        return Observed(
            address=self.address(region, who.logical_name),
            resource=instance,
            provider_id=who.id,
            state=_STATES.get(status, State.UPDATING),
            owner=who.tags.get(TAG_FLEET, ""),
            detail="stopped: start it, or delete it so that it is made anew" if status == "Stopped" else "",
            private_ip=private,
            public_ip=public,
            raw={"status": status, "image_id": row.get("ImageId", ""), "security_group_ids": groups},
        )

    # -- writing -----------------------------------------------------------------------------------------------

    def make(self, address: Address, desired: Instance, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:
        subnet = self.references.find(Kind.SUBNET, address, desired.subnet, call)
        group = self.references.find(Kind.FIREWALL_GROUP, address, desired.firewall_group, call)
        params: dict[str, Any] = {
            "Amount": 1,
            "InstanceName": address.name,
            "InstanceType": desired.instance_type,
            "ImageId": self.image_id(address.region, desired, call),
            "ZoneId": desired.zone,
            "VSwitchId": subnet.provider_id,
            "SecurityGroupId": group.provider_id,
            "InstanceChargeType": "PostPaid",
            "SystemDisk.Category": "cloud_essd",
            "SystemDisk.Size": max(20, desired.disk_gib),
            "SystemDisk.Encrypted": desired.disk_encrypted,
            "UserData": encoded(desired.user_data, address),
            "Tag": tag_list(ownership_tags(desired, address, call) | machine_tags(desired)),
        }
        if desired.public_ip:
            params |= {"InternetMaxBandwidthOut": BANDWIDTH_MBPS, "InternetChargeType": "PayByTraffic"}
        sent = {**params, "ClientToken": token(params)}
        answer = self.session.rpc("Ecs", "RunInstances", address.region, call, sent, write=True)
        return str(answer["InstanceIdSets"]["InstanceIdSet"][0])

    def image_id(self, region: str, desired: Instance | InstanceGroup, call: Call) -> str:
        """The newest public image of the role, for the type's architecture. InvalidRequest where there is none."""
        role = desired.machine_image
        if role.startswith("m-") or role.endswith(".vhd"):
            return role
        asked = {
            "ImageOwnerAlias": "system",
            "OSType": "linux",
            "Status": "Available",
            "Architecture": architecture_of(self.session, region, desired.instance_type, call),
        }
        rows = self.session.pages("Ecs", "DescribeImages", region, call, ("Images", "Image"), asked)
        matching = [row for row in rows if image_role(row["ImageId"]) == role]
        if not matching:
            raise InvalidRequest(
                f"no public image for {role!r} ({asked['Architecture']}) in {region}",
                mend="name a system and its major version, such as debian-12 or ubuntu-24.04, or an image id",
            )
        return str(max(matching, key=lambda row: (row.get("CreationTime", ""), row["ImageId"]))["ImageId"])

    def update(self, observed: Observed, desired: Instance, call: Call) -> None:
        region, instance_id, current = observed.address.region, observed.provider_id, observed.resource
        assert isinstance(current, Instance)
        if desired.firewall_group != current.firewall_group:
            group = self.references.find(Kind.FIREWALL_GROUP, observed.address, desired.firewall_group, call)
            params: dict[str, Any] = {"InstanceId": instance_id, "SecurityGroupIds": [group.provider_id]}
            self.session.rpc("Ecs", "ModifyInstanceAttribute", region, call, params, write=True)
        tags = changed_tags(observed, desired)
        if tags:
            params = {"ResourceType": "instance", "ResourceId": [instance_id], "Tag": tag_list(tags)}
            self.session.rpc("Ecs", "TagResources", region, call, params, write=True)
        if observed.raw.get("status") == "Stopped":
            self.session.rpc("Ecs", "StartInstances", region, call, {"InstanceId": [instance_id]}, write=True)

    def delete(self, observed: Observed, call: Call) -> None:
        region = observed.address.region
        params = {"InstanceId": [observed.provider_id], "Force": True, "ClientToken": new_token()}
        gone_is_fine(lambda: self.session.rpc("Ecs", "DeleteInstances", region, call, params, write=True))

    def fixed_fields(self) -> tuple[str, ...]:
        return ("zone", "subnet", "instance_type", "disk_gib", "disk_encrypted", "public_ip")


def _first(values: Any) -> str:
    return str(values[0]) if values else ""


def encoded(user_data: str, address: Address) -> str:
    if not user_data:
        return ""
    plain = user_data.encode()
    if len(plain) > USER_DATA_LIMIT:
        raise InvalidRequest(
            f"{address}: user data has {len(plain)} bytes; ECS takes {USER_DATA_LIMIT}",
            mend="shorten the service's environment",
            address=str(address),
        )
    return base64.b64encode(plain).decode()


def architecture_of(session: Session, region: str, instance_type: str, call: Call) -> str:
    """`arm64` or `x86_64`, as images name it. InvalidRequest where the region has no such type."""
    asked = {"InstanceTypes": [instance_type]}
    answer = session.rpc("Ecs", "DescribeInstanceTypes", region, call, asked)
    row = next(iter(answer["InstanceTypes"]["InstanceType"]), None)
    if row is None:
        raise InvalidRequest(
            f"Alibaba Cloud has no instance type {instance_type!r} in {region}",
            mend="choose one that `aliyun ecs DescribeInstanceTypes` lists",
        )
    return "arm64" if row.get("CpuArchitecture") == "ARM" else "x86_64"


def image_role(image_id: str) -> str:
    """`debian_12_11_x64_20G_alibase_20260119.vhd` -> `debian-12`; Ubuntu keeps its two numbers; else the id itself."""
    match = re.match(r"([a-z]+)_(\d+)(?:_(\d+))?_.*alibase", image_id)
    if match is None:
        return image_id
    minor = f".{match[3]}" if match[1] == "ubuntu" and match[3] else ""
    return f"{match[1]}-{match[2]}{minor}"
