"""Instance groups: virtual machine scale sets in uniform mode, with autoscale limits where some are wanted.

Callers: provider.py. A set's interfaces lie in one subnet, which spans the region's zones: the first one that is
wanted; a tag keeps the others. user_data and machine_image are remembered as tags, as for instances. Changes of the
model reach all members at once (upgrade mode Automatic): a new instance type restarts them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, cast

from model.errors import InvalidRequest, NotFound
from model.resources import Address, AnyResource, InstanceGroup, Kind, Observed
from providers.azure.adapter import Adapter
from providers.azure.balancers import POOL, LoadBalancers
from providers.azure.firewall import FirewallGroups
from providers.azure.names import (
    TAG_DISK_GIB,
    TAG_SUBNETS,
    ArmId,
    list_from_tags,
    list_to_tags,
    logical_name,
    merged_tags,
    own_tags,
    owner_of,
    parse_id,
    user_tags,
    zone_number,
)
from providers.azure.network import Subnets
from providers.azure.parts import IMAGES, MIN_DISK_GIB, linux_profile, role_of
from providers.azure.scaling import Limits, ScaleLimits
from providers.azure.session import Session
from providers.base import Call
from providers.remembered import image_of, machine_tags, made_differently, user_data_of


class InstanceGroups(Adapter):
    kind = Kind.INSTANCE_GROUP
    fixed = ("zones", "subnets", "disk_gib", "disk_encrypted", "public_ip")

    def __init__(self, session: Session, subnets: Subnets, firewalls: FirewallGroups, balancers: LoadBalancers) -> None:
        super().__init__(session)
        self.subnets, self.firewalls, self.balancers = subnets, firewalls, balancers
        self.limits = ScaleLimits(session)

    def replaced(self, before: Any, desired: Any) -> tuple[str, ...]:
        return super().replaced(before, desired) + made_differently(before, desired)

    # -- reading -----------------------------------------------------------------------------------------------

    def read_all(self, _region: str, call: Call) -> Iterator[Any]:
        sets = self.session.compute.virtual_machine_scale_sets
        for raw in self.session.pages("compute.scale_sets.list", sets.list_all, call=call):
            if "aks-managed-poolName" not in (raw.tags or {}):  # a node pool's machines are its cluster's
                yield raw

    def read(self, where: ArmId, call: Call) -> Any:
        sets = self.session.compute.virtual_machine_scale_sets
        return self.session.run("compute.scale_sets.get", sets.get, where.group, where.name, call=call)

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        """Sets without their members; the limits of all by one list."""
        known = self.limits.all(call)
        for raw in self.read_all(region, call):
            if raw.location == region and (fleet is None or owner_of(raw.tags) == fleet):
                yield self._observed(raw, known.get(str(raw.id).lower(), Limits()), call)

    def observe(self, raw: Any, call: Call) -> Observed:
        return self._observed(raw, self.limits.of(raw, call), call, members=self._members(raw, call))

    def _members(self, raw: Any, call: Call) -> tuple[str, ...]:
        """ARM ids of its machines."""
        where = parse_id(raw.id)
        machines = self.session.compute.virtual_machine_scale_set_vms
        try:
            rows = self.session.pages(
                "compute.scale_set_machines.list", machines.list, where.group, where.name, call=call
            )
            return tuple(sorted(str(row.id) for row in rows))
        except NotFound:  # it went between the two reads
            return ()

    def _observed(self, raw: Any, limits: Limits, call: Call, members: tuple[str, ...] = ()) -> Observed:
        profile = raw.virtual_machine_profile
        nic = _interface(profile)
        config = nic.ip_configurations[0] if nic is not None and nic.ip_configurations else None
        group = nic.network_security_group.id if nic is not None and nic.network_security_group else ""
        subnet = parse_id(config.subnet.id).name if config and config.subnet else ""
        storage = profile.storage_profile if profile else None
        tags = raw.tags or {}
        known = self.session.zones(raw.location, call)
        resource = InstanceGroup(
            name=self.address(raw).name,
            tags=user_tags(tags),
            zones=tuple(f"{raw.location}-{z}" for z in raw.zones or ()) or (f"{raw.location}-{0 if known else 1}",),
            subnets=list_from_tags(TAG_SUBNETS, tags) or ((subnet,) if subnet else ()),
            firewall_group=logical_name(self.account, parse_id(group).name, raw.location) if group else "",
            instance_type=str(raw.sku.name or "") if raw.sku else "",
            size=int(raw.sku.capacity or 0) if raw.sku else 0,
            smallest=limits.smallest,
            largest=limits.largest,
            machine_image=image_of(tags, role_of(storage.image_reference if storage else None)),
            user_data=user_data_of(tags),
            disk_gib=_disk_gib(tags, storage.os_disk if storage else None),
            disk_encrypted=True,  # managed disks always are
            public_ip=bool(config and config.public_ip_address_configuration),
            load_balancers=tuple(sorted(self._balancer(p.id, raw.location) for p in _pools(config))),
        )
        return self.observed(raw, resource, raw={"members": members})

    def _balancer(self, pool_id: str, region: str) -> str:
        return logical_name(self.account, parse_id(pool_id).parent, region)

    # -- writing -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        wanted = cast(InstanceGroup, desired)
        self._check(wanted)
        raw = self.claim(address, call)
        if raw is None:
            self.in_group(address, call, lambda: self._make(address, wanted, call))
            raw = self.read(self.place(address, call), call)
        self.limits.put(raw, Limits(wanted.smallest, wanted.largest), wanted.size, call)
        return self.pending(self.observe(raw, call))

    def _check(self, wanted: InstanceGroup) -> None:
        if wanted.machine_image not in IMAGES and wanted.machine_image.count(":") != 3:
            raise InvalidRequest(
                f"no Azure image for {wanted.machine_image!r}",
                mend=f"use {', '.join(IMAGES)}, or publisher:offer:sku:version",
            )
        if not wanted.disk_encrypted:
            raise InvalidRequest("Azure always encrypts managed disks", mend="leave disk_encrypted true")
        if not wanted.subnets:
            raise InvalidRequest("an instance group needs a subnet", mend="name one under subnets")
        top = max(wanted.largest, wanted.size) if not wanted.largest else wanted.largest
        if not wanted.smallest <= wanted.size <= top:
            raise InvalidRequest(
                f"size {wanted.size} is not between smallest {wanted.smallest} and largest {top}",
                mend="correct size, smallest or largest",
            )

    def _make(self, address: Address, wanted: InstanceGroup, call: Call) -> None:
        from azure.mgmt.compute import models as m

        place = self.place(address, call)
        known = self.session.zones(address.region, call)
        zones = [z for z in (zone_number(zone, address.region, known) for zone in wanted.zones) if z]
        tags = own_tags(address, wanted.tags, call, **list_to_tags(TAG_SUBNETS, wanted.subnets))
        if wanted.disk_gib < MIN_DISK_GIB:
            tags[TAG_DISK_GIB] = str(wanted.disk_gib)
        body = m.VirtualMachineScaleSet(
            location=address.region,
            tags=tags | machine_tags(wanted),
            zones=zones or None,
            sku=m.Sku(name=wanted.instance_type, tier="Standard", capacity=wanted.size),
            orchestration_mode="Uniform",
            single_placement_group=False,
            overprovision=False,
            upgrade_policy=m.UpgradePolicy(mode="Automatic"),
            virtual_machine_profile=self._profile(place, address, wanted, call),
        )
        method = self.session.compute.virtual_machine_scale_sets.begin_create_or_update
        self.session.begin("compute.scale_sets.put", method, place.group, place.name, body, call=call)

    def _profile(self, place: ArmId, address: Address, wanted: InstanceGroup, call: Call) -> Any:
        from azure.mgmt.compute import models as m

        publisher, offer, sku, version = IMAGES.get(wanted.machine_image) or wanted.machine_image.split(":")
        admin, linux = linux_profile(self.account)
        user_data = base64.b64encode(wanted.user_data.encode()).decode() if wanted.user_data else None
        return m.VirtualMachineScaleSetVMProfile(
            os_profile=m.VirtualMachineScaleSetOSProfile(
                computer_name_prefix=place.name[:9].rstrip("-_.").replace("_", "-").replace(".", "-"),
                admin_username=admin,
                custom_data=user_data,
                linux_configuration=linux,
            ),
            storage_profile=m.VirtualMachineScaleSetStorageProfile(
                image_reference=m.ImageReference(publisher=publisher, offer=offer, sku=sku, version=version),
                os_disk=m.VirtualMachineScaleSetOSDisk(
                    create_option="FromImage",
                    disk_size_gb=max(wanted.disk_gib, MIN_DISK_GIB),
                    managed_disk=m.VirtualMachineScaleSetManagedDiskParameters(storage_account_type="StandardSSD_LRS"),
                ),
            ),
            network_profile=m.VirtualMachineScaleSetNetworkProfile(
                network_interface_configurations=[self._network(address, wanted, call)]
            ),
        )

    def _network(self, address: Address, wanted: InstanceGroup, call: Call) -> Any:
        from azure.mgmt.compute import models as m

        ids = [str(self.subnets.named(address, name, call).id) for name in wanted.subnets]
        group = self.firewalls.named(address, wanted.firewall_group, call).id if wanted.firewall_group else ""
        public = m.VirtualMachineScaleSetPublicIPAddressConfiguration(name="public") if wanted.public_ip else None
        return m.VirtualMachineScaleSetNetworkConfiguration(
            name="main",
            primary=True,
            network_security_group=m.SubResource(id=group) if group else None,
            ip_configurations=[
                m.VirtualMachineScaleSetIPConfiguration(
                    name="main",
                    primary=True,
                    subnet=m.ApiEntityReference(id=ids[0]),
                    public_ip_address_configuration=public,
                    load_balancer_backend_address_pools=self._pool_references(address, wanted, call),
                )
            ],
        )

    def _pool_references(self, address: Address, wanted: InstanceGroup, call: Call) -> Any:
        from azure.mgmt.compute.models import SubResource

        found = [self.balancers.for_members(address, name, call) for name in wanted.load_balancers]
        return [SubResource(id=f"{balancer}/backendAddressPools/{POOL}") for balancer in found] or None

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Size and its limits, instance type, firewall group, load balancers, tags."""
        wanted = cast(InstanceGroup, desired)
        self._check(wanted)
        where = parse_id(observed.provider_id)
        raw = self.read(where, call)
        body = self._difference(observed.address, raw, wanted, call)
        if body is not None:
            method = self.session.compute.virtual_machine_scale_sets.begin_update
            self.session.begin("compute.scale_sets.patch", method, where.group, where.name, body, call=call)
        self.limits.put(raw, Limits(wanted.smallest, wanted.largest), wanted.size, call)
        return self.pending(self.observe(self.read(where, call), call))

    def _difference(self, address: Address, raw: Any, wanted: InstanceGroup, call: Call) -> Any | None:
        """What a PATCH has to say; None where nothing differs."""
        from azure.mgmt.compute import models as m

        now = cast(InstanceGroup, self._observed(raw, Limits(), call).resource)
        body = m.VirtualMachineScaleSetUpdate()
        tags = merged_tags(raw.tags, wanted.tags)
        if tags != dict(raw.tags or {}):
            body.tags = tags
        if (wanted.instance_type, wanted.size) != (now.instance_type, now.size):
            body.sku = m.Sku(name=wanted.instance_type, tier="Standard", capacity=wanted.size)
        balancers = tuple(sorted(wanted.load_balancers))
        if (wanted.firewall_group, balancers) != (now.firewall_group, now.load_balancers):
            # As made now, but in the subnet that it has.
            network = self._network(address, wanted, call).as_dict()
            network["properties"]["ipConfigurations"][0]["properties"]["subnet"] = {"id": _subnet_id(raw)}
            body.virtual_machine_profile = m.VirtualMachineScaleSetUpdateVMProfile(
                network_profile=m.VirtualMachineScaleSetUpdateNetworkProfile(
                    network_interface_configurations=[m.VirtualMachineScaleSetUpdateNetworkConfiguration(network)]
                )
            )
        return body if body.as_dict() else None

    def delete(self, observed: Observed, call: Call) -> None:
        where = parse_id(observed.provider_id)
        self.limits.delete(observed.provider_id, call)
        method = self.session.compute.virtual_machine_scale_sets.begin_delete
        try:
            self.session.begin("compute.scale_sets.delete", method, where.group, where.name, call=call)
        except NotFound:
            return

    def after_delete(self, address: Address, call: Call) -> None:
        self.drop_empty_group(address, call)


def _interface(profile: Any) -> Any | None:
    network = profile.network_profile if profile else None
    found = network.network_interface_configurations if network else None
    return found[0] if found else None


def _pools(config: Any) -> list[Any]:
    return list(config.load_balancer_backend_address_pools or ()) if config is not None else []


def _subnet_id(raw: Any) -> str:
    return str(_interface(raw.virtual_machine_profile).ip_configurations[0].subnet.id)  # type: ignore[union-attr]


def _disk_gib(tags: Any, disk: Any) -> int:
    """The disk's size; what was asked for where Azure's smallest had to be taken instead."""
    size = int(disk.disk_size_gb or 0) if disk is not None else 0
    asked = tags.get(TAG_DISK_GIB, "")
    return int(asked) if asked.isdigit() and size == MIN_DISK_GIB else size
