"""DISK (ECS data disk): Ecs 2014-05-26. System disks belong to their instances and are left out.

Callers: provider.py. An encrypted disk always names a key; the one that ECS has of its own is no choice of a user's and
is not shown. A disk grows in place; it is attached and detached by its field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model.errors import Forbidden, NotFound
from model.resources import TAG_FLEET, UNKNOWN, Address, Disk, Kind, Observed, State
from model.stores import Text
from providers.alibaba.common import (
    Adapter,
    Identified,
    References,
    Row,
    changed_tags,
    gone_is_fine,
    ownership_tags,
    tag_list,
    tags_of,
    users_tags,
)
from providers.alibaba.session import DISK_PAGES, Session, new_token
from providers.base import Call

_STATES = {
    "Creating": State.PENDING,
    "Available": State.READY,
    "In_use": State.READY,
    "Attaching": State.UPDATING,
    "Detaching": State.UPDATING,
    "ReIniting": State.UPDATING,
    "Deleting": State.DELETING,
}
CATEGORY = "cloud_essd"


class Disks(Adapter):
    KIND = Kind.DISK

    def __init__(self, session: Session, references: References) -> None:
        super().__init__(session, references)
        self._chosen: dict[
            tuple[str, str], bool
        ] = {}  # (region, key id) -> whether a user made it, which never changes

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        asked = {"DiskType": "data", "Tag": tag_list(tags or {}), "DiskName": name}
        return self.session.token_pages("Ecs", "DescribeDisks", region, call, ("Disks", "Disk"), asked, DISK_PAGES)

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        answer = self.session.rpc("Ecs", "DescribeDisks", region, call, {"DiskIds": f'["{provider_id}"]'})
        return next(iter(answer["Disks"]["Disk"]), None)

    def identify(self, row: Row) -> Identified:
        return Identified(row["DiskId"], row.get("DiskName", ""), tags_of((row.get("Tags") or {}).get("Tag")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who, status = self.who(row), str(row.get("Status", ""))
        disk = Disk(
            name=who.logical_name,
            tags=users_tags(who.tags),
            zone=row.get("ZoneId", ""),
            size_gib=int(row.get("Size") or 0),
            disk_type=row.get("Category", ""),
            encrypted=bool(row.get("Encrypted", False)),
            key=self._users_key(region, str(row.get("KMSKeyId") or ""), call),
            attached_to=self.references.name(Kind.INSTANCE, region, row.get("InstanceId") or "", call),
        )
        return Observed(
            address=self.address(region, who.logical_name),
            resource=disk,
            provider_id=who.id,
            state=_STATES.get(status, State.UPDATING),
            owner=who.tags.get(TAG_FLEET, ""),
            raw={"status": status, "instance_id": row.get("InstanceId") or ""},
        )

    def _users_key(self, region: str, key_id: str, call: Call) -> Text:
        """The key where a user chose it; "" for the service's own; UNKNOWN where we may not look."""
        if not key_id:
            return ""
        chosen = self._chosen.get((region, key_id))
        if chosen is None:
            try:
                answer = self.session.rpc("Kms", "DescribeKey", region, call, {"KeyId": key_id})
            except (Forbidden, NotFound):
                return UNKNOWN
            chosen = str((answer.get("KeyMetadata") or {}).get("Creator", "")).isdigit()  # else a service's name
            self._chosen[region, key_id] = chosen
        return key_id if chosen else ""

    # -- writing -----------------------------------------------------------------------------------------------

    def make(self, address: Address, desired: Disk, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:
        if desired.attached_to:
            self.references.find(Kind.INSTANCE, address, desired.attached_to, call)
        params = {
            "DiskName": address.name,
            "ZoneId": desired.zone,
            "Size": desired.size_gib,
            "DiskCategory": desired.disk_type or CATEGORY,
            "Encrypted": desired.encrypted is True,
            "KMSKeyId": desired.key if isinstance(desired.key, str) else "",
            "Tag": tag_list(ownership_tags(desired, address, call)),
        }
        sent = {**params, "ClientToken": token(params)}
        return str(self.session.rpc("Ecs", "CreateDisk", address.region, call, sent, write=True)["DiskId"])

    def create(self, address: Address, desired: Any, call: Call) -> Observed:
        """A new disk can be attached as soon as it is there."""
        made = super().create(address, desired, call)
        if not desired.attached_to or made.resource == desired:
            return made
        self._move(self._settled(made, call), desired.attached_to, call)
        row = self.by_id(address.region, made.provider_id, call)
        return self.observe(address.region, row, call) if row is not None else made

    def _settled(self, observed: Observed, call: Call) -> Observed:
        """When it is neither being made nor moved. Raises NotFound where it went away."""
        region = observed.address.region

        def look() -> Observed | None:
            row = self.by_id(region, observed.provider_id, call)
            if row is None:
                raise NotFound(f"{observed.address} went away", address=str(observed.address))
            seen = self.observe(region, row, call)
            return seen if seen.state is State.READY else None

        return self.session.calls.poll(f"{observed.address} to settle", look, call, every_s=0.05)

    def _move(self, observed: Observed, instance: str, call: Call) -> None:
        """From where it is attached to the instance of that name; "" for none."""
        region, disk_id = observed.address.region, observed.provider_id
        wanted = self.references.find(Kind.INSTANCE, observed.address, instance, call).provider_id if instance else ""
        now = str(observed.raw.get("instance_id", ""))
        if now == wanted:
            return
        if now:
            params = {"DiskId": disk_id, "InstanceId": now}
            self.session.rpc("Ecs", "DetachDisk", region, call, params, write=True)
        if wanted:
            if now:
                self._settled(observed, call)
            params = {"DiskId": disk_id, "InstanceId": wanted, "DeleteWithInstance": "false"}
            self.session.rpc("Ecs", "AttachDisk", region, call, params, write=True)

    def update(self, observed: Observed, desired: Disk, call: Call) -> None:
        region, current = observed.address.region, observed.resource
        assert isinstance(current, Disk)
        if desired.size_gib > current.size_gib:
            params: dict[str, Any] = {
                "DiskId": observed.provider_id,
                "NewSize": desired.size_gib,
                "Type": "online" if current.attached_to else "offline",
                "ClientToken": new_token(),
            }
            self.session.rpc("Ecs", "ResizeDisk", region, call, params, write=True)
        if desired.attached_to != current.attached_to:
            self._move(observed, desired.attached_to, call)
        tags = changed_tags(observed, desired)
        if tags:
            params = {"ResourceType": "disk", "ResourceId": [observed.provider_id], "Tag": tag_list(tags)}
            self.session.rpc("Ecs", "TagResources", region, call, params, write=True)

    def delete(self, observed: Observed, call: Call) -> None:
        params, region = {"DiskId": observed.provider_id}, observed.address.region
        gone_is_fine(lambda: self.session.rpc("Ecs", "DeleteDisk", region, call, params, write=True))

    def fixed_fields(self) -> tuple[str, ...]:
        return ("zone", "encrypted")

    def made_anew_for(self, before: Disk, desired: Disk) -> tuple[str, ...]:
        """A disk never shrinks; its category and key are chosen when it is made, the rest is the cloud's."""
        smaller = ("size_gib",) if desired.size_gib < before.size_gib else ()
        kind = ("disk_type",) if desired.disk_type not in ("", before.disk_type) else ()
        key = ("key",) if UNKNOWN not in (before.key, desired.key) and desired.key != before.key else ()
        return (*smaller, *kind, *key)
