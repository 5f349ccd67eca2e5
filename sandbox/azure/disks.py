"""Managed disks of the Azure sandbox, and which machine has which.

Callers: server.py, compute.py. Rules: learn.microsoft.com/azure/virtual-machines/expand-disks (disks grow only),
.../disks-types (sizes), .../rest/api/compute/virtual-machines/attach-detach-data-disks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.azure.kinds import Put, ResourceKind, invalid, required
from sandbox.azure.store import Record, Store, timestamp
from sandbox.azure.wire import ArmError, Reply, same

DISK = "Microsoft.Compute/disks"
TYPES = (
    "Standard_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_LRS", "Premium_ZRS", "PremiumV2_LRS", "UltraSSD_LRS",
)  # fmt: skip
_LARGEST_GIB = 32_767
_LUNS = 64


class Disks(ResourceKind):
    type = DISK
    etag_member = ""
    timing = "disk"
    created_status = 202
    extras = ("sku", "zones")

    def properties(self, put: Put) -> dict[str, Any]:
        self.zones(put)
        check_type(put.body.get("sku"))
        creation = required(put.properties, "creationData")
        properties = dict(put.properties)
        if str(creation.get("createOption")) == "Empty":
            size = required(properties, "diskSizeGB")
            self._check_size(size)
        before = put.before
        if before is not None:
            old = before.properties
            if properties.get("diskSizeGB", old["diskSizeGB"]) < old["diskSizeGB"]:
                raise _shrinks(old["diskSizeGB"], properties["diskSizeGB"])
            properties = old | properties
        properties.setdefault("encryption", {"type": "EncryptionAtRestWithPlatformKey"})
        return properties

    def _check_size(self, size: object) -> None:
        if not isinstance(size, int) or not 1 <= size <= _LARGEST_GIB:
            raise invalid(f"The value '{size}' of parameter 'disk.diskSizeGB' is out of range.", "disk.diskSizeGB")

    def prepare(self, record: Record, put: Put) -> None:
        name = str((put.body.get("sku") or {}).get("name") or "Standard_LRS")
        record.body["sku"] = {"name": name, "tier": name.partition("_")[0].removesuffix("SSD")}
        if put.before is not None and put.before.body.get("managedBy"):
            record.body["managedBy"] = put.before.body["managedBy"]

    def patch(self, record: Record, body: dict[str, Any]) -> None:
        properties = body.get("properties") or {}
        if "diskSizeGB" in properties:
            self._check_size(properties["diskSizeGB"])
            if properties["diskSizeGB"] < record.properties["diskSizeGB"]:
                raise _shrinks(record.properties["diskSizeGB"], properties["diskSizeGB"])
        if body.get("sku"):
            check_type(body["sku"])
            record.body["sku"] = {"name": body["sku"]["name"], "tier": body["sku"]["name"].partition("_")[0]}
        record.properties |= properties

    def view(self, record: Record) -> dict[str, Any]:
        return record.properties | {
            "diskState": "Attached" if record.body.get("managedBy") else "Unattached",
            "uniqueId": record.guid,
            "timeCreated": timestamp(record.created_at_s),
        }

    def check_delete(self, record: Record) -> None:
        if record.body.get("managedBy"):
            raise ArmError(
                409, "OperationNotAllowed", f"Disk {record.name} is attached to VM {record.body['managedBy']}."
            )


def check_type(sku: object) -> None:
    name = sku.get("name") if isinstance(sku, Mapping) else None
    if name is not None and name not in TYPES:
        raise invalid(
            f"The value '{name}' of parameter 'disk.sku.name' is invalid. Supported values are: {', '.join(TYPES)}.",
            "disk.sku.name",
        )


def _shrinks(before: int, after: int) -> ArmError:
    return ArmError(
        400,
        "InvalidParameter",
        f"The disk size {after} GB is smaller than the current size {before} GB: reducing the size of a disk is not "
        "supported.",
        target="disk.diskSizeGB",
    )


def change_data_disks(store: Store, machine: Record, body: Mapping[str, Any]) -> Reply:
    """attachDetachDataDisks of a machine. What is so already is no mistake."""
    storage = machine.properties["storageProfile"]
    disks = [dict(d) for d in storage.get("dataDisks") or ()]
    for entry in body.get("dataDisksToDetach") or ():
        disks = [d for d in disks if not same(d["managedDisk"]["id"], str(entry.get("diskId")))]
    for entry in body.get("dataDisksToAttach") or ():
        if not any(same(d["managedDisk"]["id"], str(entry.get("diskId"))) for d in disks):
            disks.append(_attached(store, machine, disks, entry))
    ids = {d["managedDisk"]["id"].lower() for d in disks}
    for disk in store.of_type(DISK):
        if disk.id.lower() in ids:
            disk.body["managedBy"] = machine.id
        elif same(str(disk.body.get("managedBy") or ""), machine.id) and not disk.properties.get("osType"):
            disk.body.pop("managedBy")
    storage["dataDisks"] = disks
    store.touch(machine)
    return Reply(200, dict(storage))


def _attached(store: Store, machine: Record, present: list[dict[str, Any]], entry: Mapping[str, Any]) -> dict[str, Any]:
    disk = store.get(str(entry.get("diskId") or ""))
    if disk is None:
        raise ArmError(404, "ResourceNotFound", f"The disk {entry.get('diskId')} was not found.")
    owner = disk.body.get("managedBy")
    if owner:
        raise ArmError(
            409,
            "AttachDiskWhileBeingDetached" if disk.busy else "ConflictingUserInput",
            f"Disk '{disk.id}' cannot be attached as the disk is already owned by VM '{owner}'.",
        )
    if (disk.body.get("zones") or []) != (machine.body.get("zones") or []) and disk.body.get("zones"):
        raise ArmError(
            400, "BadRequest", f"{disk.name} is in zone {disk.body['zones']}, the virtual machine is in another one."
        )
    lun = entry.get("lun")
    if not isinstance(lun, int) or not 0 <= lun < _LUNS or any(d["lun"] == lun for d in present):
        raise invalid(f"A disk at LUN {lun} already exists, or LUN {lun} is no LUN.", "dataDisk.lun")
    return {
        "lun": lun,
        "name": disk.name,
        "createOption": "Attach",
        "caching": str(entry.get("caching") or "None"),
        "diskSizeGB": disk.properties["diskSizeGB"],
        "managedDisk": {"id": disk.id, "storageAccountType": disk.body["sku"]["name"]},
        "deleteOption": str(entry.get("deleteOption") or "Detach"),
        "toBeDetached": False,
    }


def let_go(store: Store, machine: Record) -> None:
    """The machine goes: its data disks stay, or go where they were told to."""
    for entry in machine.properties["storageProfile"].get("dataDisks") or ():
        disk = store.get(str((entry.get("managedDisk") or {}).get("id") or ""))
        if disk is None:
            continue
        if entry.get("deleteOption") == "Delete":
            store.remove(disk)
        else:
            disk.body.pop("managedBy", None)
