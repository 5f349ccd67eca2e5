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
    running = cloud.server._cloud.containers[made]
    stopped: list[bool] = []
    stop = running.stop

    async def noticed() -> None:
        stopped.append(True)
        await stop()

    running.stop = noticed  # asking the address would not tell: it is free for any other process again
    cloud.rpc("Ecs", "DeleteInstance", InstanceId=made, Force="true")
    cloud.wait(lambda: not show(cloud, made))
    assert stopped
    assert cloud.server._cloud.containers == {}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ImageId": "debian_99.vhd"}, "InvalidImageId.NotFound"),
        ({"InstanceType": "ecs.g7.huge"}, "InvalidInstanceType.ValueNotSupported"),
        ({"InstanceType": "m5.large"}, "InvalidInstanceType.ValueNotSupported"),
        ({"InstanceType": "ecs.g8y.large"}, "ImageNotSupportInstanceType"),
        ({"VSwitchId": "vsw-none"}, "InvalidVSwitchId.NotFound"),
        ({"SecurityGroupId": "sg-none"}, "InvalidSecurityGroupId.NotFound"),
        ({"ZoneId": "cn-hangzhou-k"}, "InvalidParameter.Conflict"),
        ({"UserData": "not base64!"}, "InvalidUserData.Base64FormatInvalid"),
        ({"Amount": "101"}, "InvalidParameter"),
        ({"DryRun": "true"}, "DryRunOperation"),
    ],
)
def test_instances_that_are_refused(cloud: Any, refused: Any, changes: dict[str, str], code: str) -> None:
    _, switch, group = cloud.network()
    assert refused(run, cloud, switch, group, **changes).error_code == code
    assert cloud.rpc("Ecs", "DescribeInstances")["TotalCount"] == 0


def test_a_stopped_instance_starts_again(cloud: Any, refused: Any) -> None:
    _, switch, group = cloud.network()
    made = run(cloud, switch, group, UserData=base64.b64encode(USER_DATA.encode()).decode())
    assert refused(cloud.rpc, "Ecs", "StartInstances", InstanceId__1=made).error_code == "IncorrectInstanceStatus"
    cloud.wait(lambda: show(cloud, made)["Status"] == "Running")
    assert refused(cloud.rpc, "Ecs", "DeleteInstance", InstanceId=made).error_code == "IncorrectInstanceStatus"
    cloud.rpc("Ecs", "StopInstances", InstanceId__1=made)
    cloud.wait(lambda: show(cloud, made)["Status"] == "Stopped")
    cloud.rpc("Ecs", "StartInstances", InstanceId__1=made)
    cloud.wait(lambda: show(cloud, made)["Status"] == "Running")
    address = show(cloud, made)["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]
    with urllib.request.urlopen(f"http://{address}:8080/healthz", timeout=5) as answer:
        assert answer.status == 200


def test_what_an_instance_tells(cloud: Any) -> None:
    _, switch, group = cloud.network()
    extra = {"SystemDisk__Size": 60, "SystemDisk__Encrypted": "true", "InstanceName": "web-1", "Tag__1__Key": "a"}
    made = run(cloud, switch, group, InternetMaxBandwidthOut=5, **extra)
    cloud.wait(lambda: show(cloud, made)["Status"] == "Running")
    row = show(cloud, made)
    assert (row["Cpu"], row["Memory"], row["ZoneId"]) == (2, 8192, "cn-hangzhou-b")
    assert row["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == ["10.1.0.4"]
    assert row["PublicIpAddress"]["IpAddress"]
    (disk,) = cloud.rpc("Ecs", "DescribeDisks", InstanceId=made)["Disks"]["Disk"]
    assert (disk["Size"], disk["Encrypted"]) == (60, True)
    assert cloud.rpc("Ecs", "DescribeInstances", InstanceName="web-*")["TotalCount"] == 1
    assert cloud.rpc("Ecs", "DescribeInstances", InstanceName="db-*")["TotalCount"] == 0
    assert cloud.rpc("Ecs", "DescribeInstanceStatus")["InstanceStatuses"]["InstanceStatus"][0]["Status"] == "Running"


def test_a_missing_image_leaves_the_machine_running_and_silent(cloud: Any) -> None:
    _, switch, group = cloud.network()
    text = USER_DATA.replace("gate:v1", "missing-gate:v1")
    made = run(cloud, switch, group, UserData=base64.b64encode(text.encode()).decode())
    cloud.wait(lambda: show(cloud, made)["Status"] == "Running")
    assert show(cloud, made)["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == ["10.1.0.4"]
    assert base64.b64decode(cloud.rpc("Ecs", "DescribeUserData", InstanceId=made)["UserData"]).decode() == text


def test_the_group_and_switch_of_a_machine_stay(cloud: Any, refused: Any) -> None:
    _, switch, group = cloud.network()
    run(cloud, switch, group)
    assert refused(cloud.rpc, "Ecs", "DeleteSecurityGroup", SecurityGroupId=group).error_code == "DependencyViolation"
    assert refused(cloud.rpc, "Vpc", "DeleteVSwitch", VSwitchId=switch).error_code == "DependencyViolation"


def test_many_at_once(cloud: Any) -> None:
    _, switch, group = cloud.network()
    run(cloud, switch, group, Amount=15)
    assert cloud.rpc("Ecs", "DescribeInstances")["TotalCount"] == 15
    assert len(cloud.rpc("Ecs", "DescribeInstances", PageSize=10, PageNumber=2)["Instances"]["Instance"]) == 5
    assert len({row["id"] for row in cloud.server.inventory() if row["kind"] == "instance"}) == 15
