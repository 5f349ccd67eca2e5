"""What a state folder keeps of AWS: networks, clusters with their nodes, instances with what runs on them."""

import base64
import json
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

REPOSITORY = Path(__file__).resolve().parents[2]
USER_DATA = "#cloud-config\nruncmd:\n- podman run -d -p 8080:8080 registry/app:1\n"


class Run:
    """One life of a sandbox process over a state folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "endpoints.json"
        command = [sys.executable, "-m", "sandbox", "--clouds", "aws", "--state", str(folder / "state")]
        self.process = subprocess.Popen([*command, "--endpoints-file", str(self.file)], cwd=REPOSITORY)
        wait_until(self.file.exists)
        self.endpoints = json.loads(self.file.read_text())

    def client(self, service: str) -> Any:
        account = self.endpoints["accounts"][0]
        return boto3.client(
            service,
            region_name="eu-west-1",
            endpoint_url=self.endpoints["clouds"]["aws"]["url"],
            aws_access_key_id=account["key_id"],
            aws_secret_access_key=account["secret"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def end(self, how: int) -> None:
        self.process.send_signal(how)
        self.process.wait(20)


def wait_until(true: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    end = time.monotonic() + timeout_s
    while not (answer := true()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return answer


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Callable[[], Run]]:
    lives: list[Run] = []

    def begin() -> Run:
        lives.append(Run(tmp_path))
        return lives[-1]

    yield begin
    for run in lives:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)


def build(run: Run) -> str:
    """A VPC with a cluster of one node and an instance; the instance's id."""
    ec2, eks = run.client("ec2"), run.client("eks")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"eu-west-1{z}")["Subnet"]["SubnetId"]
        for i, z in enumerate("ab")
    ]
    role = "arn:aws:iam::111111111111:role/any"
    eks.create_cluster(name="main", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
    wait_until(lambda: eks.describe_cluster(name="main")["cluster"]["status"] == "ACTIVE")
    size = {"minSize": 1, "maxSize": 1, "desiredSize": 1}
    eks.create_nodegroup(
        clusterName="main", nodegroupName="a", nodeRole=role, subnets=subnets[:1], scalingConfig=size,
        instanceTypes=["m6i.large"],
    )  # fmt: skip
    wait_until(lambda: eks.describe_nodegroup(clusterName="main", nodegroupName="a")["nodegroup"]["status"] == "ACTIVE")
    image = run.client("ssm").get_parameter(Name="/aws/service/debian/release/12/latest/amd64")["Parameter"]["Value"]
    made = ec2.run_instances(
        ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=subnets[0], UserData=USER_DATA
    )
    instance_id: str = made["Instances"][0]["InstanceId"]
    wait_until(lambda: instance(run, instance_id)["State"]["Name"] == "running")
    build_further(run, subnets, image)
    return instance_id


def build_further(run: Run, subnets: list[str], image: str) -> None:
    """One of each of the other services that a state folder keeps; nobody waits until they are ready."""
    ec2 = run.client("ec2")
    ec2.create_volume(AvailabilityZone="eu-west-1a", Size=7, VolumeType="gp3")
    ec2.create_launch_template(
        LaunchTemplateName="kept", LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"}
    )
    run.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="kept", LaunchTemplate={"LaunchTemplateName": "kept", "Version": "1"}, MinSize=1,
        MaxSize=1, VPCZoneIdentifier=subnets[0],
    )  # fmt: skip
    run.client("elbv2").create_load_balancer(Name="kept", Type="network", Subnets=subnets)
    run.client("route53").create_hosted_zone(Name="kept.example", CallerReference="kept")


def check_further(run: Run) -> None:
    """They are there, and come to be ready."""
    ec2, elb = run.client("ec2"), run.client("elbv2")
    wait_until(lambda: [v for v in ec2.describe_volumes()["Volumes"] if (v["Size"], v["State"]) == (7, "available")])
    wait_until(lambda: elb.describe_load_balancers(Names=["kept"])["LoadBalancers"][0]["State"]["Code"] == "active")
    wait_until(lambda: serving(run))
    assert run.client("route53").list_hosted_zones()["HostedZones"][0]["Name"] == "kept.example."


def serving(run: Run) -> bool:
    (group,) = run.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return [member["LifecycleState"] for member in group["Instances"]] == ["InService"]


def instance(run: Run, instance_id: str) -> dict[str, Any]:
    found: dict[str, Any] = run.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"][0]
    row: dict[str, Any] = found["Instances"][0]
    return row


def test_everything_comes_back_after_a_stop_and_after_a_kill(life: Callable[[], Run]) -> None:
    first = life()
    instance_id = build(first)
    first.end(signal.SIGTERM)

    second = life()
    check(second, instance_id)
    time.sleep(0.5)  # the state file is written within 0.2 s of a change; a kill in that window loses the change
    second.end(signal.SIGKILL)
    second.file.unlink()

    third = life()
    found = third.client("ec2").describe_instances(InstanceIds=[instance_id])
    assert found["Reservations"]


def check(run: Run, instance_id: str) -> None:
    wait_until(lambda: instance(run, instance_id)["State"]["Name"] == "running")
    ip = instance(run, instance_id)["PrivateIpAddress"]
    with urllib.request.urlopen(f"http://{ip}:8080/", timeout=5) as answer:
        assert answer.status == 200
    check_further(run)
    eks = run.client("eks")
    cluster = wait_until(lambda: active(eks))
    group = wait_until(lambda: eks.describe_nodegroup(clusterName="main", nodegroupName="a")["nodegroup"])
    assert group["scalingConfig"]["desiredSize"] == 1
    trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificateAuthority"]["data"]).decode())
    with urllib.request.urlopen(f"{cluster['endpoint']}/version", timeout=5, context=trust) as answer:
        assert answer.status == 200
    eks.delete_nodegroup(clusterName="main", nodegroupName="a")
    wait_until(lambda: not eks.list_nodegroups(clusterName="main")["nodegroups"])


def active(eks: Any) -> dict[str, Any] | None:
    found: dict[str, Any] = eks.describe_cluster(name="main")["cluster"]
    return found if found["status"] == "ACTIVE" and found.get("endpoint") else None
