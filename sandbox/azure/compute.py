"""Virtual machines of the Azure sandbox, and what they share with scale sets: sizes, images, OS disks.

Callers: server.py. A VM whose customData starts a container (sandbox.cloudinit) runs it through world.containers; its
interface and public address then carry the container's loopback address, so that what the VM serves can be called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from model.rng import stream
from sandbox.azure.arm_types import VM
from sandbox.azure.catalog import IMAGES, Size, size_of
from sandbox.azure.disks import DISK, change_data_disks, let_go
from sandbox.azure.kinds import Principal, Put, ResourceKind, invalid, required
from sandbox.azure.store import Record, timestamp
from sandbox.azure.uses import interface_user
from sandbox.azure.wire import ArmError, Reply, reference
from sandbox.cloudinit import parse_user_data
from sandbox.prices import VCPU_LIMIT
from sandbox.world import Container, ImageError

CORES_LIMIT = VCPU_LIMIT
"""Regional vCPU quota of a subscription."""
_SECRET = ("adminPassword", "customData")


def check_size(name: object, put: Put) -> Size:
    """The VM size. Raises InvalidParameter for a bogus one, SkuNotAvailable for one that is not sold there."""
    size = size_of(str(name or ""))
    if size is None:
        raise invalid(
            f"The value {name} provided for the VM size is not valid. The valid sizes in the current region are listed "
            "by the skus API.",
            "vmSize",
        )
    if size.gpu and put.principal.partition == "azure-cn":
        raise ArmError(
            409,
            "SkuNotAvailable",
            f"The requested VM size for resource '{put.path.name}' is currently not available in location "
            f"'{put.location}'. Please try another size or deploy to a different location or different zone.",
            target="vmSize",
        )
    return size


def image_size_gib(image: dict[str, Any]) -> int:
    """Size of an image's OS disk. Raises PlatformImageNotFound or ImageNotFound."""
    if image.get("id"):
        raise ArmError(404, "ImageNotFound", f"The Image '{image['id']}' cannot be found.", target="imageReference")
    urn = ":".join(str(image.get(k) or "") for k in ("publisher", "offer", "sku", "version"))
    key = (str(image.get("publisher")).lower(), str(image.get("offer")).lower(), str(image.get("sku")).lower())
    if key not in IMAGES or not image.get("version"):
        raise ArmError(
            404,
            "PlatformImageNotFound",
            f"The platform image '{urn}' is not available. Verify that all fields in the storage profile are correct.",
            target="imageReference",
        )
    return IMAGES[key]


def check_os_disk(profile: dict[str, Any], name: str, guid: str) -> dict[str, Any]:
    """The OS disk as Azure completes it."""
    image = profile.get("imageReference")
    if not isinstance(image, dict):
        raise invalid("Required parameter 'imageReference' is missing (null).", "imageReference")
    smallest = image_size_gib(image)
    disk = dict(profile.get("osDisk") or {})
    if str(disk.setdefault("createOption", "FromImage")) != "FromImage":
        raise invalid("Only createOption FromImage is supported with an imageReference.", "osDisk.createOption")
    size_gib = disk.setdefault("diskSizeGB", smallest)
    if size_gib < smallest:
        raise invalid(
            f"The specified disk size {size_gib} GB is smaller than the size of the corresponding disk in the VM "
            f"image: {smallest} GB. This is not allowed. Please choose equal or greater size or do not specify an "
            "explicit size.",
            "osDisk.diskSizeGB",
        )
    disk.setdefault("name", f"{name}_OsDisk_1_{guid.replace('-', '')}")
    disk.setdefault("osType", "Linux")
    disk.setdefault("caching", "ReadWrite")
    disk.setdefault("deleteOption", "Detach")
    disk["managedDisk"] = {"storageAccountType": "Standard_LRS"} | dict(disk.get("managedDisk") or {})
    return disk


