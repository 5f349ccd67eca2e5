"""Auto Scaling groups as they live in AWS: members boot and leave over time, and a group goes when its members have.

Callers: sandbox.aws.server, by the tables of Scaling. moto keeps the records; its members are in service at once, in
the default security group, and gone at once, and so is the group.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.instances import PENDING, RUNNING, SHUTTING_DOWN, TERMINATED, Instances, instances_of
from sandbox.aws.wire import Answer, AwsError, Incoming

_GOING = "Delete in progress"


class Scaling:
    def __init__(self, cloud: Cloud, instances: Instances) -> None:
        self._cloud, self._instances = cloud, instances
        self.before: dict[str, Handler] = {
            "autoscaling:DescribeAutoScalingGroups": self._refresh,
            "autoscaling:DeleteAutoScalingGroup": self._delete,
            "autoscaling:UpdateAutoScalingGroup": self._remember,
            "autoscaling:SetDesiredCapacity": self._remember,
        }
        self.after: dict[str, After] = {
            "autoscaling:CreateAutoScalingGroup": self._changed,
            "autoscaling:UpdateAutoScalingGroup": self._changed,
            "autoscaling:SetDesiredCapacity": self._changed,
        }

    def resume(self) -> None:
        """After a restart: groups that were going are gone once their members are."""
        for account_id, region, backend in self._cloud.moto.touched("autoscaling"):
            for group in list(backend.autoscaling_groups.values()):
                if getattr(group, "status", ""):
                    self._cloud.later("aws.vm.delete", partial(self._gone, account_id, region, group), group.name)

    def _backend(self, incoming: Incoming) -> Any:
        from moto.autoscaling.models import autoscaling_backends

        return autoscaling_backends[incoming.account_id][incoming.region]

    def _group(self, incoming: Incoming) -> Any | None:
        return self._backend(incoming).autoscaling_groups.get(str(incoming.params.get("AutoScalingGroupName", "")))

    # -- members ----------------------------------------------------------------------------------------------

    def _remember(self, incoming: Incoming) -> None:
        """Before moto changes a group's size: who is in it."""
        group = self._group(incoming)
        if group is None:
            return
        if getattr(group, "status", ""):
            raise AwsError("ScalingActivityInProgress", "You cannot update a group that is being deleted")
        group.shim_members = [state.instance.id for state in group.instance_states]

    def _changed(self, incoming: Incoming, _answer: Answer) -> None:
        """moto started and stopped members at once: they begin to boot, and begin to leave."""
        group = self._group(incoming)
        if group is None:
            return
        before, now = set(getattr(group, "shim_members", ())), set()
        for state in group.instance_states:
            now.add(state.instance.id)
            if state.instance.id not in before:
                state.lifecycle_state = "Pending"
                self._begin(incoming, group, state.instance)
        ec2 = self._cloud.moto.ec2(incoming.account_id, incoming.region)
        for instance in instances_of(ec2):
            if instance.id in before - now:
                self._instances.leaves(instance)
        group.shim_members = sorted(now)

    def _begin(self, incoming: Incoming, group: Any, instance: Any) -> None:
        ec2 = self._cloud.moto.ec2(incoming.account_id, incoming.region)
        template = group.ec2_launch_template
        data = template.get_version(group.launch_template_version).data if template else {}
        interface: dict[str, Any] = next(iter(data.get("NetworkInterfaces") or ()), {})
        wanted = interface.get("Groups") or interface.get("SecurityGroupId") or []
        found = [ec2.get_security_group_from_id(g) for g in wanted]
        if found and all(found):
            instance.security_groups = found
        self._instances.boots(incoming.account_id, incoming.region, instance)

    def _refresh(self, incoming: Incoming) -> None:
        """A member is in service as soon as it runs."""
        for group in self._backend(incoming).autoscaling_groups.values():
            for state in group.instance_states:
                if state.lifecycle_state == "Pending" and state.instance._state.code == RUNNING:
                    state.lifecycle_state = "InService"
                elif state.lifecycle_state == "InService" and state.instance._state.code == PENDING:
                    state.lifecycle_state = "Pending"

    # -- the end ----------------------------------------------------------------------------------------------

    def _delete(self, incoming: Incoming) -> object | None:
        group = self._group(incoming)
        if group is None:
            return None  # moto says so
        if group.instance_states and not incoming.params.get("ForceDelete"):
            raise AwsError("ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances in it")
        if not getattr(group, "status", ""):
            group.status = _GOING
            group.desired_capacity = group.min_size = 0
            for state in group.instance_states:
                state.lifecycle_state = "Terminating"
                self._instances.leaves(state.instance)
            gone = partial(self._gone, incoming.account_id, incoming.region, group)
            self._cloud.later("aws.vm.delete", gone, group.name)
        return {}

    def _gone(self, account_id: str, region: str, group: Any) -> None:
        """Once its members are terminated."""
        from moto.autoscaling.models import autoscaling_backends

        if any(state.instance._state.code != TERMINATED for state in group.instance_states):
            for state in group.instance_states:
                if state.instance._state.code not in (SHUTTING_DOWN, TERMINATED):
                    self._instances.leaves(state.instance)
            self._cloud.later("aws.vm.delete", partial(self._gone, account_id, region, group), group.name)
            return
        group.instance_states = []
        autoscaling_backends[account_id][region].autoscaling_groups.pop(group.name, None)
