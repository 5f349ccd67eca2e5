"""EBS volumes as they live in AWS: they are made, changed, attached and detached over time.

Callers: sandbox.aws.server, by the tables of Volumes. moto keeps the records; it says `available`, `completed` and
`attached` at once. Refused as AWS does: a smaller size, another zone than the instance's, a busy volume's change.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.instances import instances_of
from sandbox.aws.wire import Answer, AwsError, Incoming


class Volumes:
    """The shim's own words stand in `shim_state` of moto's objects; patch() lets moto tell them."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.before: dict[str, Handler] = {
            "ec2:CreateVolume": self._check_create,
            "ec2:ModifyVolume": self._check_modify,
            "ec2:AttachVolume": self._check_attach,
            "ec2:DetachVolume": self._detach,
            "ec2:DeleteVolume": self._check_delete,
        }
        self.after: dict[str, After] = {
            "ec2:CreateVolume": self._created,
            "ec2:ModifyVolume": self._modified,
            "ec2:AttachVolume": self._attached,
        }

    def resume(self) -> None:
        """After a restart: what was under way is done."""
        for _, _, backend in self._cloud.moto.touched("ec2"):
            for volume in list(backend.volumes.values()):
                volume.shim_state = ""
                if volume.attachment is not None and volume.attachment.status == "detaching":
                    self._free(backend, volume)
                elif volume.attachment is not None:
                    volume.attachment.status = "attached"
                for modification in volume.modifications:
                    modification.shim_state = ""

    def _backend(self, incoming: Incoming) -> Any:
        return self._cloud.moto.ec2(incoming.account_id, incoming.region)

    def _volume(self, incoming: Incoming) -> Any:
        volume_id = str(incoming.params.get("VolumeId", ""))
        volume = self._backend(incoming).volumes.get(volume_id)
        if volume is None:
            raise AwsError("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")
        return volume

    def _check_create(self, incoming: Incoming) -> None:
        zone = str(incoming.params.get("AvailabilityZone", ""))
        if zone not in self._cloud.moto.zones.get(incoming.region, ()):
            raise AwsError("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")

    def _created(self, incoming: Incoming, answer: Answer) -> object:
        body = answer.body.decode()
        volume = next(v for v in reversed(self._backend(incoming).volumes.values()) if v.id in body)
        volume.shim_state = "creating"
        self._cloud.later("aws.disk.create", partial(_settle, volume), volume.zone.name, volume.id)
        return volume

    def _check_modify(self, incoming: Incoming) -> None:
        volume = self._volume(incoming)
        wanted = int(incoming.params.get("Size") or volume.size)
        if wanted < int(volume.size):
            raise AwsError("InvalidParameterValue", "New size cannot be smaller than existing size")
        if any(getattr(m, "shim_state", "") for m in volume.modifications):
            raise AwsError("IncorrectModificationState", f"The volume {volume.id} is being modified.")

    def _modified(self, incoming: Incoming, _answer: Answer) -> object:
        modification = self._volume(incoming).modifications[-1]
        modification.shim_state = "modifying"
        self._cloud.later("aws.disk.update", partial(_settle, modification), detail=modification.volume.id)
        return {"VolumeModification": modification}

    def _check_attach(self, incoming: Incoming) -> None:
        volume = self._volume(incoming)
        if volume.attachment is not None:
            raise AwsError("VolumeInUse", f"{volume.id} is already attached to an instance")
        if volume.status != "available":
            raise AwsError("IncorrectState", f"{volume.id} is not 'available'.")
        instance_id = str(incoming.params.get("InstanceId", ""))
        instance = next((i for i in instances_of(self._backend(incoming)) if i.id == instance_id), None)
        if instance is None:
            raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
        if instance.placement.zone != volume.zone.name:
            raise AwsError("InvalidVolume.ZoneMismatch", f"The volume '{volume.id}' is not in the instance's zone.")

    def _attached(self, incoming: Incoming, _answer: Answer) -> object:
        volume = self._volume(incoming)
        attachment = volume.attachment
        attachment.status = "attaching"
        self._cloud.later("aws.disk.attach", partial(self._hangs, volume), detail=volume.id)
        return attachment

    def _hangs(self, volume: Any) -> None:
        if volume.attachment is not None and volume.attachment.status == "attaching":
            volume.attachment.status = "attached"

    def _detach(self, incoming: Incoming) -> object:
        volume, backend = self._volume(incoming), self._backend(incoming)
        attachment = volume.attachment
        if attachment is None:
            raise AwsError("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
        attachment.status = "detaching"
        self._cloud.later("aws.disk.detach", partial(self._free, backend, volume), detail=volume.id)
        return attachment

    @staticmethod
    def _free(backend: Any, volume: Any) -> None:
        if volume.attachment is not None and volume.attachment.status == "detaching":
            backend.detach_volume(volume.id, volume.attachment.instance.id, volume.attachment.device)

    def _check_delete(self, incoming: Incoming) -> None:
        volume = self._volume(incoming)
        if volume.attachment is not None:
            raise AwsError("VolumeInUse", f"Volume {volume.id} is currently attached")
        if volume.status == "creating":
            raise AwsError("IncorrectState", f"The volume '{volume.id}' is 'creating'.")


def _settle(thing: Any) -> None:
    thing.shim_state = ""


def patch() -> None:
    """Lets moto's volumes and their modifications tell what the shim says of them. Once per process; harmless again."""
    from moto.ec2.models.elastic_block_store import Volume, VolumeAttachment, VolumeModification

    if getattr(Volume, "shim_patched", False):
        return
    told, filtered = Volume.status.fget, VolumeModification.get_filter_value

    def filter_value(self: Any, name: str) -> Any:
        return self.modification_state if name == "modification-state" else filtered(self, name)

    Volume.status = property(lambda self: getattr(self, "shim_state", "") or told(self))
    VolumeModification.modification_state = property(lambda self: getattr(self, "shim_state", "") or "completed")
    VolumeModification.get_filter_value = filter_value
    VolumeAttachment.delete_on_termination = property(_goes_with_its_instance)
    Volume.shim_patched = True


def _goes_with_its_instance(attachment: Any) -> bool:
    mapped = attachment.instance.block_device_mapping.get(attachment.device)
    return bool(mapped is not None and mapped.delete_on_termination)
