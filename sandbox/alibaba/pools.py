"""CS 2015-12-15 (ACK): node pools. Their nodes are ECS instances and nodes of the sandbox's Kubernetes cluster.

Callers: sandbox/alibaba/server.py. One background worker per pool brings the number of nodes to the desired one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from sandbox.alibaba import machines
from sandbox.alibaba.catalogue import IMAGES, InstanceType, instance_type
from sandbox.alibaba.clusters import find_cluster, pairs, running_cluster, task_id
from sandbox.alibaba.state import Cloud, Ctx, Estate, Machine, Pool, iso
from sandbox.alibaba.vpc import usable_vswitch
from sandbox.alibaba.wire import ApiError
from sandbox.world import ClusterHandle, NodeSpec

log = logging.getLogger(__name__)
TYPE = "ACS::CS::NodePool"
POLL_S = 0.02
# CreateClusterNodePool, scaling_group.spot_strategy.
SPOT_STRATEGIES = ("NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo")
_HEX = "0123456789abcdef"


def find_pool(ctx: Ctx) -> Pool:
    cluster = find_cluster(ctx)
    pool = ctx.estate.pools.get(ctx.path["NodepoolId"])
    if pool is None or pool.cluster != cluster.id:
        raise ApiError(404, "ErrorNodePoolNotFound", f"nodepool ({ctx.path['NodepoolId']}) not found")
    return pool


def create_node_pool(ctx: Ctx) -> dict[str, Any]:
    cluster, b = running_cluster(ctx), ctx.body
    info, group, config = b.get("nodepool_info") or {}, b.get("scaling_group") or {}, b.get("kubernetes_config") or {}
    if not info.get("name"):
        raise ApiError(400, "MissingParameter.Name", "nodepool_info.name is mandatory")
    types, switches = list(group.get("instance_types") or ()), list(group.get("vswitch_ids") or ())
    if not types or not switches:
        raise ApiError(400, "MissingParameter", "scaling_group.instance_types and vswitch_ids are mandatory")
    for type_id in types:
        instance_type(type_id)
    for switch_id in switches:
        if usable_vswitch(ctx, switch_id).vpc != cluster.vpc:
            raise ApiError(400, "InvalidParameter.VswitchIds", f"{switch_id} is not in {cluster.vpc}")
    strategy = str(group.get("spot_strategy") or "NoSpot")
    if strategy not in SPOT_STRATEGIES:
        raise ApiError(400, "InvalidParameter.SpotStrategy", f"the spot strategy {strategy!r} is not valid")
    if strategy != "NoSpot" and group.get("instance_charge_type", "PostPaid") != "PostPaid":
        raise ApiError(400, "InvalidParameter.SpotStrategy", "spot instances are PostPaid")
    now = time.time()
    pool = Pool(
        id=ctx.cloud.new_id("np", 32, _HEX),
        cluster=cluster.id,
        region=cluster.region,
        name=str(info["name"]),
        vswitches=switches,
        types=types,
        desired=_size(group.get("desired_size", b.get("count", 0))),
        labels=pairs(config.get("labels")),
        taints=_taints(config),
        spot_strategy=strategy,
        tags=pairs(group.get("tags")),
        disk_gib=int(group.get("system_disk_size") or 120),
        disk_encrypted=bool(group.get("system_disk_encrypted", False)),
        created_s=now,
        updated_s=now,
    )
    ctx.estate.pools[pool.id] = pool
    ctx.touched.append((TYPE, pool.id))
    reconcile(ctx.cloud, ctx.estate, pool)
    return {"nodepool_id": pool.id, "task_id": task_id(ctx)}


def _size(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value <= 5000:
        raise ApiError(400, "InvalidParameter.DesiredSize", f"the desired size {value!r} is not valid")
    return value


def _taints(config: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = list(config.get("taints") or ())
    for row in rows:
        if not row.get("key") or row.get("effect") not in ("NoSchedule", "NoExecute", "PreferNoSchedule"):
            raise ApiError(400, "InvalidParameter.Taints", f"the taint {row} is not valid")
    return rows


def scale_node_pool(ctx: Ctx) -> dict[str, Any]:
    """Adds `count` nodes."""
    running_cluster(ctx)
    pool = find_pool(ctx)
    pool.desired = _size(pool.desired + _size(ctx.body.get("count", 0)))
    return {"task_id": _changed(ctx, pool, "scaling")["task_id"]}


def modify_node_pool(ctx: Ctx) -> dict[str, Any]:
    running_cluster(ctx)
    pool, b = find_pool(ctx), ctx.body
    if pool.state == "deleting":
        raise ApiError(409, "ErrorNodePoolState", f"nodepool {pool.id} is deleting")
    group, config = b.get("scaling_group") or {}, b.get("kubernetes_config") or {}
    for type_id in group.get("instance_types") or ():
        instance_type(type_id)
    pool.types = list(group.get("instance_types") or pool.types)
    pool.desired = _size(group.get("desired_size", pool.desired))
    pool.tags = pairs(group["tags"]) if "tags" in group else pool.tags
    pool.labels = pairs(config["labels"]) if "labels" in config else pool.labels
    pool.taints = _taints(config) if "taints" in config else pool.taints
    pool.name = str((b.get("nodepool_info") or {}).get("name") or pool.name)
    return _changed(ctx, pool, "updating")


def _changed(ctx: Ctx, pool: Pool, state: str) -> dict[str, Any]:
    pool.state, pool.updated_s = state, time.time()
    ctx.touched.append((TYPE, pool.id))
    reconcile(ctx.cloud, ctx.estate, pool)
    return {"nodepool_id": pool.id, "task_id": task_id(ctx)}


def delete_node_pool(ctx: Ctx) -> dict[str, Any]:
    find_cluster(ctx)
    pool = find_pool(ctx)
    if ctx.estate.machines_of(pool.id) and not ctx.params.flag("force"):
        raise ApiError(409, "ErrorNodePoolNotEmpty", f"nodepool {pool.id} still has nodes; use force")
    ctx.touched.append((TYPE, pool.id))
    if pool.state != "deleting":
        pool.state, pool.desired = "deleting", 0
        reconcile(ctx.cloud, ctx.estate, pool)
    return {"request_id": "", "task_id": task_id(ctx)}


def describe_node_pools(ctx: Ctx) -> dict[str, Any]:
    cluster, name = find_cluster(ctx), ctx.params.get("NodepoolName")
    pools = [p for p in ctx.estate.pools_of(cluster.id) if not name or p.name == name]
    return {"nodepools": [_row(ctx, p) for p in pools]}


def describe_node_pool_detail(ctx: Ctx) -> dict[str, Any]:
    return _row(ctx, find_pool(ctx))


def _row(ctx: Ctx, p: Pool) -> dict[str, Any]:
    nodes = ctx.estate.machines_of(p.id)
    running = sum(m.status == "Running" for m in nodes)
    return {
        "nodepool_info": {
            "nodepool_id": p.id,
            "name": p.name,
            "region_id": p.region,
            "type": "ess",
            "is_default": False,
            "resource_group_id": "rg-default",
            "created": iso(p.created_s),
            "updated": iso(p.updated_s),
        },
        "scaling_group": {
            "desired_size": p.desired,
            "instance_types": list(p.types),
            "vswitch_ids": list(p.vswitches),
            "tags": [{"key": k, "value": v} for k, v in p.tags.items()],
            "system_disk_category": "cloud_essd",
            "system_disk_size": p.disk_gib,
            "system_disk_encrypted": p.disk_encrypted,
            "image_type": "AliyunLinux3",
            "instance_charge_type": "PostPaid",
            "spot_strategy": p.spot_strategy,
            "scaling_policy": "release",
        },
        "kubernetes_config": {
            "labels": [{"key": k, "value": v} for k, v in p.labels.items()],
            "taints": list(p.taints),
            "runtime": "containerd",
            "cms_enabled": False,
            "unschedulable": False,
        },
        "auto_scaling": {"enable": False, "min_instances": 0, "max_instances": 0},
        "management": {"enable": False},
        "status": {
            "state": p.state,
            "total_nodes": len(nodes),
            "healthy_nodes": running,
            "serving_nodes": running,
            "initial_nodes": sum(m.status == "Pending" for m in nodes),
            "removing_nodes": sum(m.status == "Deleting" for m in nodes),
            "failed_nodes": 0,
            "offline_nodes": 0,
        },
    }


# -- the worker ------------------------------------------------------------------------------------------------


def reconcile(cloud: Cloud, estate: Estate, pool: Pool) -> None:
    """Starts the pool's worker where it does not run already."""
    if pool.id in cloud.busy:
        return
    cloud.busy.add(pool.id)

    async def work() -> None:
        try:
            while not await _step(cloud, estate, pool):
                pass
        finally:
            cloud.busy.discard(pool.id)

    cloud.spawn(f"node pool {pool.id}", work)


