"""ECS instances and what they run."""

from __future__ import annotations

import base64
import urllib.request
from typing import Any

import pytest

USER_DATA = """#cloud-config
runcmd:
  - [podman, run, --detach, --publish, "8080:8080", --label, app.kubernetes.io/name=gate, registry.example/gate:v1]
"""
IMAGE = "debian_12_11_x64_20G_alibase_20260119.vhd"


def run(cloud: Any, switch: str, group: str, **more: Any) -> str:
    params = {"ImageId": IMAGE, "InstanceType": "ecs.g7.large", "VSwitchId": switch, "SecurityGroupId": group, **more}
    return str(cloud.rpc("Ecs", "RunInstances", **params)["InstanceIdSets"]["InstanceIdSet"][0])


def show(cloud: Any, instance_id: str) -> dict[str, Any]:
    rows = cloud.rpc("Ecs", "DescribeInstances", InstanceIds=f'["{instance_id}"]')["Instances"]["Instance"]
    return dict(rows[0]) if rows else {}


def test_user_data_starts_a_container_at_the_private_address(cloud: Any) -> None:
    _, switch, group = cloud.network()
    made = run(cloud, switch, group, UserData=base64.b64encode(USER_DATA.encode()).decode())
    assert show(cloud, made)["Status"] == "Pending"
    cloud.wait(lambda: show(cloud, made)["Status"] == "Running")
    address = show(cloud, made)["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]
    assert address.startswith("127.")
    with urllib.request.urlopen(f"http://{address}:8080/healthz", timeout=5) as answer:
        assert answer.status == 200
    cloud.rpc("Ecs", "DeleteInstance", InstanceId=made, Force="true")
    cloud.wait(lambda: not show(cloud, made))
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://{address}:8080/healthz", timeout=2)
