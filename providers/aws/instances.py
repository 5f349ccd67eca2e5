"""EC2 instances, each running one container image by its user data.

Callers: provider.py. RunInstances is idempotent by its client token; AWS refuses a token whose instance was terminated
since, so after a destroy the same key goes on with the next token of its series.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from model.errors import CallSite, Conflict, InvalidRequest, NotFound
from model.resources import Address, AnyResource, Instance, InstanceGroup, Kind, Observed, State
from providers.aws.ec2 import Ec2Kind, Filters, observed_address, owner_of, tags_of, where
from providers.aws.firewall import FirewallGroups
from providers.aws.kinds import need_fleet
from providers.aws.network import Subnets
from providers.aws.session import Session
from providers.aws.tags import client_token, logical_name, ownership_tags, specification, user_tags
from providers.base import Call
from providers.remembered import image_of, machine_tags, made_differently, user_data_of

_STATES = {
    "pending": State.PENDING,
    "running": State.READY,
    "shutting-down": State.DELETING,
    "stopping": State.FAILED,
    "stopped": State.FAILED,
}
_LIVE = ("pending", "running", "shutting-down", "stopping", "stopped")
_DEBIAN = re.compile(r"^debian-(\d+)$")
# Debian's account that publishes images (wiki.debian.org/Cloud/AmazonEC2Image). For China no source that we could
# read names one: there the SSM parameter decides, or the account option `machine_image_owner`.
_DEBIAN_OWNER = {"aws": "136693071363"}
_ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
_MAX_TOKENS = 50
_TERMINATED = "IdempotentInstanceTerminated"


class Instances(Ec2Kind):
    """Terminated instances are not there any more; a stopped one has failed to be what was asked for."""

    kind = Kind.INSTANCE
    method, result = "describe_instances", "Reservations"
    id_filter, id_pattern = "instance-id", re.compile(r"^i-[0-9a-f]+$")
    events = r"Instance|Volume|Tags$"

    def __init__(self, session: Session, subnets: Subnets, groups: FirewallGroups) -> None:
        super().__init__(session)
        self._subnets, self._groups = subnets, groups
        self._images: dict[tuple[str, str, str], tuple[str, str]] = {}
        self._architectures: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    # -- reading ----------------------------------------------------------------------------------------------

    def rows(self, region: str, call: Call, filters: Filters) -> list[dict[str, Any]]:
        live = where(instance_state_name=_LIVE)
        reservations = super().rows(region, call, [*filters, *live])
        return [row for reservation in reservations for row in reservation.get("Instances") or ()]

    def observe(self, region: str, rows: list[dict[str, Any]], call: Call) -> list[Observed]:
        if not rows:
            return []
        subnets = self._subnets.names(region, call)
        groups = self._groups.names(region, call)
        volumes = self._volumes(region, rows, call)
        return [self._observed(region, row, subnets, groups, volumes) for row in rows]

    def glance(self, region: str, rows: list[dict[str, Any]]) -> list[Observed]:
        return [self._observed(region, row, {}, {}, {}) for row in rows]

    def _volumes(self, region: str, rows: list[dict[str, Any]], call: Call) -> dict[str, dict[str, Any]]:
        """Volume id -> row, of the instances' root disks."""
        ids = sorted(v for v in (_root_volume(row) for row in rows) if v)
        found = {}
        for begin in range(0, len(ids), 200):  # a filter takes at most 200 values
            filters = where(volume_id=ids[begin : begin + 200])
            for row in self.session.pages("ec2", region, "describe_volumes", "Volumes", call, Filters=filters):
                found[row["VolumeId"]] = row
        return found

    def _observed(
        self,
        region: str,
        row: Mapping[str, Any],
        subnets: Mapping[str, tuple[str, str]],
        groups: Mapping[str, str],
        volumes: Mapping[str, Mapping[str, Any]],
    ) -> Observed:
        tags = tags_of(row)
        name = logical_name(tags, row["InstanceId"])
        group_ids = [g["GroupId"] for g in row.get("SecurityGroups") or ()]
        volume = volumes.get(_root_volume(row), {})
        subnet_id = row.get("SubnetId", "")
        state = str((row.get("State") or {}).get("Name", ""))
        reason = (row.get("StateReason") or {}).get("Message") or row.get("StateTransitionReason") or ""
        return Observed(
            address=observed_address(self.session, region, Kind.INSTANCE, name),
            resource=Instance(
                name=name,
                tags=user_tags(tags),
                zone=(row.get("Placement") or {}).get("AvailabilityZone", ""),
                subnet=subnets.get(subnet_id, (subnet_id, ""))[0],
                firewall_group=groups.get(group_ids[0], group_ids[0]) if group_ids else "",
                instance_type=row["InstanceType"],
                machine_image=image_of(tags, row.get("ImageId", "")),
                user_data=user_data_of(tags),
                disk_gib=int(volume.get("Size", 0)),
                disk_encrypted=bool(volume.get("Encrypted", False)),
                public_ip=bool(row.get("PublicIpAddress")),
            ),
            provider_id=row["InstanceId"],
            state=_STATES.get(state, State.PENDING),
            owner=owner_of(tags),
            detail=f"{state}: {reason}" if reason else "" if state in ("running", "pending") else state,
            private_ip=row.get("PrivateIpAddress", ""),
            public_ip=row.get("PublicIpAddress", ""),
            raw={"tags": tags, "group_ids": group_ids},
        )

    def names(self, region: str, call: Call) -> dict[str, str]:
        """Instance id -> logical name."""
        rows = self.rows(region, call, [])
        return {row["InstanceId"]: logical_name(tags_of(row), row["InstanceId"]) for row in rows}

    def named(self, region: str, ids: Sequence[str], call: Call) -> dict[str, tuple[str, dict[str, str]]]:
        """Instance id -> (logical name, tags), of those ids."""
        found = {}
        for begin in range(0, len(ids), 200):  # a filter takes at most 200 values
            for row in self.rows(region, call, where(instance_id=ids[begin : begin + 200])):
                tags = tags_of(row)
                found[row["InstanceId"]] = (logical_name(tags, row["InstanceId"]), tags)
        return found

    def ip_of(self, like: Address, name: str, call: Call) -> str:
        """The private address of an instance named by another resource of the same region."""
        found = self.peek(observed_address(self.session, like.region, Kind.INSTANCE, name), call)
        if found is None:
            self.id_of(like, name, call)  # says so
            raise AssertionError
        return found.private_ip

    def id_of(self, like: Address, name: str, call: Call) -> str:
        """The id of an instance named by another resource of the same region."""
        found = self.find_id(observed_address(self.session, like.region, Kind.INSTANCE, name), call)
        if found is None:
            raise InvalidRequest(
                f"{like} names instance {name!r}, which does not exist", address=str(like), mend="create it first"
            )
        return found

    # -- create -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, Instance)
        need_fleet(call)
        existing = self.own(address, call)
        if existing is not None:
            return existing
        request = self._request(address, desired, call)
        for number in range(_MAX_TOKENS):
            token = client_token(call, "RunInstances", str(address), str(number))
            try:
                self.write(address.region, "RunInstances", call, ClientToken=token, **request)
            except Conflict as exc:
                if exc.call.code != _TERMINATED:
                    raise
                continue
            calls = self.session.calls("ec2", address.region)
            return calls.poll("DescribeInstances", lambda: self.own(address, call), call)
        raise Conflict(
            f"{address}: {_MAX_TOKENS} instances of this key were terminated already",
            call=CallSite(cloud="aws", account=self.session.account.name, region=address.region, code=_TERMINATED),
            mend="plan anew",
            address=str(address),
        )

    def _request(self, address: Address, desired: Instance, call: Call) -> dict[str, Any]:
        region = address.region
        image_id, root_device = self.image(region, desired, call)
        tags = ownership_tags(address, desired, call) | machine_tags(desired)
        interface: dict[str, Any] = {
            "DeviceIndex": 0,
            "SubnetId": self._subnets.ids_of(address, [desired.subnet], call)[0],
            "AssociatePublicIpAddress": desired.public_ip,
            "DeleteOnTermination": True,
        }
        if desired.firewall_group:
            interface["Groups"] = [self._groups.id_of(address, desired.firewall_group, call)]
        disk = {
            "VolumeSize": desired.disk_gib,
            "Encrypted": desired.disk_encrypted,
            "VolumeType": "gp3",
            "DeleteOnTermination": True,
        }
        return {
            "ImageId": image_id,
            "InstanceType": desired.instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "UserData": desired.user_data,
            "NetworkInterfaces": [interface],
            "BlockDeviceMappings": [{"DeviceName": root_device, "Ebs": disk}],
            # Version 2 of the metadata service only: a request forged through a service cannot read the role's keys.
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
            "TagSpecifications": [specification("instance", tags), specification("volume", tags)],
        }

    # -- images -----------------------------------------------------------------------------------------------

    def image(self, region: str, desired: Instance | InstanceGroup, call: Call) -> tuple[str, str]:
        """(image id, root device) for a role; asked once per region, role and processor."""
        architecture = self._architecture(region, desired.instance_type, call)
        key = (region, desired.machine_image, architecture)
        with self._lock:
            known = self._images.get(key)
        if known is None:
            known = self._resolve_image(region, desired.machine_image, architecture, call)
            with self._lock:
                self._images[key] = known
        return known

    def _architecture(self, region: str, instance_type: str, call: Call) -> str:
        key = (region, instance_type)
        with self._lock:
            known = self._architectures.get(key)
        if known is not None:
            return known
        rows = self.session.run(
            "ec2",
            region,
            "DescribeInstanceTypes",
            lambda ec2: ec2.describe_instance_types(InstanceTypes=[instance_type])["InstanceTypes"],
            call,
        )
        offered = (rows[0].get("ProcessorInfo") or {}).get("SupportedArchitectures") or ()
        found = next((a for a in offered if a in _ARCHITECTURES), "x86_64")
        with self._lock:
            self._architectures[key] = found
        return found

    def _resolve_image(self, region: str, role: str, architecture: str, call: Call) -> tuple[str, str]:
        if role.startswith("ami-"):
            return self._described(region, {"ImageIds": [role]}, role, call)
        release = _DEBIAN.match(role)
        if release is None:
            raise InvalidRequest(f"there is no machine image {role!r}", mend="debian-12, debian-13, or an ami- id")
        debian = _ARCHITECTURES[architecture]
        name = f"/aws/service/debian/release/{release[1]}/latest/{debian}"
        try:
            parameter = self.session.run(
                "ssm", region, "GetParameter", lambda ssm: ssm.get_parameter(Name=name)["Parameter"], call
            )
            return self._described(region, {"ImageIds": [parameter["Value"]]}, role, call)
        except NotFound:
            call.progress(f"{region} has no parameter {name}; looking for Debian's newest image by its owner")
        owner = self.session.account.options.get("machine_image_owner") or _DEBIAN_OWNER.get(
            self.session.account.partition
        )
        if not owner:
            raise InvalidRequest(
                f"{region}: no public parameter names an image for {role}, and whose images to trust is not known",
                mend="set the account option machine_image_owner to the account that publishes Debian's images there",
            )
        filters = where(name=f"debian-{release[1]}-{debian}-*", architecture=architecture, state="available")
        return self._described(region, {"Owners": [str(owner)], "Filters": filters}, role, call)

    def _described(self, region: str, query: dict[str, Any], role: str, call: Call) -> tuple[str, str]:
        """The newest image that the query finds."""
        images = self.session.run(
            "ec2", region, "DescribeImages", lambda ec2: ec2.describe_images(**query)["Images"], call
        )
        if not images:
            raise InvalidRequest(f"{region} has no image for {role}")
        newest = max(images, key=lambda image: (image.get("CreationDate", ""), image["ImageId"]))
        return newest["ImageId"], newest.get("RootDeviceName") or "/dev/xvda"

    # -- update, delete ---------------------------------------------------------------------------------------

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Tags and the firewall group change in place."""
        assert isinstance(desired, Instance)
        before = observed.resource
        assert isinstance(before, Instance)
        self.update_tags(observed, desired, call)
        if desired.firewall_group and before.firewall_group != desired.firewall_group:
            address = observed.address
            group_id = self._groups.id_of(address, desired.firewall_group, call)
            self.write(
                address.region,
                "ModifyInstanceAttribute",
                call,
                InstanceId=observed.provider_id,
                Groups=[group_id],
            )
        return self.find(observed.address, call) or observed

    def delete(self, observed: Observed, call: Call) -> None:
        self.gone_is_fine(observed.address.region, "TerminateInstances", call, InstanceIds=[observed.provider_id])

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, Instance)
        assert isinstance(desired, Instance)
        fixed = ["zone", "subnet", "instance_type", "disk_gib", "disk_encrypted", "public_ip"]
        changed = tuple(f for f in fixed if getattr(before, f) != getattr(desired, f))
        unnamed = before.machine_image.startswith("ami-")  # nobody wrote down its role
        return changed + made_differently(replace(before, machine_image="") if unnamed else before, desired)


def _root_volume(row: Mapping[str, Any]) -> str:
    root = row.get("RootDeviceName")
    mappings = row.get("BlockDeviceMappings") or ()
    found = [m for m in mappings if m.get("DeviceName") == root] or list(mappings[:1])
    return str((found[0].get("Ebs") or {}).get("VolumeId", "")) if found else ""