async def _step(cloud: Cloud, estate: Estate, pool: Pool) -> bool:
    """One round; True once nothing is left to do."""
    handle = cloud.world.clusters.get(pool.cluster)
    if handle is None or not _wanted(estate, pool):
        return True  # the cluster's own deletion takes its pools along
    verb = {"initial": "create", "deleting": "delete"}.get(pool.state, "update")
    await asyncio.sleep(
        cloud.duration_s(f"nodepool.{verb}", f"{pool.region}/{_cluster_name(estate, pool)}/{pool.name}", pool.id)
    )
    present = _staying(estate, pool)
    for _ in range(pool.desired - len(present)):
        await _add(cloud, estate, handle, pool)
    await asyncio.gather(*(_drop(cloud, estate, handle, machine) for machine in present[pool.desired :]))
    for machine in present[: pool.desired]:  # update_nodes
        await handle.change_node(node_spec(machine, pool, instance_type(machine.type)))
    if pool.state == "deleting":
        while estate.machines_of(pool.id):
            await asyncio.sleep(POLL_S)
        estate.pools.pop(pool.id, None)
        return True
    return await _settled(estate, handle, pool)


def _cluster_name(estate: Estate, pool: Pool) -> str:
    cluster = estate.clusters.get(pool.cluster)
    return cluster.name if cluster is not None else ""


