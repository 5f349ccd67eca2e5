"""CS 2015-12-15 (ACK): managed clusters, their credentials, audit log, tags and versions.

Callers: sandbox/alibaba/server.py; pools.py beside it. A cluster is a real Kubernetes API of the sandbox, made when
its creation ends. The kubeconfig carries a bearer token per access key; life's carries a client certificate.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from typing import Any

import yaml

from sandbox.alibaba import machines
from sandbox.alibaba.catalogue import KUBERNETES_VERSIONS
from sandbox.alibaba.groups import find_group
from sandbox.alibaba.state import AckCluster, Cloud, Ctx, Estate, Group, has_tags, iso, region_code
from sandbox.alibaba.vpc import usable_vpc, usable_vswitch
from sandbox.alibaba.wire import ApiError
from sandbox.world import ClusterHandle, SandboxAccount

TYPE = "ACS::CS::Cluster"
_HEX = "0123456789abcdef"


def find_cluster(ctx: Ctx, cluster_id: str = "") -> AckCluster:
    wanted = cluster_id or ctx.path["ClusterId"]
    cluster = ctx.estate.clusters.get(wanted)
    if cluster is None or cluster.region != ctx.region:
        raise ApiError(404, "ErrorClusterNotFound", f"cluster ({wanted}) not found in our records")
    return cluster


def running_cluster(ctx: Ctx) -> AckCluster:
    cluster = find_cluster(ctx)
    if cluster.state != "running":
        raise ApiError(
            409, "ErrorClusterState", f"cluster {cluster.id} is {cluster.state}: try again once it is running"
        )
    return cluster


def pairs(rows: Any) -> dict[str, str]:
    """`[{"key": ..., "value": ...}]` as a dict."""
    if not isinstance(rows, list | type(None)):
        raise ApiError(400, "InvalidParameter", "tags and labels are lists of {key, value}")
    return {str(row["key"]): str(row.get("value", "")) for row in rows or ()}


def create_cluster(ctx: Ctx) -> dict[str, Any]:
    b = ctx.body
    name, version = str(b.get("name") or ""), str(b.get("kubernetes_version") or KUBERNETES_VERSIONS[0])
    if not re.fullmatch(r"[A-Za-z0-9一-鿿][\w\-一-鿿]{0,62}", name):
        raise ApiError(400, "InvalidParameter.Name", f"the cluster name {name!r} is not valid")
    if b.get("cluster_type") != "ManagedKubernetes":
        raise ApiError(400, "InvalidParameter.ClusterType", "the sandbox makes cluster_type ManagedKubernetes only")
    if version not in KUBERNETES_VERSIONS:
        raise ApiError(400, "InvalidParameter.KubernetesVersion", f"version {version} cannot be created")
    if b.get("region_id") != ctx.region:
        raise ApiError(400, "InvalidParameter.RegionId", f"region_id {b.get('region_id')!r} is not {ctx.region}")
    switches = [usable_vswitch(ctx, str(i)) for i in b.get("vswitch_ids") or ()]
    if not switches:
        raise ApiError(400, "MissingParameter.VswitchIds", "vswitch_ids is mandatory")
    vpc = usable_vpc(ctx, str(b.get("vpcid") or switches[0].vpc))
    if any(s.vpc != vpc.id for s in switches):
        raise ApiError(400, "InvalidParameter.VswitchIds", f"not every vSwitch is in {vpc.id}")
    given = str(b.get("security_group_id") or "")
    if given and find_group(ctx, given).vpc != vpc.id:
        raise ApiError(400, "InvalidParameter.SecurityGroupId", f"{given} is not in {vpc.id}")
    now = time.time()
    cluster = AckCluster(
        id=ctx.cloud.new_id("c", 32, _HEX),
        region=ctx.region,
        name=name,
        version=version,
        spec=str(b.get("cluster_spec") or "ack.standard"),
        vpc=vpc.id,
        vswitches=[s.id for s in switches],
        group=given or _own_group(ctx, vpc.id).id,
        own_group=not given,
        public_access=bool(b.get("endpoint_public_access", False)),
        audit=bool((b.get("audit_log_config") or {}).get("enabled", False)),
        kms_key=str(b.get("encryption_provider_key") or ""),
        deletion_protection=bool(b.get("deletion_protection", False)),
        container_cidr=str(b.get("container_cidr") or "172.20.0.0/16"),
        service_cidr=str(b.get("service_cidr") or "172.21.0.0/20"),
        tags=pairs(b.get("tags")),
        created_s=now,
        updated_s=now,
    )
    ctx.estate.clusters[cluster.id] = cluster
    ctx.touched.append((TYPE, cluster.id))
    build(ctx.cloud, ctx.caller.account, cluster)
    return {"cluster_id": cluster.id, "task_id": task_id(ctx)}


def task_id(ctx: Ctx) -> str:
    return ctx.cloud.new_id("T-", 24, _HEX)


def _own_group(ctx: Ctx, vpc_id: str) -> Group:
    """ACK makes a security group of its own where it is given none, and removes it with the cluster."""
    group = Group(
        id=ctx.cloud.new_id(f"sg-{region_code(ctx.region)}", 17),
        region=ctx.region,
        vpc=vpc_id,
        name="alicloud-cs-auto-created-security-group",
        description="security group of ACS cluster",
        tags={},
        created_s=time.time(),
    )
    ctx.estate.groups[group.id] = group
    return group


def build(cloud: Cloud, account: SandboxAccount, cluster: AckCluster) -> None:
    """Makes the Kubernetes API in the background; the cluster is running once it answers."""

    async def work() -> None:
        await asyncio.sleep(cloud.duration_s("cluster.create", f"{cluster.region}/{cluster.name}", cluster.id))
        if cluster.state != "initial":
            return
        try:
            await open_api(cloud, account, cluster)
        except Exception:
            cluster.state = "failed"
            raise
        cluster.state, cluster.updated_s = "running", time.time()

    cloud.spawn(f"creation of cluster {cluster.id}", work)


async def open_api(cloud: Cloud, account: SandboxAccount, cluster: AckCluster) -> None:
    """Makes the API, or tells one that is there already (after a restore) whom it may let in."""
    version = ".".join(cluster.version.split(".")[:2])
    place = f"{account.partition}/{cluster.region}"
    let_in = authenticator(account, cluster.id)
    await cloud.world.clusters.create(cluster.id, version=version, authenticate=let_in, place=place)


def cluster_token(account: SandboxAccount, cluster_id: str, key_id: str) -> str:
    """The bearer token that an access key gets for a cluster; the same each time, also after a restart.

    A temporary key of a role gets that of the account.
    """
    reader = key_id == account.reader_key_id
    key_id, secret = (key_id, account.reader_secret) if reader else (account.key_id, account.secret)
    return "ack-" + hmac.new(secret.encode(), f"{cluster_id}/{key_id}".encode(), hashlib.sha256).hexdigest()


def authenticator(account: SandboxAccount, cluster_id: str) -> Callable[[str], str | None]:
    names = {cluster_token(account, cluster_id, account.key_id): account.account_id}
    if account.reader_key_id:
        names[cluster_token(account, cluster_id, account.reader_key_id)] = f"reader:{account.account_id}"
    return names.get


def _master_url(ctx: Ctx, c: AckCluster) -> str:
    handle = ctx.cloud.world.clusters.get(c.id)
    url = handle.url if handle and c.state not in ("initial", "failed") else ""
    urls = {"api_server_endpoint": url if c.public_access else "", "intranet_api_server_endpoint": url}
    return json.dumps(urls)


def _row(ctx: Ctx, c: AckCluster) -> dict[str, Any]:
    nodes = sum(len(ctx.estate.machines_of(p.id)) for p in ctx.estate.pools_of(c.id))
    return {
        "cluster_id": c.id,
        "name": c.name,
        "region_id": c.region,
        "cluster_type": "ManagedKubernetes",
        "cluster_spec": c.spec,
        "profile": "Default",
        "state": c.state,
        "size": nodes,
        "init_version": c.version,
        "current_version": c.version,
        "next_version": _next_version(c.version),
        "vpc_id": c.vpc,
        "vswitch_id": ",".join(c.vswitches),
        "vswitch_ids": list(c.vswitches),
        "security_group_id": c.group,
        "container_cidr": c.container_cidr,
        "service_cidr": c.service_cidr,
        "cluster_domain": "cluster.local",
        "ip_stack": "ipv4",
        "proxy_mode": "ipvs",
        "network_mode": "vpc",
        "deletion_protection": c.deletion_protection,
        "external_loadbalancer_id": f"lb-{c.id[1:21]}" if c.public_access else "",
        "master_url": _master_url(ctx, c),
        "meta_data": "{}",
        "resource_group_id": "rg-default",
        "zone_id": ctx.estate.vswitches[c.vswitches[0]].zone if c.vswitches[0] in ctx.estate.vswitches else "",
        "tags": [{"key": k, "value": v} for k, v in c.tags.items()],
        "created": iso(c.created_s),
        "updated": iso(c.updated_s),
    }


def _next_version(version: str) -> str:
    major, minor = version.split(".")[:2]
    wanted = f"{major}.{int(minor) + 1}."
    return next((v for v in KUBERNETES_VERSIONS if v.startswith(wanted)), "")


def describe_clusters_v1(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    rows = [
        c
        for c in ctx.estate.clusters.values()
        if p.get("region_id", c.region) == c.region
        and p.get("cluster_id", c.id) == c.id
        and p.get("cluster_type", "ManagedKubernetes") == "ManagedKubernetes"
        and p.get("cluster_spec", c.spec) == c.spec
        and p.get("name") in c.name
    ]
    number, size = p.integer("page_number", 1, low=1), p.integer("page_size", 10, low=1, high=100)
    part = rows[(number - 1) * size : number * size]
    return {
        "clusters": [_row(ctx, c) for c in part],
        "page_info": {"page_number": number, "page_size": size, "total_count": len(rows)},
    }


def describe_cluster_detail(ctx: Ctx) -> dict[str, Any]:
    return {**_row(ctx, find_cluster(ctx)), "parameters": {}}


def modify_cluster(ctx: Ctx) -> dict[str, Any]:
    cluster, b = running_cluster(ctx), ctx.body
    if "api_server_eip" in b:
        cluster.public_access = bool(b["api_server_eip"])
    cluster.deletion_protection = bool(b.get("deletion_protection", cluster.deletion_protection))
    cluster.name = str(b.get("cluster_name") or cluster.name)
    if b.get("vswitch_ids"):
        cluster.vswitches = [usable_vswitch(ctx, str(i)).id for i in b["vswitch_ids"]]
    if b.get("security_group_id"):
        cluster.group = find_group(ctx, str(b["security_group_id"])).id
    _update(ctx, cluster)
    return {"cluster_id": cluster.id, "task_id": task_id(ctx)}


def _update(ctx: Ctx, cluster: AckCluster) -> None:
    """The cluster is updating for a while."""
    cluster.state, cluster.updated_s = "updating", time.time()
    ctx.touched.append((TYPE, cluster.id))

    async def work() -> None:
        await asyncio.sleep(ctx.cloud.duration_s("cluster.update", f"{cluster.region}/{cluster.name}", cluster.id))
        if cluster.state == "updating":
            cluster.state = "running"

    ctx.cloud.spawn(f"update of cluster {cluster.id}", work)


def upgrade_cluster(ctx: Ctx) -> dict[str, Any]:
    cluster = running_cluster(ctx)
    wanted = str(ctx.body.get("next_version") or ctx.body.get("version") or _next_version(cluster.version))
    same_minor = wanted.split(".")[:2] == cluster.version.split(".")[:2]
    if wanted not in KUBERNETES_VERSIONS or not (same_minor or wanted == _next_version(cluster.version)):
        raise ApiError(400, "InvalidParameter.NextVersion", f"{cluster.version} cannot be upgraded to {wanted}")
    cluster.version = wanted
    _update(ctx, cluster)
    return {"cluster_id": cluster.id, "task_id": task_id(ctx)}


def get_cluster_audit(ctx: Ctx) -> dict[str, Any]:
    cluster = find_cluster(ctx)
    return {"audit_enabled": cluster.audit, "sls_project_name": f"k8s-log-{cluster.id}" if cluster.audit else ""}


def update_cluster_audit(ctx: Ctx) -> dict[str, Any]:
    cluster = running_cluster(ctx)
    cluster.audit = not ctx.body.get("disable", False)
    ctx.touched.append((TYPE, cluster.id))
    return {"cluster_id": cluster.id, "task_id": task_id(ctx)}


def _endpoint(handle: ClusterHandle) -> dict[str, str]:
    ca = base64.b64encode(handle.ca_pem.encode()).decode()
    return {"server": handle.url, "certificate-authority-data": ca}


def describe_user_kubeconfig(ctx: Ctx) -> dict[str, Any]:
    cluster = find_cluster(ctx)
    handle = ctx.cloud.world.clusters.get(cluster.id)
    if handle is None or cluster.state in ("initial", "failed", "deleting"):
        raise ApiError(409, "ErrorClusterState", f"cluster {cluster.id} is {cluster.state}: it has no credentials")
    minutes = ctx.params.integer("TemporaryDurationMinutes", 4320, low=15, high=4320)
    user = ctx.caller.account.account_id
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kubernetes", "cluster": _endpoint(handle)}],
        "contexts": [{"name": f"{user}-{cluster.id}", "context": {"cluster": "kubernetes", "user": user}}],
        "current-context": f"{user}-{cluster.id}",
        "users": [{"name": user, "user": {"token": cluster_token(ctx.caller.account, cluster.id, ctx.caller.key_id)}}],
    }
    return {"config": yaml.safe_dump(document), "expiration": iso(time.time() + minutes * 60)}


def delete_cluster(ctx: Ctx) -> dict[str, Any]:
    cluster = find_cluster(ctx)
    if cluster.deletion_protection:
        raise ApiError(400, "ErrorClusterDeletionProtection", f"cluster {cluster.id} is protected from deletion")
    ctx.touched.append((TYPE, cluster.id))
    if cluster.state != "deleting":
        cluster.state = "deleting"
        tear_down(ctx.cloud, ctx.estate, cluster)
    return {"cluster_id": cluster.id, "task_id": task_id(ctx)}


def tear_down(cloud: Cloud, estate: Estate, cluster: AckCluster) -> None:
    """Nodes, pools, the API, the group that ACK made, then the record, in the background."""

    async def work() -> None:
        for pool in estate.pools_of(cluster.id):
            pool.state = "deleting"
            for machine in estate.machines_of(pool.id):
                machines.remove(cloud, estate, machine)
        await asyncio.sleep(cloud.duration_s("cluster.delete", f"{cluster.region}/{cluster.name}", cluster.id))
        while any(m.cluster == cluster.id for m in estate.machines.values()):
            await asyncio.sleep(0.02)
        for pool in estate.pools_of(cluster.id):
            estate.pools.pop(pool.id, None)
        if cloud.world.clusters.get(cluster.id) is not None:
            await cloud.world.clusters.delete(cluster.id)
        if cluster.own_group:
            estate.groups.pop(cluster.group, None)
        estate.clusters.pop(cluster.id, None)

    cloud.spawn(f"deletion of cluster {cluster.id}", work)


# -- tags of clusters ------------------------------------------------------------------------------------------


def _ids(ctx: Ctx, name: str) -> list[str]:
    value = ctx.body.get(name)
    return [str(i) for i in value] if isinstance(value, list) else [str(i) for i in ctx.params.json_list(name)]


def _check_type(kind: object) -> None:
    if kind != "CLUSTER":
        raise ApiError(400, "InvalidParameter.ResourceType", "resource_type must be CLUSTER")


def tag_resources(ctx: Ctx) -> dict[str, Any]:
    _check_type(ctx.body.get("resource_type"))
    for cluster_id in _ids(ctx, "resource_ids"):
        find_cluster(ctx, cluster_id).tags.update(pairs(ctx.body.get("tags")))
        ctx.touched.append((TYPE, cluster_id))
    return {}


def untag_resources(ctx: Ctx) -> dict[str, Any]:
    _check_type(ctx.params.get("resource_type"))
    keys = _ids(ctx, "tag_keys")
    for cluster_id in _ids(ctx, "resource_ids"):
        cluster = find_cluster(ctx, cluster_id)
        cluster.tags = {} if ctx.params.flag("all") else {k: v for k, v in cluster.tags.items() if k not in keys}
        ctx.touched.append((TYPE, cluster_id))
    return {}


def list_tag_resources(ctx: Ctx) -> dict[str, Any]:
    _check_type(ctx.params.get("resource_type"))
    ids = _ids(ctx, "resource_ids")
    wanted = [{"Key": t.get("key", ""), "Value": t.get("value", "")} for t in ctx.params.json_list("tags")]
    rows = [
        {"resource_id": c.id, "resource_type": "CLUSTER", "tag_key": k, "tag_value": v}
        for c in ctx.estate.clusters.values()
        if c.region == ctx.region and (not ids or c.id in ids) and has_tags(c.tags, wanted)
        for k, v in c.tags.items()
    ]
    return {"tag_resources": {"tag_resource": rows}, "next_token": ""}
