"""Things that other people's scripts changed behind our back: found, told with who and which policy, and mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def scan(duoyun: Any, *args: str, code: int) -> dict[str, dict[str, Any]]:
    """What was found, by the last part of its address."""
    rows = duoyun.on("drift scan", "-o", "json", *args).ended(code).json["drift"]
    return {row["address"].rsplit("/", 1)[-1]: row for row in rows}


def open_port(sandbox: Any, port: int) -> str:
    """As somebody else's boto3 script would; the group's id."""
    ec2 = sandbox.ec2()
    found = ec2.describe_security_groups(Filters=[{"Name": "tag:duoyun-name", "Values": ["web"]}])
    group = str(found["SecurityGroups"][0]["GroupId"])
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0"
    )
    return group


def ports(sandbox: Any, group: str) -> set[int]:
    rows = sandbox.ec2().describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    return {row["FromPort"] for row in rows}


def test_what_scripts_changed_is_found_and_mended(duoyun: Any, sandbox: Any) -> None:
    urls = [row["url"] for row in duoyun.deploy()["endpoints"]]
    assert scan(duoyun, code=0) == {}

    group = open_port(sandbox, 22)
    found = scan(duoyun, code=2)
    assert set(found) == {"web"}
    row = found["web"]
    assert (row["kind"], row["ownership"]) == ("changed", "own")
    assert "DY-NET-001" in {p["id"] for p in row["policies"]}
    assert "AuthorizeSecurityGroupIngress" in {c["operation"] for c in row["changed_by"]}
    assert all(c["actor"] and c["at_s"] for c in row["changed_by"])
    told = duoyun.on("drift scan").ended(2).out
    for word in ("DY-NET-001", "22", "0.0.0.0/0", row["changed_by"][0]["actor"]):
        assert word in told
    assert duoyun.plan("--detailed-exitcode", code=2)["changes"] == {"update": 1}, "a plan would close it again"
    assert 22 in ports(sandbox, group), "looking changes nothing"

    mended = duoyun.on("drift scan", "--remediate", "-o", "json").ended(0).json
    assert mended["drifted"] == 1
    assert mended["mended"]["actions"] == 1
    assert ports(sandbox, group) == {8080}
    assert duoyun.on("history", "-o", "json").ended(0).json["revisions"][0]["message"] == "drift remediation"

    kubernetes_script(duoyun)
    found = scan(duoyun, code=2)
    assert {name: row["kind"] for name, row in found.items()} == {
        "web-a": "changed", "web-h": "changed", "web-public": "missing", "orders-1": "delegated",
    }  # fmt: skip
    assert any("image" in d["path"] for d in found["web-a"]["fields"])
    assert any("replicas" in d["path"] for d in found["web-h"]["fields"])
    status = duoyun.on("status", "-o", "json").ended(0).json["rows"]
    assert {(r["service"], r["in_sync"]) for r in status} >= {("web", False), ("orders", True), ("ledger", True)}
    mended = duoyun.on("drift scan", "--remediate", "-o", "json").ended(0).json["mended"]
    assert (mended["actions"], mended["left"]) == (3, 0)
    assert {name: row["kind"] for name, row in scan(duoyun, code=0).items()} == {"orders-1": "delegated"}
    after = duoyun.on("status", "-o", "json").ended(0).json
    assert all(row["in_sync"] for row in after["rows"])
    assert len(after["endpoints"]) == len(urls) == 2
    for row in after["endpoints"]:
        assert httpx.get(row["url"], timeout=10.0, trust_env=False).json()["version"] == "1.0.0"
    duoyun.destroy()
    assert sandbox.empty


def kubernetes_script(duoyun: Any) -> None:
    """By hand: another image in one cluster, more replicas and no public Service in the second. By an autoscaler,
    which will want its field again: more replicas in the third."""
    from kubernetes import client

    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "registry.example.com/evil:6"}]}}}}
    more = {"spec": {"replicas": 2}}
    with duoyun.cluster("aws-cn/cn-north-1") as cluster:
        client.AppsV1Api(cluster).patch_namespaced_deployment("web-a", "small", image)
    with duoyun.cluster("alibaba-cn/cn-hangzhou") as cluster:
        client.AppsV1Api(cluster).patch_namespaced_deployment_scale("web-h", "small", more)
        client.CoreV1Api(cluster).delete_namespaced_service("web-public", "small")
    with duoyun.cluster("azure-cn/chinanorth3") as cluster:
        client.AppsV1Api(cluster).patch_namespaced_deployment("orders-1", "small", more, field_manager="keda-operator")


def test_what_is_beside_ours_is_told_apart(duoyun: Any, sandbox: Any) -> None:
    """An orphan carries our tag and stands in no record; what carries none is foreign, and neither is touched."""
    duoyun.deploy()
    ec2 = sandbox.ec2()
    network = ec2.describe_vpcs(Filters=[{"Name": "tag:duoyun-name", "Values": ["main"]}])["Vpcs"][0]["VpcId"]
    ours = [{"Key": "duoyun-fleet", "Value": "small"}, {"Key": "duoyun-name", "Value": "left"}]
    made = {
        "orphan": ec2.create_security_group(
            GroupName="left", Description="x", VpcId=network,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": ours}],
        )["GroupId"],
        "foreign": ec2.create_security_group(GroupName="theirs", Description="x", VpcId=network)["GroupId"],
    }  # fmt: skip
    assert {name: row["kind"] for name, row in scan(duoyun, code=2).items()} == {"left": "orphan"}
    beside = scan(duoyun, "--foreign", code=2)
    assert beside["theirs"]["kind"] == "foreign"
    assert duoyun.plan("--detailed-exitcode")["changes"] == {}
    for group in made.values():
        ec2.delete_security_group(GroupId=group)
    assert scan(duoyun, code=0) == {}
    duoyun.destroy()


def test_a_schedule_scans_again_and_again_and_stops_when_asked(
    duoyun: Any, sandbox: Any, until: Callable[..., Any]
) -> None:
    duoyun.deploy()
    running = duoyun.start("drift", "scan", duoyun.files, "--every", "1s", "-o", "json")
    until(lambda: running.said.count('"checked"') >= 2, "the second scan")
    open_port(sandbox, 3389)
    until(lambda: "DY-NET" in running.said, "a scan that finds the open port")
    sandbox.fault(service="aws", operation="ec2:*", count=-1, status=401, code="AuthFailure", message="no longer valid")
    until(lambda: "scan_failed" in running.said, "a scan that fails")
    sandbox.faultless()
    scans = running.said.count('"checked"')
    until(lambda: running.said.count('"checked"') > scans, "the scan after the failed one")
    running.interrupt()
    ended = running.end().ended(0)
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert (lines[0]["drifted"], lines[-1]["drifted"]) == (0, 1)
    duoyun.destroy()
