"""Disks: managed data disks. A machine's own OS disk goes with its machine and is none of our fleet's disks.

Callers: provider.py. A disk without a wished type is StandardSSD_LRS. key is the ARM id of a disk encryption set.
Attaching goes through the machine (attachDetachDataDisks), on the first free LUN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from model.errors import InvalidRequest, NotFound
from model.resources import Address, AnyResource, Disk, Kind, Observed
from providers.azure.adapter import Adapter
from providers.azure.instances import Instances
from providers.azure.names import (
    ArmId,
    logical_name,
    merged_tags,
    own_tags,
    owner_of,
    parse_id,
    same_id,
    user_tags,
    word,
    zone_name,
    zone_number,
)
from providers.azure.session import Session
from providers.base import Call

DEFAULT_TYPE = "StandardSSD_LRS"
_PLATFORM_KEY, _CUSTOMER_KEY = "EncryptionAtRestWithPlatformKey", "EncryptionAtRestWithCustomerKey"
_LUNS = 64
_CERTAINLY_WHOLE = 40


class Disks(Adapter):
    kind = Kind.DISK
    fixed = ("zone", "encrypted")

    def __init__(self, session: Session, instances: Instances) -> None:
        super().__init__(session)
        self.instances = instances

    def replaced(self, before: Any, desired: Any) -> tuple[str, ...]:
        """Disks grow; a customer's key never goes back to the platform's."""
        changed = super().replaced(before, desired)
        if desired.size_gib < before.size_gib:
            changed += ("size_gib",)
        return changed + (("key",) if before.key and not desired.key else ())

    # -- reading -----------------------------------------------------------------------------------------------

    def read_all(self, _region: str, call: Call) -> Iterator[Any]:
        for raw in self.session.pages("compute.disks.list", self.session.compute.disks.list, call=call):
            if not (raw.os_type and owner_of(raw.tags)):  # an OS disk bears the tags of the machine it was made with
                yield raw

    def read(self, where: ArmId, call: Call) -> Any:
        disks = self.session.compute.disks
        return self.session.run("compute.disks.get", disks.get, where.group, where.name, call=call)

    def observe(self, raw: Any, call: Call) -> Observed:
        encryption = raw.encryption
        key = str(encryption.disk_encryption_set_id or "") if encryption else ""
        resource = Disk(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            zone=zone_name(raw.location, raw.zones, self.session.zones(raw.location, call)),
            size_gib=int(raw.disk_size_gb or 0),
            disk_type=word(raw.sku.name) if raw.sku else "",
            encrypted=True,  # always: learn.microsoft.com/azure/virtual-machines/disk-encryption
            key=key,
            attached_to=self._machine_name(raw, call),
        )
        return self.observed(raw, resource)

    def _machine_name(self, raw: Any, call: Call) -> str:
        """Logical name of the machine that has it. Long names may have been cut for Azure: the machine's tag tells."""
        where = parse_id(raw.managed_by)
        if len(where.name) < _CERTAINLY_WHOLE:
            return logical_name(self.account, where.name, raw.location)
        try:
            return self.instances.address(self.instances.read(where, call)).name
        except NotFound:
            return where.name

    # -- writing -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        wanted = cast(Disk, desired)
        if not wanted.encrypted:
            raise InvalidRequest("Azure always encrypts managed disks", mend="leave encrypted true")
        machine = self.instances.named(address, wanted.attached_to, call) if wanted.attached_to else None
        raw = self.claim(address, call)
        if raw is None:
            self.in_group(address, call, lambda: self._make(address, wanted, call))
            raw = self.read(self.place(address, call), call)
        if machine is not None and not same_id(raw.managed_by, machine.id):
            self.wait_ready(address, call)
            self._attach(machine.id, raw.id, call)
            raw = self.read(self.place(address, call), call)
        return self.pending(self.observe(raw, call))

    def _make(self, address: Address, wanted: Disk, call: Call) -> None:
        from azure.mgmt.compute import models as m

        place = self.place(address, call)
        zone = zone_number(wanted.zone, address.region, self.session.zones(address.region, call))
        body = m.Disk(
            location=address.region,
            tags=own_tags(address, wanted.tags, call),
            zones=[zone] if zone else None,
            sku=m.DiskSku(name=wanted.disk_type or DEFAULT_TYPE),
            creation_data=m.CreationData(create_option="Empty"),
            disk_size_gb=wanted.size_gib,
            encryption=m.Encryption(type=_CUSTOMER_KEY, disk_encryption_set_id=wanted.key) if wanted.key else None,
        )
        method = self.session.compute.disks.begin_create_or_update
        self.session.begin("compute.disks.put", method, place.group, place.name, body, call=call)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Size (larger), type, key, tags, and which machine has it."""
        wanted = cast(Disk, desired)
        where = parse_id(observed.provider_id)
        machine = self.instances.named(observed.address, wanted.attached_to, call) if wanted.attached_to else None
        raw = self.read(where, call)
        body = self._difference(raw, wanted)
        if body is not None:
            method = self.session.compute.disks.begin_update
            self.session.begin("compute.disks.patch", method, where.group, where.name, body, call=call)
        if not same_id(raw.managed_by, machine.id if machine is not None else ""):
            if body is not None:
                self.wait_ready(observed.address, call)
            self._move(raw, str(machine.id) if machine is not None else "", call)
        return self.pending(self.observe(self.read(where, call), call))

    def _difference(self, raw: Any, wanted: Disk) -> Any | None:
        """What a PATCH has to say; None where nothing differs."""
        from azure.mgmt.compute import models as m

        body = m.DiskUpdate()
        tags = merged_tags(raw.tags, wanted.tags)
        if tags != dict(raw.tags or {}):
            body.tags = tags
        if wanted.size_gib != int(raw.disk_size_gb or 0):
            body.disk_size_gb = wanted.size_gib
        if wanted.disk_type and raw.sku and wanted.disk_type != word(raw.sku.name):
            body.sku = m.DiskSku(name=wanted.disk_type)
        key = str(raw.encryption.disk_encryption_set_id or "") if raw.encryption else ""
        if wanted.key and not same_id(str(wanted.key), key):
            body.encryption = m.Encryption(type=_CUSTOMER_KEY, disk_encryption_set_id=wanted.key)
        return body if body.as_dict() else None

    def _move(self, raw: Any, machine_id: str, call: Call) -> None:
        if raw.managed_by:
            self._detach(raw, call)
        if machine_id:
            self._attach(machine_id, raw.id, call)

    def _attach(self, machine_id: str, disk_id: str, call: Call) -> None:
        from azure.mgmt.compute import models as m

        where = parse_id(machine_id)
        there = self.instances.read(where, call).storage_profile.data_disks or ()
        if any(d.managed_disk and same_id(d.managed_disk.id, disk_id) for d in there):
            return
        taken = {d.lun for d in there}
        lun = next((n for n in range(_LUNS) if n not in taken), None)
        if lun is None:
            raise InvalidRequest(f"{where.name} has no free place for a disk", mend="attach it to another instance")
        body = m.AttachDetachDataDisksRequest(data_disks_to_attach=[m.DataDisksToAttach(disk_id=disk_id, lun=lun)])
        self._machine_disks(where, body, call)
        self._settled(disk_id, machine_id, call)

    def _detach(self, raw: Any, call: Call) -> None:
        from azure.mgmt.compute import models as m

        body = m.AttachDetachDataDisksRequest(data_disks_to_detach=[m.DataDisksToDetach(disk_id=raw.id)])
        where = parse_id(raw.managed_by)
        try:
            self._machine_disks(where, body, call)
        except NotFound:  # the machine went, and let the disk go
            return

        self._settled(raw.id, "", call)

    def _settled(self, disk_id: str, machine_id: str, call: Call) -> None:
        """Waits until the disk itself says which machine has it: "" for none."""

        def told() -> bool | None:
            return True if same_id(self.read(parse_id(disk_id), call).managed_by, machine_id) else None

        self.session.calls.poll("azure.disk.moved", told, call)

    def _machine_disks(self, where: ArmId, body: Any, call: Call) -> None:
        method = self.session.compute.virtual_machines.begin_attach_detach_data_disks
        self.session.begin("compute.machines.disks", method, where.group, where.name, body, call=call)

    def delete(self, observed: Observed, call: Call) -> None:
        """DependencyInUse while a machine has it."""
        where = parse_id(observed.provider_id)
        method = self.session.compute.disks.begin_delete
        try:
            self.session.begin("compute.disks.delete", method, where.group, where.name, call=call)
        except NotFound:
            return

    def after_delete(self, address: Address, call: Call) -> None:
        self.drop_empty_group(address, call)
