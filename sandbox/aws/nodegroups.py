"""EKS managed node groups whose nodes really join the cluster.

Callers: sandbox.aws.server, by the tables of Nodegroups. moto keeps the records; nodes are the world's. Unlike in AWS
no Auto Scaling group and no EC2 instances stand behind the nodes (docs/sandbox-aws.md).
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from model.facts.catalogue import instance_type_sizes
from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.eks import Eks, cluster_id_of
from sandbox.aws.wire import Answer, AwsError, Incoming
from sandbox.world import ClusterHandle, NodeSpec

_READY_TIMEOUT_S = 3600.0  # a node that has not joined by then has failed; the slowest logged one took 33 minutes
_POLL_S = (0.02, 0.5)  # between looks: at first, and at most


class Nodegroups:
    """scalingConfig.desiredSize nodes in the group's subnets, in turn."""

    def __init__(self, cloud: Cloud, eks: Eks) -> None:
        self._cloud, self._eks = cloud, eks
        self.before: dict[str, Handler] = {
            "eks:CreateNodegroup": self._check_create,
            "eks:ListNodegroups": self._check_cluster,
            "eks:UpdateNodegroupConfig": self._update,
            "eks:DeleteNodegroup": self._delete,
            "eks:TagResource": self._tag,
            "eks:UntagResource": self._untag,
            "eks:ListTagsForResource": self._tags,
        }
        self.after: dict[str, After] = {"eks:CreateNodegroup": self._created}

    def resume(self) -> None:
        """After a restart: what was under way goes on; nodes of live groups join again where they are missing."""
        for _account, _region, backend in self._cloud.moto.touched("eks"):
            for cluster in backend.clusters.values():
                for group in list(cluster.nodegroups.values()):
                    if group.status == "DELETING":
                        self._cloud.spawn(self._remove(backend, cluster, group))
                    else:
                        self._cloud.spawn(self._join(backend, cluster, group, "aws.nodepool.update"))

    # -- create -----------------------------------------------------------------------------------------------

    def _check_cluster(self, incoming: Incoming) -> None:
        incoming.params["name"] = incoming.params.get("clusterName", incoming.params.get("name"))
        self._eks.cluster(incoming)

    def _check_create(self, incoming: Incoming) -> None:
        from moto.ec2.models.instance_types import INSTANCE_TYPES

        params = incoming.params
        cluster = self._eks.cluster(incoming)
        for kind in params.get("instanceTypes") or ():
            if kind not in INSTANCE_TYPES:
                raise AwsError(
                    "InvalidParameterException", f"The following supplied instance types do not exist: {kind}"
                )
        for subnet_id in params.get("subnets") or ():
            if self._eks.subnet(incoming, subnet_id).vpc_id != cluster.resources_vpc_config["vpcId"]:
                raise AwsError("InvalidParameterException", f"Subnet {subnet_id} is not in the cluster's VPC")
        _check_scaling(params.get("scalingConfig") or {})
        _check_pool(params)

    def _created(self, incoming: Incoming, _answer: Answer) -> object:
        backend = self._cloud.moto.eks(incoming.account_id, incoming.region)
        cluster = backend.clusters[incoming.params["clusterName"]]
        group = cluster.nodegroups[incoming.params["nodegroupName"]]
        group.status = "CREATING"
        group.version = incoming.params.get("version") or cluster.version
        group.health = {"issues": []}
        group.resources = copy.deepcopy(group.resources)
        group.scaling_config = {"minSize": 1, "maxSize": 2, "desiredSize": 2} | dict(group.scaling_config)
        self._cloud.spawn(self._join(backend, cluster, group, "aws.nodepool.create"))
        return {"nodegroup": group}

    async def _join(self, backend: Any, cluster: Any, group: Any, operation: str) -> None:
        """Brings the group to its desired size; ACTIVE once all of its nodes are Ready."""
        cloud = self._cloud
        await asyncio.sleep(cloud.world.timing.duration_s(operation, f"{cluster.arn}/{group.nodegroup_name}"))
        handle = await self._handle(backend, cluster)
        if handle is None:
            return
        added, removed, there = await cloud.locked(lambda: self._difference(backend, cluster, group))
        for name in removed:
            await handle.remove_node(name)
        for node in there:
            await handle.change_node(node)
        await asyncio.gather(*(handle.add_node(node) for node in added))
        # Asked anew at each look: one of them may be taken back meanwhile.
        ready = await _all_ready(handle, lambda: tuple(cloud.memory.nodes.get(group.arn, ())), group)

        def done() -> None:
            if group.status in ("CREATING", "UPDATING"):
                group.status = "ACTIVE" if ready else "CREATE_FAILED" if group.status == "CREATING" else "DEGRADED"
            if not ready:
                message = "Instances failed to join the kubernetes cluster"
                group.health = {"issues": [{"code": "NodeCreationFailure", "message": message, "resourceIds": []}]}
            for update in cloud.memory.updates.values():
                if update.get("nodegroup") == group.arn and update["status"] == "InProgress":
                    update["status"] = "Successful" if ready else "Failed"

        await cloud.locked(done)

    async def _handle(self, backend: Any, cluster: Any) -> ClusterHandle | None:
        """The cluster's API; after a restart it may still be coming up."""
        cluster_id = cluster_id_of(backend.account_id, backend.region_name, cluster.name)
        async for _ in _looks():
            handle = self._cloud.world.clusters.get(cluster_id)
            if handle is not None or cluster.status == "DELETING":
                return handle
        return None

    def _difference(self, backend: Any, cluster: Any, group: Any) -> tuple[list[NodeSpec], list[str], list[NodeSpec]]:
        """(nodes to add, names to remove, nodes that are there and stay)."""
        names = self._cloud.memory.nodes.setdefault(group.arn, [])
        size = int(group.scaling_config["desiredSize"])
        if group.status == "DELETING":
            size = 0
        removed = names[size:]
        del names[size:]
        known = set(names)
        while len(names) < size:
            names.append(self._node_name(backend, group, len(names)))
        # Known nodes are added again too: after a restart the cluster may not have them; adding twice is harmless.
        specs = [self._spec(backend, cluster, group, name, i) for i, name in enumerate(names)]
        present = self._cloud.memory.restarts == 0
        added = [s for s in specs if s.name not in known or not present]
        return added, removed, [s for s in specs if s.name in known]

    async def reclaim(self, node: str, back: bool) -> bool:
        """Takes a node back as EC2 takes a spot instance; back: the Auto Scaling group gets another one. False where
        the node is none of a SPOT group."""
        found = await self._cloud.locked(lambda: self._take(node))
        if found is None:
            return False
        backend, cluster, group = found
        handle = self._cloud.world.clusters.get(cluster_id_of(backend.account_id, backend.region_name, cluster.name))
        if handle is not None:
            await handle.lose_node(node)
        if back:
            self._cloud.spawn(self._join(backend, cluster, group, "aws.nodepool.update"))
        return True

    def _take(self, node: str) -> tuple[Any, Any, Any] | None:
        for _account, _region, backend in self._cloud.moto.touched("eks"):
            for cluster in backend.clusters.values():
                for group in cluster.nodegroups.values():
                    names = self._cloud.memory.nodes.get(group.arn, [])
                    if node in names and group.capacity_type == "SPOT":
                        names.remove(node)
                        return backend, cluster, group
        return None

    def _node_name(self, backend: Any, group: Any, index: int) -> str:
        subnet = self._subnet_of(backend, group, index)
        network = ipaddress.ip_network(subnet.cidr_block)
        self._cloud.memory.next_node += 1
        address = network[4 + self._cloud.memory.next_node % max(1, network.num_addresses - 5)]
        suffix = "ec2.internal" if backend.region_name == "us-east-1" else f"{backend.region_name}.compute.internal"
        name = f"ip-{str(address).replace('.', '-')}.{suffix}"
        taken = {n for names in self._cloud.memory.nodes.values() for n in names}
        return name if name not in taken else self._node_name(backend, group, index)

    def _subnet_of(self, backend: Any, group: Any, index: int) -> Any:
        ec2 = self._cloud.moto.ec2(backend.account_id, backend.region_name)
        return ec2.get_subnet(group.subnets[index % len(group.subnets)])

    def _spec(self, backend: Any, cluster: Any, group: Any, name: str, index: int) -> NodeSpec:
        zone = self._subnet_of(backend, group, index).availability_zone
        kind = group.instance_types[0]
        cpu_millicores, memory_mib, pods = allocatable(kind)
        machine = hashlib.sha256(f"{group.arn}/{name}".encode()).hexdigest()[:17]
        labels = {
            **group.labels,
            "eks.amazonaws.com/nodegroup": group.nodegroup_name,
            "eks.amazonaws.com/capacityType": group.capacity_type,
            "alpha.eksctl.io/cluster-name": cluster.name,
        }
        return NodeSpec(
            name=name,
            zone=zone,
            region=backend.region_name,
            instance_type=kind,
            cpu_millicores=cpu_millicores,
            memory_mib=memory_mib,
            pods=pods,
            labels=labels,
            provider_id=f"aws:///{zone}/i-{machine}",
            taints=tuple(_taint(row) for row in group.taints or ()),
        )

    # -- update, delete ---------------------------------------------------------------------------------------

    def _update(self, incoming: Incoming) -> object:
        cluster, group = self._group(incoming)
        if group.status != "ACTIVE":
            raise AwsError("ResourceInUseException", f"Nodegroup has status {group.status}", 409)
        params = incoming.params
        scaling = {**group.scaling_config, **(params.get("scalingConfig") or {})}
        _check_scaling(scaling)
        changes = {k: params[k] for k in ("labels", "taints", "scalingConfig", "updateConfig") if params.get(k)}
        if not changes:
            raise AwsError("InvalidParameterException", "No changes needed for the nodegroup config provided")
        backend = self._cloud.moto.eks(incoming.account_id, incoming.region)
        backend.update_nodegroup_config(
            cluster.name,
            group.nodegroup_name,
            labels=params.get("labels"),
            taints=params.get("taints"),
            scaling_config=params.get("scalingConfig"),
            update_config=params.get("updateConfig"),
        )
        group.status = "UPDATING"
        update = self._eks.new_update(incoming, "ConfigUpdate", changes)
        update["nodegroup"] = group.arn
        self._cloud.spawn(self._join(backend, cluster, group, "aws.nodepool.update"))
        return {"update": update}

    def _delete(self, incoming: Incoming) -> object:
        cluster, group = self._group(incoming)
        if group.status == "UPDATING":
            raise AwsError("ResourceInUseException", f"Nodegroup has status {group.status}", 409)
        if group.status != "DELETING":
            group.status = "DELETING"
            backend = self._cloud.moto.eks(incoming.account_id, incoming.region)
            self._cloud.spawn(self._remove(backend, cluster, group))
        return {"nodegroup": group}

    async def _remove(self, backend: Any, cluster: Any, group: Any) -> None:
        cloud = self._cloud
        await asyncio.sleep(
            cloud.world.timing.duration_s("aws.nodepool.delete", f"{cluster.arn}/{group.nodegroup_name}")
        )
        cluster_id = cluster_id_of(backend.account_id, backend.region_name, cluster.name)
        handle = cloud.world.clusters.get(cluster_id)
        names = await cloud.locked(lambda: list(cloud.memory.nodes.get(group.arn, ())))
        for name in names:
            if handle is not None:
                await handle.remove_node(name)

        def gone() -> None:
            cloud.memory.nodes.pop(group.arn, None)
            cluster.nodegroups.pop(group.nodegroup_name, None)
            cluster.nodegroup_count = len(cluster.nodegroups)

        await cloud.locked(gone)

    def _group(self, incoming: Incoming) -> tuple[Any, Any]:
        cluster = self._eks.cluster(incoming)
        name = incoming.params.get("nodegroupName", "")
        if name not in cluster.nodegroups:
            raise AwsError("ResourceNotFoundException", f"No node group found for name: {name}.", 404)
        return cluster, cluster.nodegroups[name]

    # -- tags -------------------------------------------------------------------------------------------------

    def _tagged(self, incoming: Incoming) -> Any:
        arn = incoming.params.get("resourceArn", "")
        backend = self._cloud.moto.eks(incoming.account_id, incoming.region)
        for cluster in backend.clusters.values():
            if cluster.arn == arn:
                return cluster
            for group in cluster.nodegroups.values():
                if group.arn == arn:
                    return group
        raise AwsError("NotFoundException", f"Resource was not found: {arn}", 404)

    def _tag(self, incoming: Incoming) -> object:
        self._tagged(incoming).tags.update(incoming.params.get("tags") or {})
        return {}

    def _untag(self, incoming: Incoming) -> object:
        tags = self._tagged(incoming).tags
        for key in incoming.params.get("tagKeys") or ():
            tags.pop(key, None)
        return {}

    def _tags(self, incoming: Incoming) -> object:
        return {"tags": self._tagged(incoming).tags}


