"""The parts of an instance: public address, network interface, OS disk, and the machine's request body.

Callers: instances.py. Names: `<machine>-ip`, `-nic`, `-disk`, so that a part is found again without a look-up.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.errors import DependencyInUse, NotFound
from model.resources import Instance, State
from providers.azure.names import ArmId, parse_id, state_of
from providers.azure.session import Session
from providers.base import Account, Call

IMAGES: Mapping[str, tuple[str, str, str, str]] = {
    "debian-12": ("Debian", "debian-12", "12-gen2", "latest"),
    "debian-13": ("Debian", "debian-13", "13-gen2", "latest"),
}
"""Role -> publisher, offer, sku, version."""
MIN_DISK_GIB = 30
"""Size of Debian's images on Azure: an OS disk cannot be smaller than its image."""
_ADMIN = "duoyun"


def role_of(image: Any) -> str:
    """`debian-12`, else publisher:offer:sku:version, or the image's id."""
    if image is None:
        return ""
    parts = (image.publisher or "", image.offer or "", image.sku or "", image.version or "")
    for role, known in IMAGES.items():
        if tuple(p.lower() for p in parts[:3]) == tuple(k.lower() for k in known[:3]):
            return role
    return str(image.id) if image.id else ":".join(parts)


class Parts:
    """Idempotent by name: what is there already is taken as it is."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def all_interfaces(self, call: Call) -> Iterator[Any]:
        return self.session.pages(
            "network.interfaces.list", self.session.network.network_interfaces.list_all, call=call
        )

    def all_public_ips(self, call: Call) -> Iterator[Any]:
        return self.session.pages(
            "network.public_ips.list", self.session.network.public_ip_addresses.list_all, call=call
        )

    def interface(self, place: ArmId, call: Call) -> Any | None:
        """The interface of that machine, or None."""
        return self._get("network.interfaces.get", self.session.network.network_interfaces, place, "-nic", call)

    def public_ip(self, place: ArmId, call: Call) -> Any | None:
        return self._get("network.public_ips.get", self.session.network.public_ip_addresses, place, "-ip", call)

    def os_disk(self, place: ArmId, call: Call) -> Any | None:
        """The disk that the machine was made with, or None."""
        disk = self._get("compute.disks.get", self.session.compute.disks, place, "-disk", call)
        return disk if disk is not None and disk.os_type else None

    def interface_by_id(self, nic_id: str, call: Call) -> Any | None:
        return self._get("network.interfaces.get", self.session.network.network_interfaces, parse_id(nic_id), "", call)

    def public_ip_by_id(self, ip_id: str, call: Call) -> Any | None:
        return self._get("network.public_ips.get", self.session.network.public_ip_addresses, parse_id(ip_id), "", call)

    def _get(self, operation: str, group: Any, place: ArmId, suffix: str, call: Call) -> Any | None:
        try:
            return self.session.run(operation, group.get, place.group, place.name + suffix, call=call)
        except NotFound:
            return None

    def ensure_public_ip(
        self, place: ArmId, region: str, zones: Sequence[str], tags: dict[str, str], call: Call
    ) -> str:
        """Id of a Standard, static address; returns once an interface may use it."""
        from azure.mgmt.network.models import PublicIPAddress, PublicIPAddressSku

        if self.public_ip(place, call) is None:
            body = PublicIPAddress(
                location=region,
                tags=tags,
                zones=list(zones) or None,
                sku=PublicIPAddressSku(name="Standard"),
                public_ip_allocation_method="Static",
            )
            method = self.session.network.public_ip_addresses.begin_create_or_update
            self.session.begin("network.public_ips.put", method, place.group, f"{place.name}-ip", body, call=call)
        return self._ready(lambda: self.public_ip(place, call), call)

    def ensure_interface(
        self,
        place: ArmId,
        region: str,
        subnet_id: str,
        group_id: str,
        public_id: str,
        tags: dict[str, str],
        call: Call,
    ) -> str:
        """Id of the interface; returns once a machine may use it."""
        from azure.mgmt.network import models as m

        if self.interface(place, call) is None:
            public = m.PublicIPAddress(id=public_id, delete_option="Delete") if public_id else None
            body = m.NetworkInterface(
                location=region,
                tags=tags,
                network_security_group=m.NetworkSecurityGroup(id=group_id) if group_id else None,
                ip_configurations=[
                    m.NetworkInterfaceIPConfiguration(
                        name="main", subnet=m.Subnet(id=subnet_id), public_ip_address=public
                    )
                ],
            )
            method = self.session.network.network_interfaces.begin_create_or_update
            self.session.begin("network.interfaces.put", method, place.group, f"{place.name}-nic", body, call=call)
        return self._ready(lambda: self.interface(place, call), call)

    def _ready(self, read: Any, call: Call) -> str:
        def ready() -> str | None:
            raw = read()
            return str(raw.id) if raw is not None and state_of(raw.provisioning_state) is State.READY else None

        return self.session.calls.poll("azure.instance.part_ready", ready, call)

    def set_firewall(self, nic_id: str, group_id: str, call: Call) -> None:
        """Puts a security group before an interface; "" takes it away."""
        from azure.mgmt.network.models import NetworkSecurityGroup

        where = parse_id(nic_id)
        interfaces = self.session.network.network_interfaces
        nic = self.session.run("network.interfaces.get", interfaces.get, where.group, where.name, call=call)
        nic.network_security_group = NetworkSecurityGroup(id=group_id) if group_id else None
        method = interfaces.begin_create_or_update
        self.session.begin("network.interfaces.put", method, where.group, where.name, nic, call=call)

    def delete_leftovers(self, place: ArmId, call: Call) -> None:
        """Interface, then address; an address still in use by the dying interface is left for the next time."""
        network = self.session.network
        for operation, method, suffix in (
            ("network.interfaces.delete", network.network_interfaces.begin_delete, "-nic"),
            ("network.public_ips.delete", network.public_ip_addresses.begin_delete, "-ip"),
        ):
            try:
                self.session.begin(operation, method, place.group, place.name + suffix, call=call)
            except (NotFound, DependencyInUse):
                continue

    def delete_os_disk(self, place: ArmId, call: Call) -> None:
        """Left for the next time while a dying machine still holds it."""
        method = self.session.compute.disks.begin_delete
        try:
            self.session.begin("compute.disks.delete", method, place.group, f"{place.name}-disk", call=call)
        except (NotFound, DependencyInUse):
            return

    def delete_public_ip(self, place: ArmId, call: Call) -> None:
        """Left for the next time while something that is being deleted still holds it."""
        method = self.session.network.public_ip_addresses.begin_delete
        try:
            self.session.begin("network.public_ips.delete", method, place.group, f"{place.name}-ip", call=call)
        except (NotFound, DependencyInUse):
            return


def linux_profile(account: Account) -> tuple[str, Any]:
    """(user, Linux configuration) of a machine: SSH keys only."""
    from azure.mgmt.compute import models as m

    admin = str(account.options.get("admin_username") or _ADMIN)
    key = m.SshPublicKey(path=f"/home/{admin}/.ssh/authorized_keys", key_data=_public_key(account))
    return admin, m.LinuxConfiguration(disable_password_authentication=True, ssh=m.SshConfiguration(public_keys=[key]))


def machine_body(
    account: Account, place: ArmId, region: str, zone: str, wanted: Instance, nic_id: str, tags: dict[str, str]
) -> Any:
    """The virtual machine that a PUT asks for: Linux, SSH keys only, its disk and interface die with it."""
    from azure.mgmt.compute import models as m

    publisher, offer, sku, version = IMAGES.get(wanted.machine_image) or wanted.machine_image.split(":")
    admin, linux = linux_profile(account)
    return m.VirtualMachine(
        location=region,
        tags=tags,
        zones=[zone] if zone else None,
        hardware_profile=m.HardwareProfile(vm_size=wanted.instance_type),
        storage_profile=m.StorageProfile(
            image_reference=m.ImageReference(publisher=publisher, offer=offer, sku=sku, version=version),
            os_disk=m.OSDisk(
                name=f"{place.name}-disk",
                create_option="FromImage",
                delete_option="Delete",
                disk_size_gb=max(wanted.disk_gib, MIN_DISK_GIB),
                managed_disk=m.ManagedDiskParameters(storage_account_type="StandardSSD_LRS"),
            ),
        ),
        os_profile=m.OSProfile(
            computer_name=place.name[:63].rstrip("-_.").replace("_", "-").replace(".", "-"),
            admin_username=admin,
            custom_data=base64.b64encode(wanted.user_data.encode()).decode() if wanted.user_data else None,
            linux_configuration=linux,
        ),
        network_profile=m.NetworkProfile(
            network_interfaces=[m.NetworkInterfaceReference(id=nic_id, primary=True, delete_option="Delete")]
        ),
    )


def _public_key(account: Account) -> str:
    """option ssh_public_key; without one a fresh key whose private half nobody keeps: Azure wants some way in."""
    given = str(account.options.get("ssh_public_key") or "")
    if given:
        return given
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