def _wanted(estate: Estate, pool: Pool) -> bool:
    cluster = estate.clusters.get(pool.cluster)
    return cluster is not None and cluster.state != "deleting" and pool.id in estate.pools


def _staying(estate: Estate, pool: Pool) -> list[Machine]:
    return [m for m in estate.machines_of(pool.id) if m.status != "Deleting"]


async def _settled(estate: Estate, handle: ClusterHandle, pool: Pool) -> bool:
    """Waits until every node is ready; False where another size was asked for meanwhile."""
    while _wanted(estate, pool) and pool.state != "deleting":
        ready = set(await handle.ready_nodes())
        present = _staying(estate, pool)
        for machine in present:
            machine.status = "Running" if _node_name(machine) in ready else machine.status
        if len(present) != pool.desired:
            return False
        if all(machine.status == "Running" for machine in present):
            pool.state = "active"
            return True
        await asyncio.sleep(POLL_S)
    return not _wanted(estate, pool)


async def _drop(cloud: Cloud, estate: Estate, handle: ClusterHandle, machine: Machine) -> None:
    await handle.remove_node(_node_name(machine))
    machines.remove(cloud, estate, machine)


async def _add(cloud: Cloud, estate: Estate, handle: ClusterHandle, pool: Pool) -> None:
    cluster, number = estate.clusters[pool.cluster], len(estate.machines_of(pool.id))
    switch = estate.vswitches[pool.vswitches[number % len(pool.vswitches)]]
    kind = instance_type(pool.types[0])
    picture = next(
        i.id for i in IMAGES if i.id.startswith("aliyun_3") and ("arm64" in i.id) == (kind.architecture == "ARM")
    )
    machine = machines.new_machine(cloud, estate, switch, [cluster.group], kind.id, picture)
    machine.cluster, machine.pool = cluster.id, pool.id
    machine.spot_strategy = pool.spot_strategy
    machine.name = f"worker-k8s-for-cs-{cluster.id}"
    machine.disk_gib, machine.disk_encrypted = pool.disk_gib, pool.disk_encrypted
    machine.tags = {
        **pool.tags,
        "ack.aliyun.com": cluster.id,
        "ack.alibabacloud.com/nodepool-id": pool.id,
        "acs:autoscaling:scalingGroupId": f"asg-{pool.id[2:22]}",
    }
    machine.private_ip = machines.address_in(cloud, machine)
    await handle.add_node(node_spec(machine, pool, kind))