async def _looks() -> AsyncIterator[None]:
    """Turns to look at something, less and less often, until nodes are given up."""
    end, pause_s = time.monotonic() + _READY_TIMEOUT_S, _POLL_S[0]
    while time.monotonic() < end:
        yield
        await asyncio.sleep(pause_s)
        pause_s = min(_POLL_S[1], pause_s * 1.2)


async def _all_ready(handle: ClusterHandle, names: Callable[[], Iterable[str]], group: Any) -> bool:
    """Whether all joined; False as well where the group is being deleted meanwhile."""
    async for _ in _looks():
        if set(names()) <= set(await handle.ready_nodes()):
            return True
        if group.status == "DELETING":
            return False
    return False


def _taint(row: dict[str, Any]) -> str:
    """NO_SCHEDULE -> NoSchedule, and so on."""
    effect = "".join(word.title() for word in str(row["effect"]).split("_"))
    return f"{row['key']}={row.get('value') or ''}:{effect}"


def _check_pool(params: dict[str, Any]) -> None:
    """EKS API Reference, CreateNodegroup: capacityType and taints. botocore checks effects before they are sent."""
    if params.get("capacityType", "ON_DEMAND") not in ("ON_DEMAND", "SPOT", "CAPACITY_BLOCK"):
        raise AwsError("InvalidParameterException", f"capacityType {params['capacityType']!r} is not valid")
    names = [(row.get("key"), row.get("effect")) for row in params.get("taints") or ()]
    if len(names) != len(set(names)):
        raise AwsError("InvalidParameterException", "taints with the same key and effect are not allowed")


