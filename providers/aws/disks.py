"""EBS volumes that stand for themselves. What an instance brought along and takes with it is that instance's part.

Callers: provider.py. CreateVolume is idempotent by its client token. A token whose volume was deleted since gives the
dead volume back, so the same key goes on with the next token of its series. Sources: EC2 API Reference, CreateVolume,
ModifyVolume (a volume grows only; six hours between two changes of one), AttachVolume; EC2 User Guide, "Available
device names" (/dev/sd[f-p] for data volumes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from model.errors import CallSite, Conflict, InvalidRequest, NotFound
from model.resources import Address, AnyResource, Disk, Kind, Observed, State
from providers.aws.ec2 import Ec2Kind, observed_address, owner_of, tags_of, where
from providers.aws.instances import Instances
from providers.aws.keys import chosen_key
from providers.aws.kinds import need_fleet
from providers.aws.session import Session
from providers.aws.tags import client_token, logical_name, ownership_tags, specification, user_tags
from providers.base import Call

_STATES = {
    "creating": State.PENDING,
    "available": State.READY,
    "in-use": State.READY,
    "deleting": State.DELETING,
    "error": State.FAILED,
}
_UNDER_WAY = ("attaching", "detaching", "busy")
_DEVICES = tuple(f"/dev/sd{letter}" for letter in "fghijklmnop")
_MAX_TOKENS = 50
_DEFAULT_TYPE = "gp3"


class Disks(Ec2Kind):
    """Volumes. Attached ones are attached at the first free of the recommended device names."""

    kind = Kind.DISK
    method, result = "describe_volumes", "Volumes"
    id_filter, id_pattern = "volume-id", re.compile(r"^vol-[0-9a-f]+$")
    events = r"Volume|Tags$"

    def __init__(self, session: Session, instances: Instances) -> None:
        super().__init__(session)
        self._instances = instances

    # -- reading ----------------------------------------------------------------------------------------------

    def all(self, region: str, call: Call, fleet: str | None) -> list[Observed]:
        """An instance's own disk carries its tags, and is not the fleet's as a disk."""
        return [o for o in super().all(region, call, fleet) if fleet is None or o.owner == fleet]

    def observe(self, region: str, rows: list[dict[str, Any]], call: Call) -> list[Observed]:
        live = [row for row in rows if row.get("State") != "deleted"]
        growing = self._growing(region, call) if any(owner_of(tags_of(row)) for row in live) else {}
        return self._plain(region, live, call, growing)

    def _plain(
        self, region: str, live: list[dict[str, Any]], call: Call, growing: Mapping[str, str] = MappingProxyType({})
    ) -> list[Observed]:
        names = self._instances.names(region, call) if any(row.get("Attachments") for row in live) else {}
        found = []
        for row in live:
            arn = row.get("KmsKeyId", "") if row.get("Encrypted") else ""
            key = chosen_key(self.session, region, arn, call)
            found.append(self._observed(region, row, names, growing.get(row["VolumeId"], ""), key))
        return found

    def glance(self, region: str, rows: list[dict[str, Any]]) -> list[Observed]:
        return [self._observed(region, row, {}, "", "") for row in rows if row.get("State") != "deleted"]

    def _growing(self, region: str, call: Call) -> dict[str, str]:
        """Volume id -> what is said of a change that is under way. `optimizing` volumes are usable, with their size."""
        rows = self.session.pages(
            "ec2", region, "describe_volumes_modifications", "VolumesModifications", call,
            Filters=where(modification_state=["modifying", "failed"]),
        )  # fmt: skip
        return {row["VolumeId"]: str(row.get("ModificationState")) for row in rows}

    def _observed(
        self, region: str, row: Mapping[str, Any], names: Mapping[str, str], growing: str, key: Any
    ) -> Observed:
        tags = tags_of(row)
        attachments = [a for a in row.get("Attachments") or () if a.get("State") != "detached"]
        part = next((a["InstanceId"] for a in attachments if a.get("DeleteOnTermination")), "")
        name = row["VolumeId"] if part else logical_name(tags, row["VolumeId"])
        instance = attachments[0]["InstanceId"] if attachments else ""
        busy = [a["State"] for a in attachments if a.get("State") in _UNDER_WAY]
        state = _STATES.get(row.get("State", ""), State.PENDING)
        if state is State.READY and (busy or growing == "modifying"):
            state = State.UPDATING
        return Observed(
            address=observed_address(self.session, region, Kind.DISK, name),
            resource=Disk(
                name=name,
                tags=user_tags(tags),
                zone=row["AvailabilityZone"],
                size_gib=int(row["Size"]),
                disk_type=row.get("VolumeType", ""),
                encrypted=bool(row.get("Encrypted")),
                key=key,
                attached_to=names.get(instance, instance),
            ),
            provider_id=row["VolumeId"],
            state=state,
            owner="" if part else owner_of(tags),
            detail=", ".join(filter(None, [*busy, growing])),
            raw={"tags": {} if part else tags, "part_of": part, "attached": instance},
        )

    def _find(
        self, address: Address, call: Call, observe: Callable[[list[dict[str, Any]]], list[Observed]]
    ) -> Observed | None:
        """An instance's own disk carries its name, and is meant by its id only."""

        def standing(rows: list[dict[str, Any]]) -> list[Observed]:
            return [o for o in observe(rows) if not o.raw["part_of"] or o.provider_id == address.name]

        return super()._find(address, call, standing)

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, Disk)
        need_fleet(call)
        self._instance_of(address, desired, call)  # refused before anything is made
        observed = self.own(address, call) or self._make(address, desired, call)
        if desired.attached_to and not observed.raw["attached"]:
            return self._attach(observed, desired, call)
        return observed

    def _make(self, address: Address, desired: Disk, call: Call) -> Observed:
        request: dict[str, Any] = {
            "AvailabilityZone": desired.zone,
            "Size": desired.size_gib,
            "VolumeType": desired.disk_type or _DEFAULT_TYPE,
            "Encrypted": desired.encrypted is not False,
            "TagSpecifications": [specification("volume", ownership_tags(address, desired, call))],
        }
        if desired.key:
            request["KmsKeyId"] = desired.key
        for number in range(_MAX_TOKENS):
            token = client_token(call, "CreateVolume", str(address), str(number))
            made = self.write(address.region, "CreateVolume", call, ClientToken=token, **request)
            alive = self._alive(address, made["VolumeId"], call)
            if alive is not None:
                return alive
        raise Conflict(
            f"{address}: {_MAX_TOKENS} volumes of this key were deleted already",
            call=CallSite(cloud="aws", account=self.session.account.name, region=address.region),
            mend="plan anew",
            address=str(address),
        )

    def _alive(self, address: Address, volume_id: str, call: Call) -> Observed | None:
        """What CreateVolume just answered with, unless it is dead. Nobody grows it yet, so nothing else is asked."""
        try:
            rows = self.session.run(
                "ec2", address.region, "DescribeVolumes",
                lambda c: c.describe_volumes(VolumeIds=[volume_id])["Volumes"], call,
            )  # fmt: skip
        except NotFound:
            return None
        alive = [row for row in rows if row.get("State") not in ("deleting", "deleted")]
        return next((replace(o, address=address) for o in self._plain(address.region, alive, call)), None)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Size and type are one ModifyVolume; then what it hangs on."""
        assert isinstance(desired, Disk)
        before = observed.resource
        assert isinstance(before, Disk)
        self._instance_of(observed.address, desired, call)
        self.update_tags(observed, desired, call)
        change: dict[str, Any] = {}
        if before.size_gib != desired.size_gib:
            change["Size"] = desired.size_gib
        if desired.disk_type and before.disk_type != desired.disk_type:
            change["VolumeType"] = desired.disk_type
        if change:
            self.write(observed.address.region, "ModifyVolume", call, VolumeId=observed.provider_id, **change)
        if before.attached_to != desired.attached_to:
            if observed.raw["attached"]:
                self._detach(observed, call)
            if desired.attached_to:
                return self._attach(observed, desired, call)
        return self.find(observed.address, call) or observed

    def _instance_of(self, address: Address, desired: Disk, call: Call) -> str:
        return self._instances.id_of(address, desired.attached_to, call) if desired.attached_to else ""

    def _attach(self, observed: Observed, desired: Disk, call: Call) -> Observed:
        """Once the volume is available. The device name is the first that the instance has not got."""
        region, volume_id = observed.address.region, observed.provider_id
        instance_id = self._instance_of(observed.address, desired, call)

        def available() -> bool | None:
            rows = self.rows(region, call, where(volume_id=volume_id))
            return True if any(row.get("State") == "available" for row in rows) else None

        self.session.calls("ec2", region).poll("DescribeVolumes", available, call)

        def attach(client: Any) -> None:
            rows = client.describe_volumes(Filters=where(attachment__instance_id=instance_id))["Volumes"]
            attached = [a for row in rows for a in row.get("Attachments") or ()]
            if any(a["VolumeId"] == volume_id for a in attached):
                return  # an earlier try was heard
            taken = {a.get("Device") for a in attached}
            device = next((d for d in _DEVICES if d not in taken), "")
            if not device:
                raise InvalidRequest(
                    f"{observed.address}: {desired.attached_to!r} has no free device name for another disk",
                    mend="detach one of its disks",
                    address=str(observed.address),
                )
            call.guard()
            client.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device)

        self.attempt(region, "AttachVolume", attach, call)
        return self.find(observed.address, call) or observed

    def _detach(self, observed: Observed, call: Call) -> None:
        region, volume_id = observed.address.region, observed.provider_id
        self.gone_is_fine(region, "DetachVolume", call, VolumeId=volume_id, InstanceId=observed.raw["attached"])

        def free() -> bool | None:
            rows = self.rows(region, call, where(volume_id=volume_id))
            return True if all(row.get("State") != "in-use" for row in rows) else None

        self.session.calls("ec2", region).poll("DescribeVolumes", free, call)

    def delete(self, observed: Observed, call: Call) -> None:
        """VolumeInUse while it is attached."""
        self.gone_is_fine(observed.address.region, "DeleteVolume", call, VolumeId=observed.provider_id)

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, Disk)
        assert isinstance(desired, Disk)
        changed = [f for f in ("zone", "encrypted", "key") if getattr(before, f) != getattr(desired, f)]
        if desired.size_gib < before.size_gib:
            changed.append("size_gib")
        return tuple(changed)
