"""ACK clusters and node pools, and what survives a restart."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.alibaba.server import serve
from sandbox.world import World

VERSION = "1.35.2-aliyun.1"


def body(vpc: str, switch: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "main",
        "region_id": "cn-hangzhou",
        "cluster_type": "ManagedKubernetes",
        "cluster_spec": "ack.pro.small",
        "kubernetes_version": VERSION,
        "vpcid": vpc,
        "vswitch_ids": [switch],
        "endpoint_public_access": True,
        "tags": [{"key": "fleet", "value": "shop"}],
        **changes,
    }


def pool_body(switch: str, count: int = 2, **scaling: Any) -> dict[str, Any]:
    return {
        "nodepool_info": {"name": "h", "type": "ess"},
        "scaling_group": {
            "desired_size": count,
            "instance_types": ["ecs.g7.xlarge"],
            "vswitch_ids": [switch],
            "tags": [{"key": "fleet", "value": "shop"}],
            **scaling,
        },
        "kubernetes_config": {"labels": [{"key": "tier", "value": "web"}]},
    }


def state(cloud: Any, cluster: str) -> str:
    return str(cloud.roa("GET", f"/clusters/{cluster}")["state"])


def make_cluster(cloud: Any) -> tuple[str, str]:
    """(cluster, vSwitch), running."""
    vpc, switch, _ = cloud.network()
    cluster = cloud.roa("POST", "/clusters", body(vpc, switch))["cluster_id"]
    cloud.wait(lambda: state(cloud, cluster) == "running")
    return str(cluster), switch


def make_pool(cloud: Any, cluster: str, switch: str, count: int = 2) -> str:
    pool = str(cloud.roa("POST", f"/clusters/{cluster}/nodepools", pool_body(switch, count))["nodepool_id"])
    cloud.wait(lambda: pool_state(cloud, cluster, pool) == "active")
    return pool


def pool_state(cloud: Any, cluster: str, pool: str) -> str:
    return str(cloud.roa("GET", f"/clusters/{cluster}/nodepools/{pool}")["status"]["state"])


def test_a_cluster_takes_its_time_and_then_answers(cloud: Any, refused: Any) -> None:
    vpc, switch, _ = cloud.network()
    cluster = cloud.roa("POST", "/clusters", body(vpc, switch))["cluster_id"]
    detail = cloud.roa("GET", f"/clusters/{cluster}")
    assert (detail["state"], detail["current_version"], detail["vpc_id"]) == ("initial", VERSION, vpc)
    assert json.loads(detail["master_url"])["api_server_endpoint"] == ""
    early = refused(cloud.roa, "GET", f"/k8s/{cluster}/user_config")
    assert "ErrorClusterState" in early.message
    cloud.wait(lambda: state(cloud, cluster) == "running")
    made = cloud.clusters.made[cluster]
    endpoint = json.loads(cloud.roa("GET", f"/clusters/{cluster}")["master_url"])["api_server_endpoint"]
    assert endpoint == made.url
    document = yaml.safe_load(cloud.roa("GET", f"/k8s/{cluster}/user_config")["config"])
    assert document["clusters"][0]["cluster"]["server"] == made.url
    assert made.authenticate(document["users"][0]["user"]["token"]) == "5000000000000002"
    assert made.authenticate("ack-guess") is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kubernetes_version": "1.35.99-aliyun.1"}, "InvalidParameter.KubernetesVersion"),
        ({"cluster_type": "Kubernetes"}, "InvalidParameter.ClusterType"),
        ({"vswitch_ids": []}, "MissingParameter.VswitchIds"),
        ({"vswitch_ids": ["vsw-none"]}, "InvalidVSwitchId.NotFound"),
        ({"security_group_id": "sg-none"}, "InvalidSecurityGroupId.NotFound"),
        ({"region_id": "cn-shanghai"}, "InvalidParameter.RegionId"),
        ({"name": "-"}, "InvalidParameter.Name"),
    ],
)
def test_clusters_that_are_refused(cloud: Any, refused: Any, changes: dict[str, Any], code: str) -> None:
    vpc, switch, _ = cloud.network()
    assert f'"{code}"' in refused(cloud.roa, "POST", "/clusters", body(vpc, switch, **changes)).message
    assert cloud.roa("GET", "/api/v1/clusters")["page_info"]["total_count"] == 0


def test_pools_bring_nodes_and_take_them_away(cloud: Any) -> None:
    cluster, switch = make_cluster(cloud)
    pool = make_pool(cloud, cluster, switch)
    nodes = cloud.clusters.made[cluster].nodes
    (first, second) = nodes.values()
    assert (first.zone, first.cpu_millicores, first.memory_mib, first.pods) == ("cn-hangzhou-b", 3920, 14819, 110)
    assert first.labels["tier"] == second.labels["tier"] == "web"
    tags = {t["TagKey"] for t in cloud.rpc("Ecs", "DescribeInstances")["Instances"]["Instance"][0]["Tags"]["Tag"]}
    assert {"fleet", "ack.aliyun.com"} <= tags
    cloud.roa("POST", f"/clusters/{cluster}/nodepools/{pool}", {"count": 1})
    cloud.wait(lambda: len(nodes) == 3)
    change = {"scaling_group": {"desired_size": 1}, "kubernetes_config": {"labels": []}}
    cloud.roa("PUT", f"/clusters/{cluster}/nodepools/{pool}", change)
    cloud.wait(lambda: len(nodes) == 1 and pool_state(cloud, cluster, pool) == "active")
    row = cloud.roa("GET", f"/clusters/{cluster}/nodepools")["nodepools"][0]
    assert (row["scaling_group"]["desired_size"], row["kubernetes_config"]["labels"]) == (1, [])
    cloud.roa("DELETE", f"/clusters/{cluster}/nodepools/{pool}", force="true")
    cloud.wait(lambda: cloud.roa("GET", f"/clusters/{cluster}/nodepools")["nodepools"] == [])
    assert nodes == {}
    cloud.wait(lambda: cloud.rpc("Ecs", "DescribeInstances")["TotalCount"] == 0)


def test_a_cluster_takes_all_with_it(cloud: Any, refused: Any) -> None:
    cluster, switch = make_cluster(cloud)
    make_pool(cloud, cluster, switch)
    assert refused(cloud.rpc, "Vpc", "DeleteVSwitch", VSwitchId=switch).error_code == "DependencyViolation"
    cloud.roa("DELETE", f"/clusters/{cluster}")
    assert state(cloud, cluster) == "deleting"
    cloud.wait(lambda: cloud.roa("GET", "/api/v1/clusters")["clusters"] == [])
    assert cloud.clusters.made == {}
    assert {row["kind"] for row in cloud.server.inventory()} == {"network", "subnet", "firewall_group"}
    assert "ErrorClusterNotFound" in refused(cloud.roa, "GET", f"/clusters/{cluster}").message


def test_deletion_protection_and_other_changes(cloud: Any, refused: Any) -> None:
    cluster, _ = make_cluster(cloud)
    change = {"deletion_protection": True, "api_server_eip": False}
    cloud.roa("PUT", f"/api/v2/clusters/{cluster}", change)
    assert "ErrorClusterState" in refused(cloud.roa, "PUT", f"/api/v2/clusters/{cluster}", change).message
    cloud.wait(lambda: state(cloud, cluster) == "running")
    assert "DeletionProtection" in refused(cloud.roa, "DELETE", f"/clusters/{cluster}").message
    cloud.roa("PUT", f"/clusters/{cluster}/audit_log", {"disable": False})
    assert cloud.roa("GET", f"/clusters/{cluster}/audit")["audit_enabled"]
    cloud.roa("POST", f"/api/v2/clusters/{cluster}/upgrade", {"next_version": "1.36.2-aliyun.1"})
    cloud.wait(lambda: state(cloud, cluster) == "running")
    assert cloud.roa("GET", f"/clusters/{cluster}")["current_version"] == "1.36.2-aliyun.1"
    too_far = refused(cloud.roa, "POST", f"/api/v2/clusters/{cluster}/upgrade", {"next_version": "1.34.3-aliyun.1"})
    assert "InvalidParameter.NextVersion" in too_far.message


def test_cluster_tags(cloud: Any, refused: Any) -> None:
    cluster, _ = make_cluster(cloud)
    tagged = {"resource_type": "CLUSTER", "resource_ids": [cluster], "tags": [{"key": "a", "value": "b"}]}
    cloud.roa("PUT", "/tags", tagged)
    listed = cloud.roa("GET", "/tags", resource_type="CLUSTER", resource_ids=json.dumps([cluster]))
    assert {t["tag_key"] for t in listed["tag_resources"]["tag_resource"]} == {"fleet", "a"}
    gone = {"resource_ids": json.dumps([cluster]), "tag_keys": json.dumps(["a"])}
    cloud.roa("DELETE", "/tags", resource_type="CLUSTER", **gone)
    assert cloud.roa("GET", f"/clusters/{cluster}")["tags"] == [{"key": "fleet", "value": "shop"}]
    assert "ResourceType" in refused(cloud.roa, "PUT", "/tags", {**tagged, "resource_type": "NODE"}).message


def test_pools_that_are_refused(cloud: Any, refused: Any) -> None:
    cluster, switch = make_cluster(cloud)
    path = f"/clusters/{cluster}/nodepools"
    for wrong, code in (
        (pool_body(switch, -1), "InvalidParameter.DesiredSize"),
        (pool_body(switch, instance_types=["ecs.none.large"]), "InvalidInstanceType.ValueNotSupported"),
        (pool_body("vsw-none"), "InvalidVSwitchId.NotFound"),
        ({"scaling_group": {}}, "MissingParameter.Name"),
    ):
        assert code in refused(cloud.roa, "POST", path, wrong).message
    assert "ErrorNodePoolNotFound" in refused(cloud.roa, "GET", f"{path}/np0").message
    pool = make_pool(cloud, cluster, switch, 1)
    assert "NotEmpty" in refused(cloud.roa, "DELETE", f"{path}/{pool}").message


def test_everything_is_there_after_a_restart(cloud: Any, tmp_path: Path) -> None:
    cluster, switch = make_cluster(cloud)
    make_pool(cloud, cluster, switch)
    vpc = cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8", ClientToken="t")["VpcId"]
    group = next(row["id"] for row in cloud.server.inventory() if row["name"] == "web")
    text = "#cloud-config\nruncmd:\n  - [podman, run, --publish, '8080:8080', registry.example/gate:v1]\n"
    params = {
        "ImageId": "debian_12_11_x64_20G_alibase_20260119.vhd",
        "InstanceType": "ecs.g7.large",
        "VSwitchId": switch,
        "SecurityGroupId": group,
        "UserData": base64.b64encode(text.encode()).decode(),
    }
    machine = cloud.rpc("Ecs", "RunInstances", **params)["InstanceIdSets"]["InstanceIdSet"][0]
    snapshot = json.loads(json.dumps(cloud.server.snapshot()))
    before = sorted(row["id"] for row in cloud.server.inventory())

    w = cloud.world
    cloud.clusters.made.clear()
    again = World(w.loop, w.accounts, w.timing, w.faults, w.containers, w.clusters, w.seed, tmp_path)
    (tmp_path / "alibaba.json").write_text(json.dumps(snapshot))
    first = cloud.server
    cloud.server = asyncio.run_coroutine_threadsafe(serve(again), w.loop).result(10)
    try:
        assert sorted(row["id"] for row in cloud.server.inventory()) == before
        assert len(cloud.clusters.made[cluster].nodes) == 2
        assert state(cloud, cluster) == "running"
        repeated = cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8", ClientToken="t")
        assert repeated["VpcId"] == vpc

        def running() -> bool:
            rows = cloud.rpc("Ecs", "DescribeInstances", InstanceIds=json.dumps([machine]))["Instances"]["Instance"]
            return bool(rows[0]["Status"] == "Running")

        cloud.wait(running)
        assert cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"] not in before
    finally:
        asyncio.run_coroutine_threadsafe(cloud.server.close(), w.loop).result(10)
        cloud.server = first
    kept = json.loads((tmp_path / "alibaba.json").read_text())
    assert len(kept["estates"]["5000000000000002"]["vpcs"]) == 3


def test_a_snapshot_of_another_version_is_refused(cloud: Any) -> None:
    with pytest.raises(ValueError, match="schema_version 2"):
        asyncio.run_coroutine_threadsafe(cloud.server.restore({"schema_version": 2}), cloud.loop).result(5)