def _check_scaling(scaling: dict[str, Any]) -> None:
    low, high, size = (int(scaling.get(k, d)) for k, d in (("minSize", 1), ("maxSize", 2), ("desiredSize", 2)))
    if not 0 <= low <= size <= high or high < 1:
        raise AwsError(
            "InvalidParameterException",
            f"Minimum capacity {low} can't be greater than desired size {size}, nor that greater than maximum {high}",
        )


def allocatable(instance_type: str) -> tuple[int, int, int]:
    """(millicores, MiB, pods) that a node offers to pods: capacity less what kubelet and system keep.

    From model.facts, so that a node has what the scheduler counts on. Types that are not there: the formula of
    awslabs/amazon-eks-ami (bootstrap.sh and kubelet configuration): cpu 6 % of the first core, 1 % of the second,
    0.5 % of the third and fourth, 0.25 % of the rest; memory 255 MiB + 11 MiB per pod, and 100 MiB for eviction;
    pods = interfaces x (addresses - 1) + 2.
    """
    known = instance_type_sizes(instance_type)
    if known is not None:
        return known.allocatable_cpu_millicores, known.allocatable_memory_mib, known.max_pods
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    row = INSTANCE_TYPES[instance_type]
    cores = int(row["VCpuInfo"]["DefaultVCpus"])
    network = row["NetworkInfo"]
    pods = int(network["MaximumNetworkInterfaces"]) * (int(network["Ipv4AddressesPerInterface"]) - 1) + 2
    pods = min(pods, 110 if cores < 30 else 250)
    reserved = sum(60 if core == 0 else 10 if core == 1 else 5 if core < 4 else 2.5 for core in range(cores))
    memory_mib = int(row["MemoryInfo"]["SizeInMiB"]) - 255 - 11 * pods - 100
    return cores * 1000 - round(reserved), max(memory_mib, 1), pods
