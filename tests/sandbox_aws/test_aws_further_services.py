"""Disks, balancers, scaling groups and DNS in the sandbox, with the bare SDK: states, refusals, pages."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.world import Container


def code(work: Any) -> str:
    with pytest.raises(ClientError) as refused:
        work()
    return str(refused.value.response["Error"]["Code"])


def subnet(client: Any, cidr: str) -> str:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone="us-west-2a")
    return str(made["Subnet"]["SubnetId"])


def image(client: Any) -> str:
    name = "/aws/service/debian/release/12/latest/amd64"
    return str(client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


@pytest.mark.parametrize("size", [5, 6, 100])
def test_every_row_is_seen_on_small_pages(client: Any, size: int) -> None:
    ec2 = client("ec2", "us-east-2")
    made = {ec2.create_volume(AvailabilityZone="us-east-2a", Size=1)["VolumeId"] for _ in range(6)}
    pages = list(ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"PageSize": size}))
    seen = [volume["VolumeId"] for page in pages for volume in page["Volumes"]]
    assert made <= set(seen)
    assert len(seen) == len(set(seen))
    assert all(len(page["Volumes"]) <= size for page in pages)
    assert (len(pages) > 1) is (len(seen) > size)


def test_pages_in_other_protocols(client: Any) -> None:
    """JSON, the query protocol, and REST; each with its own words."""
    ecr, scaling, route53 = (client(service, "us-east-2") for service in ("ecr", "autoscaling", "route53"))
    for number in range(3):
        ecr.create_repository(repositoryName=f"paged-{number}")
        named = {"LaunchConfigurationName": f"paged-{number}"}
        scaling.create_launch_configuration(**named, ImageId="ami-1", InstanceType="t3.micro")
        route53.create_hosted_zone(Name=f"paged-{number}.example", CallerReference=f"paged-{number}")
    for api, operation, rows in (
        (ecr, "describe_repositories", "repositories"),
        (scaling, "describe_launch_configurations", "LaunchConfigurations"),
        (route53, "list_hosted_zones", "HostedZones"),
    ):
        pages = list(api.get_paginator(operation).paginate(PaginationConfig={"PageSize": 1}))
        assert all(len(page[rows]) == 1 for page in pages)
        assert sum("paged-" in str(page[rows]) for page in pages) == 3
    assert code(lambda: ecr.describe_repositories(nextToken="page-nobody-knows")) == "InvalidNextToken"


def test_a_volume_takes_its_time_and_refuses_what_cannot_be(client: Any, eventually: Any) -> None:
    ec2 = client("ec2")

    def now() -> Any:
        return ec2.describe_volumes(VolumeIds=[disk])["Volumes"][0]

    disk = ec2.create_volume(AvailabilityZone="us-west-2b", Size=4)["VolumeId"]
    assert code(lambda: ec2.delete_volume(VolumeId=disk)) == "IncorrectState"
    eventually(lambda: now()["State"] == "available")
    run = {"ImageId": image(client), "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
    machine = ec2.run_instances(**run, SubnetId=subnet(client, "10.81.0.0/24"))["Instances"][0]["InstanceId"]
    elsewhere = {"VolumeId": disk, "InstanceId": machine, "Device": "/dev/sdf"}
    assert code(lambda: ec2.attach_volume(**elsewhere)) == "InvalidVolume.ZoneMismatch"
    near = ec2.create_volume(AvailabilityZone="us-west-2a", Size=4)["VolumeId"]
    disk = near
    eventually(lambda: now()["State"] == "available")
    here = elsewhere | {"VolumeId": near}
    assert ec2.attach_volume(**here)["State"] == "attaching"
    eventually(lambda: now()["Attachments"][0]["State"] == "attached")
    assert now()["Attachments"][0]["DeleteOnTermination"] is False
    assert code(lambda: ec2.attach_volume(**here)) == code(lambda: ec2.delete_volume(VolumeId=near)) == "VolumeInUse"
    assert code(lambda: ec2.modify_volume(VolumeId=near, Size=3)) == "InvalidParameterValue"
    assert ec2.modify_volume(VolumeId=near, Size=9)["VolumeModification"]["ModificationState"] == "modifying"
    assert ec2.detach_volume(VolumeId=near)["State"] == "detaching"
    eventually(lambda: now()["State"] == "available")
    ec2.delete_volume(VolumeId=near)


def test_members_of_a_group_run_what_their_template_says(client: Any, eventually: Any, sandbox: Any) -> None:
    ec2, scaling = client("ec2"), client("autoscaling")
    place = subnet(client, "10.82.0.0/24")
    vpc = ec2.describe_subnets(SubnetIds=[place])["Subnets"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="members", Description="members", VpcId=vpc)["GroupId"]
    script = "#cloud-config\nruncmd:\n- podman run -d -p 8080:8080 registry/app:1\n"
    data = {
        "ImageId": image(client), "InstanceType": "t3.micro", "UserData": base64.b64encode(script.encode()).decode(),
        "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [group]}],
    }  # fmt: skip
    ec2.create_launch_template(LaunchTemplateName="members", LaunchTemplateData=data)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="members", LaunchTemplate={"LaunchTemplateName": "members", "Version": "1"},
        MinSize=0, MaxSize=2, DesiredCapacity=1, VPCZoneIdentifier=place,
    )  # fmt: skip

    def rows() -> list[Any]:
        found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["members"])["AutoScalingGroups"]
        return [member for one in found for member in one["Instances"]] if found else []

    eventually(lambda: [member["LifecycleState"] for member in rows()] == ["InService"])
    machine = ec2.describe_instances(InstanceIds=[rows()[0]["InstanceId"]])["Reservations"][0]["Instances"][0]
    assert [g["GroupId"] for g in machine["SecurityGroups"]] == [group]
    containers: dict[str, Container] = sandbox.sandbox.servers["aws"].cloud.containers
    assert containers[machine["InstanceId"]].ip == machine["PrivateIpAddress"]
    assert code(lambda: ec2.delete_security_group(GroupId=group)) == "DependencyViolation"
    assert code(lambda: scaling.delete_auto_scaling_group(AutoScalingGroupName="members")) == "ResourceInUse"
    scaling.delete_auto_scaling_group(AutoScalingGroupName="members", ForceDelete=True)
    (going,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["members"])["AutoScalingGroups"]
    assert going["Status"] == "Delete in progress"
    named = {"AutoScalingGroupNames": ["members"]}
    eventually(lambda: not scaling.describe_auto_scaling_groups(**named)["AutoScalingGroups"])
    assert machine["InstanceId"] not in containers


def test_a_balancer_keeps_its_subnets(client: Any, eventually: Any) -> None:
    ec2, elb = client("ec2"), client("elbv2")
    place = subnet(client, "10.83.0.0/24")
    wish = {"Name": "kept", "Type": "network", "Scheme": "internal", "Subnets": [place]}
    made = elb.create_load_balancer(**wish)["LoadBalancers"][0]
    assert made["State"]["Code"] == "provisioning"
    assert elb.create_load_balancer(**wish)["LoadBalancers"][0]["LoadBalancerArn"] == made["LoadBalancerArn"]
    eventually(lambda: elb.describe_load_balancers(Names=["kept"])["LoadBalancers"][0]["State"]["Code"] == "active")
    assert code(lambda: ec2.delete_subnet(SubnetId=place)) == "DependencyViolation"
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])
    ec2.delete_subnet(SubnetId=place)