async def reclaim(cloud: Cloud, node: str, back: bool) -> bool:
    """Takes a node back as ECS takes a spot instance; back: the scaling group gets another one. False where the node is
    none of a spot pool."""
    for estate in cloud.estates.values():
        for machine in estate.machines.values():
            pool = estate.pools.get(machine.pool)
            if pool is not None and pool.spot_strategy != "NoSpot" and _node_name(machine) == node:
                handle = cloud.world.clusters.get(pool.cluster)
                machines.remove(cloud, estate, machine)
                if handle is not None:
                    await handle.lose_node(node)
                if back:
                    reconcile(cloud, estate, pool)
                return True
    return False


async def rejoin(cloud: Cloud, estate: Estate, machine: Machine) -> None:
    """After a restore: the node joins its cluster again; one that the cluster remembers stays as it is."""
    handle, pool = cloud.world.clusters.get(machine.cluster), estate.pools.get(machine.pool)
    if handle is not None and pool is not None:
        await handle.add_node(node_spec(machine, pool, instance_type(machine.type)))


def node_spec(machine: Machine, pool: Pool, kind: InstanceType) -> NodeSpec:
    """The node as kubelet registers it; allocatable after ACK's reservation."""
    cpu, memory = allocatable(kind)
    return NodeSpec(
        name=_node_name(machine),
        zone=machine.zone,
        region=machine.region,
        instance_type=machine.type,
        cpu_millicores=cpu,
        memory_mib=memory,
        pods=kind.pods,
        labels={
            "kubernetes.io/arch": "arm64" if kind.architecture == "ARM" else "amd64",
            "alibabacloud.com/nodepool-id": pool.id,
            "ack.aliyun.com": pool.cluster,
            "node.alibabacloud.com/instance-charge-type": "PostPaid",
            "node.alibabacloud.com/spot-strategy": pool.spot_strategy,
            **pool.labels,
        },
        provider_id=f"{machine.region}.{machine.id}",
        taints=tuple(f"{t['key']}={t.get('value', '')}:{t.get('effect', 'NoSchedule')}" for t in pool.taints),
    )


def _node_name(machine: Machine) -> str:
    return f"{machine.region}.{machine.private_ip}"


def allocatable(kind: InstanceType) -> tuple[int, int]:
    """(millicores, MiB) left for pods after ACK's node reservation.

    CPU 6 % of the first core, 1 % of the second, 0.5 % of the third and fourth, 0.25 % of the rest; memory
    min(11 MiB * pods + 255 MiB, 25 %), and 100 MiB eviction threshold ("Resource reservation policy" of the ACK
    documentation, Kubernetes 1.28 and later).
    """
    shares = (0.06, 0.01, 0.005, 0.005)
    reserved_cpu = sum(1000 * (shares[i] if i < 4 else 0.0025) for i in range(kind.vcpus))
    reserved_memory = min(11 * kind.pods + 255, kind.memory_mib // 4) + 100
    return int(kind.vcpus * 1000 - reserved_cpu), kind.memory_mib - reserved_memory