class VirtualMachines(ResourceKind):
    type = VM
    timing = "vm"
    extras = ("zones", "identity", "plan")
    busy_code = "Conflict"
    delete_while_busy = True
    actions = {
        "start": False, "powerOff": False, "deallocate": False, "restart": False, "attachDetachDataDisks": False,
    }  # fmt: skip

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.running: dict[str, Container] = {}

    def properties(self, put: Put) -> dict[str, Any]:
        properties = dict(put.properties)
        size = check_size((properties.get("hardwareProfile") or {}).get("vmSize"), put)
        self.zones(put)
        storage = dict(required(properties, "storageProfile"))
        old = put.before.properties if put.before else {}
        old_disk = (old.get("storageProfile") or {}).get("osDisk") or {}
        if old_disk:  # what the request leaves out stays as it is: above all, which disk it is
            disk = dict(storage.get("osDisk") or {})
            managed = old_disk["managedDisk"] | (disk.get("managedDisk") or {})
            storage["osDisk"] = {"name": old_disk["name"]} | disk | {"managedDisk": managed}
        storage["osDisk"] = check_os_disk(storage, put.path.name, self.store.new_guid())
        storage.setdefault("dataDisks", [])
        properties["storageProfile"] = storage
        properties["osProfile"] = self._os_profile(put, old)
        self._interfaces(put)
        if put.before is None:
            self._quota(put, size)
        else:
            self._immutable(old, properties)
        return properties

    def _os_profile(self, put: Put, old: dict[str, Any]) -> dict[str, Any]:
        profile = put.properties.get("osProfile")
        if profile is None and old:
            return dict(old["osProfile"])
        profile = dict(required(put.properties, "osProfile"))
        required(profile, "computerName", "osProfile")
        required(profile, "adminUsername", "osProfile")
        linux = profile.setdefault("linuxConfiguration", {})
        keys = (linux.get("ssh") or {}).get("publicKeys") or []
        if linux.get("disablePasswordAuthentication") and not keys:
            raise invalid(
                "Authentication using SSH keys needs at least one public key in the Linux profile.",
                "linuxConfiguration.ssh",
            )
        if not linux.get("disablePasswordAuthentication") and not profile.get("adminPassword") and not old:
            raise invalid(
                "Authentication using either SSH or by user name and password must be enabled in Linux profile.",
                "linuxConfiguration",
            )
        if profile.get("customData"):
            try:
                parse_user_data(str(profile["customData"]))
            except ValueError as exc:
                raise invalid(f"Custom data in OSProfile is not usable: {exc}", "customData") from exc
        return profile

    def _interfaces(self, put: Put) -> None:
        nics = required(put.properties.get("networkProfile") or {}, "networkInterfaces", "networkProfile")
        for entry in nics:
            nic = self.referenced(reference(entry), put.path.id)
            user = interface_user(self.store, nic)
            if user is not None and user.id.lower() != put.path.id.lower():
                raise ArmError(400, "NicInUse", f"Network Interface {nic.id} is used by existing resource {user.id}.")
            if nic.location != put.location:
                raise ArmError(400, "InvalidResourceReference", f"{nic.id} is not in the same region as {put.path.id}.")

    def _quota(self, put: Put, size: Size) -> None:
        used = cores_used(self.store.of_type(VM, subscription=put.path.subscription), put.location)
        if used + size.vcpu > CORES_LIMIT:
            raise ArmError(
                409,
                "OperationNotAllowed",
                "Operation could not be completed as it results in exceeding approved Total Regional Cores quota. "
                f"Additional details - Deployment Model: Resource Manager, Location: {put.location}, Current Limit: "
                f"{CORES_LIMIT}, Current Usage: {used}, Additional Required: {size.vcpu}, (Minimum) New Limit "
                f"Required: {used + size.vcpu}.",
            )

    def _immutable(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        pairs: dict[str, Callable[[dict[str, Any]], object]] = {
            "imageReference": lambda p: {
                k: str(v).lower() for k, v in p["storageProfile"]["imageReference"].items() if k != "exactVersion"
            },
            "osProfile.adminUsername": lambda p: p["osProfile"]["adminUsername"],
            "osProfile.customData": lambda p: p["osProfile"].get("customData") or old["osProfile"].get("customData"),
        }
        for name, read in pairs.items():
            if read(old) != read(new):
                raise ArmError(
                    409, "PropertyChangeNotAllowed", f"Changing property '{name}' is not allowed.", target=name
                )
        new["osProfile"] = old["osProfile"] | new["osProfile"]

    async def apply(self, record: Record, before: Record | None) -> None:
        if before is None:
            self._make_disk(record)
            record.hidden["power"] = "running"
            await self.boot(record)

    def _make_disk(self, record: Record) -> None:
        disk = record.properties["storageProfile"]["osDisk"]
        group = record.id.rsplit("/providers/", 1)[0]
        made = self.store.put(
            Record(
                id=f"{group}/providers/{DISK}/{disk['name']}",
                type=DISK,
                name=disk["name"],
                location=record.location,
                tags=dict(record.tags),  # a disk made along with its VM gets the VM's tags
                properties={
                    "osType": disk["osType"],
                    "diskSizeGB": disk["diskSizeGB"],
                    "creationData": {"createOption": "FromImage"},
                    "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
                },
                body={"sku": {"name": disk["managedDisk"]["storageAccountType"]}, "managedBy": record.id}
                | ({"zones": record.body["zones"]} if record.body.get("zones") else {}),
            )
        )
        disk["managedDisk"]["id"] = made.id

    async def boot(self, record: Record) -> None:
        """Runs the container of the VM's user data, if it has one."""
        spec = parse_user_data(str(record.properties["osProfile"].get("customData") or ""))
        if spec is None:
            return
        zone = next(iter(record.body.get("zones") or ()), "0")
        where = {"node": record.name, "zone": f"{record.location}-{zone}", "cloud": "azure"}
        try:
            container = await self.engine.world.containers.run(replace(spec, identity={**where, **spec.identity}))
        except (ImageError, ValueError) as exc:  # no such image, or a behaviour that nobody knows
            # A VM is up all the same; nothing answers at its address, and refusal beats a connect that hangs.
            record.hidden["boot"] = str(exc)
            self._address(record, _silent_address(record))
            return
        if self.store.get(record.id) is not record or record.state == "Deleting":
            await container.stop()
            return
        record.hidden["boot"] = f"{spec.image} runs at {container.ip}"
        self.running[record.id.lower()] = container
        self._address(record, container.ip)

    def _address(self, record: Record, address: str) -> None:
        for nic in self.interfaces(record)[:1]:
            config = nic.properties["ipConfigurations"][0]["properties"]
            config["privateIPAddress"] = address
            public = self.store.get(reference(config.get("publicIPAddress")))
            if public is not None:
                public.properties["ipAddress"] = address

    def interfaces(self, record: Record) -> list[Record]:
        entries = (record.properties.get("networkProfile") or {}).get("networkInterfaces") or ()
        return [nic for nic in (self.store.get(reference(e)) for e in entries) if nic is not None]

    def view(self, record: Record) -> dict[str, Any]:
        profile = {k: v for k, v in record.properties["osProfile"].items() if k not in _SECRET}
        return record.properties | {
            "osProfile": {"secrets": [], "allowExtensionOperations": True} | profile,
            "vmId": record.guid,
            "timeCreated": timestamp(record.created_at_s),
        }

    def instance_view(self, record: Record) -> dict[str, Any]:
        power = record.hidden.get("power", "starting")
        provisioning = "succeeded" if record.state == "Succeeded" else record.state.lower()
        return {
            "computerName": record.properties["osProfile"].get("computerName"),
            "vmAgent": {
                "vmAgentVersion": "2.9.1.1",
                "statuses": [
                    {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready",
                     "message": record.hidden.get("boot", "Guest Agent is running")}
                ],
            },
            "statuses": [
                {"code": f"ProvisioningState/{provisioning}", "level": "Info", "displayStatus": provisioning},
                {"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"},
            ],
        }  # fmt: skip

    def patch(self, record: Record, body: dict[str, Any]) -> None:
        for name, value in (body.get("properties") or {}).items():
            if name == "hardwareProfile" and size_of(str(value.get("vmSize"))) is None:
                raise invalid(f"The value {value.get('vmSize')} provided for the VM size is not valid.", "vmSize")
            if isinstance(value, dict) and isinstance(record.properties.get(name), dict):
                record.properties[name] = record.properties[name] | value
            else:
                record.properties[name] = value

    async def act(self, record: Record, action: str, _principal: Principal, body: Mapping[str, Any]) -> Reply:
        if action == "attachDetachDataDisks":
            return change_data_disks(self.store, record, body)
        if action in ("powerOff", "deallocate", "restart"):
            await self._stop(record)
            record.hidden["power"] = "deallocated" if action == "deallocate" else "stopped"
        if action in ("start", "restart"):
            record.hidden["power"] = "running"
            if record.id.lower() not in self.running:
                await self.boot(record)
        return Reply(200)

    async def _stop(self, record: Record) -> None:
        container = self.running.pop(record.id.lower(), None)
        if container is not None:
            await container.stop()

    async def remove(self, record: Record) -> None:
        await self._stop(record)
        record.hidden["power"] = "deallocated"
        disk = record.properties["storageProfile"]["osDisk"]
        made = self.store.get(str(disk["managedDisk"].get("id") or ""))
        if made is not None:
            if disk["deleteOption"] == "Delete":
                self.store.remove(made)
            else:
                made.body.pop("managedBy", None)
        let_go(self.store, record)
        for entry in (record.properties.get("networkProfile") or {}).get("networkInterfaces") or ():
            nic = self.store.get(reference(entry))
            if nic is not None and (entry.get("properties") or {}).get("deleteOption") == "Delete":
                self._remove_interface(nic)

    def _remove_interface(self, nic: Record) -> None:
        for config in nic.properties["ipConfigurations"]:
            entry = config["properties"].get("publicIPAddress") or {}
            public = self.store.get(reference(entry))
            if public is not None and (entry.get("properties") or {}).get("deleteOption") == "Delete":
                self.store.remove(public)
        self.store.remove(nic)

    async def restore(self, record: Record) -> None:
        if record.hidden.get("power") == "running":
            await self.boot(record)


def _silent_address(record: Record) -> str:
    rng = stream(record.guid, "silent")
    return f"127.250.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def cores_used(machines: Any, location: str) -> int:
    found = (size_of(m.properties["hardwareProfile"]["vmSize"]) for m in machines if m.location == location)
    return sum(size.vcpu for size in found if size)
