"""Instances: a virtual machine with its network interface, disk and, where wanted, public address.

Callers: provider.py. Parts are made in that order (address, interface, machine) and die with the machine
(deleteOption). user_data of what is observed is `sha256:...` from a tag: Azure never gives the text back. An interface
of ours without its machine is what an interrupted creation leaves: it is reported as FAILED, creating again goes on
from it, deleting removes it. Account options: ssh_public_key, admin_username.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from model.errors import InvalidRequest, NotFound
from model.resources import TAG_NAME, Address, AnyResource, Instance, Kind, Observed, State
from providers.azure.adapter import Adapter, Seen
from providers.azure.firewall import FirewallGroups
from providers.azure.names import (
    TAG_DISK_GIB,
    ArmId,
    logical_name,
    merged_tags,
    own_tags,
    owner_of,
    parse_id,
    state_of,
    user_tags,
    word,
    zone_name,
    zone_number,
)
from providers.azure.network import Subnets
from providers.azure.parts import IMAGES, MIN_DISK_GIB, Parts, machine_body, role_of
from providers.azure.session import Session
from providers.base import Call
from providers.remembered import image_of, machine_tags, made_differently, user_data_of


class Instances(Adapter):
    kind = Kind.INSTANCE
    fixed = ("zone", "subnet", "disk_gib", "public_ip")

    def __init__(self, session: Session, subnets: Subnets, firewalls: FirewallGroups) -> None:
        super().__init__(session)
        self.subnets, self.firewalls = subnets, firewalls
        self.parts = Parts(session)

    def replaced(self, before: Any, desired: Any) -> tuple[str, ...]:
        return super().replaced(before, desired) + made_differently(before, desired)

    # -- reading -----------------------------------------------------------------------------------------------

    def read_all(self, _region: str, call: Call) -> Iterator[Any]:
        return self.session.pages("compute.machines.list", self.session.compute.virtual_machines.list_all, call=call)

    def read(self, where: ArmId, call: Call) -> Any:
        machines = self.session.compute.virtual_machines
        return self.session.run("compute.machines.get", machines.get, where.group, where.name, call=call)

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        """Machines, and interfaces of ours whose machine is missing. One list of each, not a call per machine."""
        nics = {nic.id.lower(): nic for nic in self.parts.all_interfaces(call) if nic.location == region}
        publics = {ip.id.lower(): ip for ip in self.parts.all_public_ips(call) if ip.location == region}
        names = set()
        for row in self.read_all(region, call):
            raw = Seen(row)
            if raw.location == region and (fleet is None or owner_of(raw.tags) == fleet):
                nic = nics.get(_nic_id(raw).lower())
                names.add(self.address(raw).name)
                yield self._observed(raw, nic, publics, self.session.zones(region, call))
        for nic in nics.values():
            owner, name = owner_of(nic.tags), (nic.tags or {}).get(TAG_NAME, "")
            if owner and name and fleet in (None, owner) and nic.virtual_machine is None and name not in names:
                yield self._leftover(nic)

    def get(self, address: Address, call: Call) -> Observed:
        try:
            return self.observe(self.find(address, call), call)
        except NotFound:
            nic = self.parts.interface(self.place(address, call), call) if call.fleet else None
            if nic is None or owner_of(nic.tags) != call.fleet:
                raise
            return self._leftover(nic)

    def observe(self, raw: Any, call: Call) -> Observed:
        nic_id = _nic_id(raw)
        nic = self.parts.interface_by_id(nic_id, call) if nic_id else None
        public_id = _public_id(nic)
        public = self.parts.public_ip_by_id(public_id, call) if public_id else None
        zones = self.session.zones(raw.location, call)
        return self._observed(raw, nic, {public_id.lower(): public} if public else {}, zones)

    def _observed(self, raw: Any, nic: Any, publics: dict[str, Any], zones: tuple[str, ...]) -> Observed:
        config = nic.ip_configurations[0] if nic is not None and nic.ip_configurations else None
        public = publics.get(_public_id(nic).lower())
        disk = raw.storage_profile.os_disk if raw.storage_profile else None
        group = nic.network_security_group.id if nic is not None and nic.network_security_group else ""
        resource = Instance(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            zone=zone_name(raw.location, raw.zones, zones),
            subnet=parse_id(config.subnet.id).name if config and config.subnet else "",
            firewall_group=logical_name(self.account, parse_id(group).name, raw.location) if group else "",
            instance_type=word(raw.hardware_profile.vm_size) if raw.hardware_profile else "",
            machine_image=image_of(
                raw.tags or {}, role_of(raw.storage_profile.image_reference if raw.storage_profile else None)
            ),
            user_data=user_data_of(raw.tags or {}),
            disk_gib=_disk_gib(raw, disk),
            disk_encrypted=True,  # managed disks always are: learn.microsoft.com/azure/virtual-machines/disk-encryption
            public_ip=bool(_public_id(nic)),
        )
        private_ip = (config.private_ip_address or "") if config else ""
        return self.observed(
            raw,
            resource,
            private_ip=private_ip,
            public_ip=(public.ip_address or "") if public is not None else "",
            raw={"nic_id": nic.id if nic is not None else ""},
        )

    def _leftover(self, nic: Any) -> Observed:
        """An interface without its machine, as the instance that it was made for."""
        name = (nic.tags or {})[TAG_NAME]
        config = nic.ip_configurations[0]
        group = nic.network_security_group.id if nic.network_security_group else ""
        return Observed(
            address=Address(self.account.partition, self.account.account_id, nic.location, self.kind, name),
            resource=Instance(
                name=name,
                tags=user_tags(nic.tags),
                zone="",
                subnet=parse_id(config.subnet.id).name if config.subnet else "",
                firewall_group=logical_name(self.account, parse_id(group).name, nic.location) if group else "",
                instance_type="",
                public_ip=bool(_public_id(nic)),
            ),
            provider_id=nic.id,
            state=State.FAILED,
            owner=owner_of(nic.tags),
            detail="a network interface without its machine: the creation was interrupted",
            raw={"nic_id": nic.id},
        )

    def evidence(self, raw: Any, call: Call) -> str:
        where = parse_id(raw.id)
        machines = self.session.compute.virtual_machines
        try:
            view = self.session.run("compute.machines.view", machines.instance_view, where.group, where.name, call=call)
        except NotFound:
            return super().evidence(raw, call)
        return "; ".join(f"{s.code} {s.message or ''}".strip() for s in view.statuses or ())

    # -- writing -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        wanted = cast(Instance, desired)
        self._check(wanted)
        raw = self.claim(address, call)
        if raw is None:
            self.in_group(address, call, lambda: self._make(address, wanted, call))
            raw = self.read(self.place(address, call), call)
        return self.pending(self.observe(raw, call))

    def _check(self, wanted: Instance) -> None:
        if wanted.machine_image not in IMAGES and wanted.machine_image.count(":") != 3:
            raise InvalidRequest(
                f"no Azure image for {wanted.machine_image!r}",
                mend=f"use {', '.join(IMAGES)}, or publisher:offer:sku:version",
            )
        if not wanted.disk_encrypted:
            raise InvalidRequest("Azure always encrypts managed disks", mend="leave disk_encrypted true")

    def _make(self, address: Address, wanted: Instance, call: Call) -> None:
        place = self.place(address, call)
        tags = own_tags(address, wanted.tags, call)
        zone = zone_number(wanted.zone, address.region, self.session.zones(address.region, call))
        subnet = self.subnets.named(address, wanted.subnet, call)
        group = self.firewalls.named(address, wanted.firewall_group, call).id if wanted.firewall_group else ""
        public_id = (
            self.parts.ensure_public_ip(place, address.region, [zone] if zone else [], tags, call)
            if wanted.public_ip
            else ""
        )
        nic_id = self.parts.ensure_interface(place, address.region, subnet.id, group, public_id, tags, call)
        if wanted.disk_gib < MIN_DISK_GIB:
            tags[TAG_DISK_GIB] = str(wanted.disk_gib)
        tags |= machine_tags(wanted)
        body = machine_body(self.account, place, address.region, zone, wanted, nic_id, tags)
        method = self.session.compute.virtual_machines.begin_create_or_update
        self.session.begin("compute.machines.put", method, place.group, place.name, body, call=call)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Firewall group (on the interface), instance type (the machine restarts), tags."""
        from azure.mgmt.compute.models import HardwareProfile, VirtualMachineUpdate

        wanted, before = cast(Instance, desired), cast(Instance, observed.resource)
        where = parse_id(observed.provider_id)
        if wanted.firewall_group != before.firewall_group:
            name = wanted.firewall_group
            group = self.firewalls.named(observed.address, name, call).id if name else ""
            self.parts.set_firewall(observed.raw["nic_id"], group, call)
        raw = self.read(where, call)
        body = VirtualMachineUpdate(tags=merged_tags(raw.tags, wanted.tags))
        if wanted.instance_type != before.instance_type:
            body.hardware_profile = HardwareProfile(vm_size=wanted.instance_type)
        elif body.tags == raw.tags:
            return self.observe(raw, call)
        method = self.session.compute.virtual_machines.begin_update
        self.session.begin("compute.machines.patch", method, where.group, where.name, body, call=call)
        return self.observe(self.read(where, call), call)

    def delete(self, observed: Observed, call: Call) -> None:
        """The machine with all its parts; or the parts alone, where the machine was never made."""
        where = parse_id(observed.provider_id)
        if "/networkinterfaces/" in observed.provider_id.lower():
            self.parts.delete_leftovers(ArmId(where.group, where.name.removesuffix("-nic")), call)
            return
        method = self.session.compute.virtual_machines.begin_delete
        try:
            self.session.begin("compute.machines.delete", method, where.group, where.name, call=call)
        except NotFound:
            return

    def after_delete(self, address: Address, call: Call) -> None:
        """deleteOption works after the machine is gone: wait for its parts, and take away what it forgot."""
        if not call.fleet:
            return
        place = self.place(address, call)

        def gone() -> bool | None:
            nic = self.parts.interface(place, call)
            public = self.parts.public_ip(place, call)
            disk = self.parts.os_disk(place, call)
            edges = [r for r in (nic, public) if r is not None and owner_of(r.tags) == call.fleet]
            if any(state_of(r.provisioning_state) is not State.DELETING for r in edges):
                self.parts.delete_leftovers(place, call)
            if disk is None or owner_of(disk.tags) != call.fleet:
                return None if edges else True
            if not disk.managed_by and state_of(disk.provisioning_state) is not State.DELETING:
                self.parts.delete_os_disk(place, call)
            return None

        self.session.calls.poll("azure.instance.parts_gone", gone, call)


def _nic_id(raw: Any) -> str:
    interfaces = raw.network_profile.network_interfaces if raw.network_profile else None
    return str(interfaces[0].id) if interfaces else ""


def _public_id(nic: Any) -> str:
    if nic is None or not nic.ip_configurations or nic.ip_configurations[0].public_ip_address is None:
        return ""
    return str(nic.ip_configurations[0].public_ip_address.id)


def _disk_gib(raw: Any, disk: Any) -> int:
    """The disk's size; what was asked for where Azure's smallest had to be taken instead."""
    size = int(disk.disk_size_gb or 0) if disk is not None else 0
    asked = (raw.tags or {}).get(TAG_DISK_GIB, "")
    return int(asked) if asked.isdigit() and size == MIN_DISK_GIB else size
