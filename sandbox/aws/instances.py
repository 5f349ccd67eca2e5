"""EC2 instances as they live in AWS: they take time, refuse what does not exist, and run what their user data says.

Callers: sandbox.aws.server, by the tables BEFORE and AFTER of Instances. moto keeps the records.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.wire import Answer, AwsError, Incoming
from sandbox.cloudinit import parse_user_data
from sandbox.world import ImageError

PENDING, RUNNING, SHUTTING_DOWN, TERMINATED, STOPPING, STOPPED = 0, 16, 32, 48, 64, 80
_NAMES = {
    PENDING: "pending",
    RUNNING: "running",
    SHUTTING_DOWN: "shutting-down",
    TERMINATED: "terminated",
    STOPPING: "stopping",
    STOPPED: "stopped",
}


class Instances:
    """Life cycles of instances, and the containers that stand for what runs on them."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.before: dict[str, Handler] = {
            "ec2:RunInstances": self._check_run,
            "ec2:TerminateInstances": self._terminate,
            "ec2:StopInstances": self._stop,
            "ec2:StartInstances": self._start,
            "ec2:GetConsoleOutput": self._console_output,
        }
        self.after: dict[str, After] = {"ec2:RunInstances": self._ran}

    def resume(self) -> None:
        """After a restart: containers run again, and what was under way goes on."""
        for account_id, region, backend in self._cloud.moto.touched("ec2"):
            for instance in instances_of(backend):
                code = instance._state.code
                if code in (PENDING, RUNNING):
                    self._set(instance, PENDING)
                    self._cloud.spawn(self._boot(account_id, region, instance.id))
                elif code == SHUTTING_DOWN:
                    self._cloud.later("aws.vm.delete", partial(self._set, instance, TERMINATED), *_drawn_as(instance))
                elif code == STOPPING:
                    self._set(instance, STOPPED)

    # -- run --------------------------------------------------------------------------------------------------

    def _check_run(self, incoming: Incoming) -> None:
        from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

        params = incoming.params
        backend = self._cloud.moto.ec2(incoming.account_id, incoming.region)
        kind = params.get("InstanceType") or "m1.small"
        if kind not in INSTANCE_TYPES:
            raise AwsError("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
        offered = INSTANCE_TYPE_OFFERINGS["region"].get(incoming.region)
        if offered is not None and kind not in {row["InstanceType"] for row in offered}:
            raise AwsError("Unsupported", f"The requested configuration is currently not supported: {kind} here.")
        image_id = params.get("ImageId", "")
        if not image_id and not params.get("LaunchTemplate"):
            raise AwsError("MissingParameter", "The request must contain the parameter ImageId")
        if image_id and not image_id.startswith("ami-"):
            raise AwsError("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
        if image_id and image_id not in backend.amis:
            raise AwsError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")

    def _ran(self, incoming: Incoming, answer: Answer) -> object:
        backend = self._cloud.moto.ec2(incoming.account_id, incoming.region)
        body = answer.body.decode()
        reservation = next(r for r in reversed(backend.reservations.values()) if r.id in body)
        for instance in reservation.instances:
            nic = instance.nics[0]
            instance.security_groups = list(nic.group_set)  # moto forgets those of the network interface
            if nic.public_ip:
                nic.public_ip = _nowhere(instance.id)
            self.boots(incoming.account_id, incoming.region, instance)
        return reservation

    def boots(self, account_id: str, region: str, instance: Any) -> None:
        """moto has made it: now it takes its time."""
        self._set(instance, PENDING)
        self._log(instance.id, f"{instance.image_id} on {instance.instance_type} begins to boot")
        self._cloud.spawn(self._boot(account_id, region, instance.id))

    def leaves(self, instance: Any) -> None:
        """It is terminated, in its time. Nothing where it is gone already."""
        if instance._state.code == TERMINATED and getattr(instance, "shim_left", False):
            return
        instance.terminate()
        instance.shim_left = True
        self._set(instance, SHUTTING_DOWN)
        self._cloud.spawn(self._stop_container(instance.id))
        self._cloud.later("aws.vm.delete", partial(self._set, instance, TERMINATED), *_drawn_as(instance))

    async def _boot(self, account_id: str, region: str, instance_id: str) -> None:
        """Waits as long as a VM takes, then starts its container; running, with or without one."""
        cloud = self._cloud
        booting = await cloud.locked(lambda: _find(cloud.moto.ec2(account_id, region), instance_id))
        await asyncio.sleep(cloud.world.timing.duration_s("aws.vm.create", *_drawn_as(booting)))
        text = await cloud.locked(lambda: self._user_data(account_id, region, instance_id))
        ip = await self._run_container(instance_id, text) if text else ""

        def running() -> None:
            instance = _find(cloud.moto.ec2(account_id, region), instance_id)
            if instance is None or instance._state.code != PENDING:
                return
            if text:
                self._address(instance, ip or _nowhere(instance_id))
            self._set(instance, RUNNING)

        await cloud.locked(running)
        await self._stop_if_gone(account_id, region, instance_id)

    async def _run_container(self, instance_id: str, user_data: str) -> str:
        """Its loopback address, or "" where nothing came up; the console says why."""
        try:
            spec = parse_user_data(user_data)
        except ValueError as exc:
            self._log(instance_id, f"cloud-init: the user data cannot be used: {exc}")
            return ""
        if spec is None:
            self._log(instance_id, "cloud-init: done; it starts no container")
            return ""
        self._log(instance_id, f"cloud-init: podman pulls {spec.image}")
        try:
            named = replace(spec, identity={"node": instance_id, **spec.identity})
            container = await self._cloud.world.containers.run(named)
        except (ImageError, ValueError) as exc:
            self._log(instance_id, f"podman: Error: initializing source {spec.image}: {exc}")
            self._log(instance_id, "systemd: the unit failed; nothing listens")
            return ""
        old = self._cloud.containers.get(instance_id)
        self._cloud.containers[instance_id] = container
        if old is not None:
            await old.stop()
        ports = ", ".join(map(str, spec.ports)) or "no port"
        self._log(instance_id, f"systemd: {spec.image} started, listening on {container.ip} port {ports}")
        return container.ip

    def _user_data(self, account_id: str, region: str, instance_id: str) -> str:
        instance = _find(self._cloud.moto.ec2(account_id, region), instance_id)
        if instance is None or instance._state.code != PENDING or not instance.user_data:
            return ""
        data = instance.user_data
        return data.decode() if isinstance(data, bytes) else str(data)

    async def _stop_if_gone(self, account_id: str, region: str, instance_id: str) -> None:
        """It may have been terminated while its container came up."""

        def alive() -> bool:
            instance = _find(self._cloud.moto.ec2(account_id, region), instance_id)
            return instance is not None and instance._state.code == RUNNING

        if not await self._cloud.locked(alive):
            await self._stop_container(instance_id)

    async def _stop_container(self, instance_id: str) -> None:
        container = self._cloud.containers.pop(instance_id, None)
        if container is not None:
            await container.stop()
            self._log(instance_id, "systemd: the container was stopped")

    # -- stop, start, terminate -------------------------------------------------------------------------------

    def _terminate(self, incoming: Incoming) -> object:
        rows = []
        for instance in self._named(incoming):
            before = instance._state.code
            if before not in (SHUTTING_DOWN, TERMINATED):
                if instance.disable_api_termination:
                    raise AwsError(
                        "OperationNotPermitted",
                        f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' "
                        "instance attribute and try again.",
                    )
                self.leaves(instance)
            rows.append(_transition(instance, before))
        return {"TerminatingInstances": rows}

    def _stop(self, incoming: Incoming) -> object:
        rows = []
        for instance in self._named(incoming):
            before = instance._state.code
            if before not in (RUNNING, STOPPED, STOPPING):
                raise _wrong_state(instance, "stopped")
            if before == RUNNING:
                instance.stop()
                self._set(instance, STOPPING)
                self._cloud.spawn(self._stop_container(instance.id))
                self._cloud.later("aws.vm.delete", partial(self._halt, instance), *_drawn_as(instance))
            rows.append(_transition(instance, before))
        return {"StoppingInstances": rows}

    def _halt(self, instance: Any) -> None:
        """The end of stopping, unless it was terminated meanwhile."""
        if instance._state.code == STOPPING:
            self._set(instance, STOPPED)

    def _start(self, incoming: Incoming) -> object:
        rows = []
        for instance in self._named(incoming):
            before = instance._state.code
            if before not in (STOPPED, RUNNING, PENDING):
                raise _wrong_state(instance, "started")
            if before == STOPPED:
                instance.start()
                self._set(instance, PENDING)
                self._cloud.spawn(self._boot(incoming.account_id, incoming.region, instance.id))
            rows.append(_transition(instance, before))
        return {"StartingInstances": rows}

    # -- details ----------------------------------------------------------------------------------------------

    def _console_output(self, incoming: Incoming) -> object:
        instance_id = str(incoming.params.get("InstanceId", ""))
        if _find(self._cloud.moto.ec2(incoming.account_id, incoming.region), instance_id) is None:
            raise _not_found(instance_id)
        text = "\n".join(self._cloud.memory.console.get(instance_id, ())) + "\n"
        return {
            "InstanceId": instance_id,
            "Timestamp": datetime.now(UTC).replace(tzinfo=None),
            "Output": base64.b64encode(text.encode()).decode(),
        }

    def _named(self, incoming: Incoming) -> list[Any]:
        backend = self._cloud.moto.ec2(incoming.account_id, incoming.region)
        if incoming.params.get("DryRun"):
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        found = []
        for instance_id in incoming.params.get("InstanceIds") or ():
            instance = _find(backend, instance_id)
            if instance is None:
                raise _not_found(instance_id)
            found.append(instance)
        return found

    def _log(self, instance_id: str, line: str) -> None:
        stamp = datetime.now(UTC).strftime("%H:%M:%S")
        self._cloud.memory.console.setdefault(instance_id, []).append(f"[{stamp}] {line}")

    @staticmethod
    def _set(instance: Any, code: int) -> None:
        instance._state.code, instance._state.name = code, _NAMES[code]

    @staticmethod
    def _address(instance: Any, ip: str) -> None:
        nic = instance.nics[0]
        nic.private_ip_address = ip
        if nic.public_ip:
            nic.public_ip = ip
        for row in getattr(nic, "private_ip_addresses", ()):
            if row.get("Primary"):
                row["PrivateIpAddress"] = ip


def instances_of(backend: Any) -> Iterator[Any]:
    for reservation in list(backend.reservations.values()):
        yield from reservation.instances


def _find(backend: Any, instance_id: str) -> Any | None:
    return next((i for i in instances_of(backend) if i.id == instance_id), None)


def _drawn_as(instance: Any | None) -> tuple[str, str]:
    """What its durations are drawn for: its zone, type and Name tag, which repeat where its id does not; and the id."""
    if instance is None:
        return "", ""
    name = next((tag["value"] for tag in instance.get_tags() if tag["key"] == "Name"), "")
    return f"{instance.placement.zone}/{instance.instance_type}/{name}", instance.id


def _nowhere(instance_id: str) -> str:
    """An address at which nothing listens: a connection is refused at once, instead of leaving the machine."""
    digest = hashlib.sha256(instance_id.encode()).digest()
    return f"127.254.{digest[0]}.{1 + digest[1] % 254}"


def _transition(instance: Any, before: int) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "CurrentState": {"Code": instance._state.code, "Name": instance._state.name},
        "PreviousState": {"Code": before, "Name": _NAMES[before]},
    }


def _not_found(instance_id: str) -> AwsError:
    return AwsError("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")


def _wrong_state(instance: Any, what: str) -> AwsError:
    message = f"The instance '{instance.id}' is not in a state from which it can be {what}."
    return AwsError("IncorrectInstanceState", message)
