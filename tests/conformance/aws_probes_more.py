"""Probes of disks, balancers, groups, names, clusters and the rest: what plain moto answers, and the sandbox."""

from __future__ import annotations

import time
from typing import Any

from tests.conformance.aws_probes import image
from tests.conformance.shown import PROBES, ROLES, said, shows

# -- disks, balancers, groups, names -----------------------------------------------------------------------------------


@shows("volumes", plain="available, ok", here="creating, InvalidParameterValue")
def volume(side: Any) -> str:
    """How a new one is, and whether it can shrink."""
    ec2 = side.client("ec2")
    made = ec2.create_volume(AvailabilityZone=f"{side.region}a", Size=20, VolumeType="gp3")
    smaller = said(lambda: ec2.modify_volume(VolumeId=made["VolumeId"], Size=10))
    return f"{made['State']}, {smaller}"


def balancer(side: Any, name: str, **more: Any) -> dict[str, Any]:
    ec2 = side.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.67.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.67.0.0/24")["Subnet"]["SubnetId"]
    made: dict[str, Any] = side.client("elbv2").create_load_balancer(
        Name=name, Type="network", Scheme="internal", Subnets=[subnet], **more
    )["LoadBalancers"][0]
    return made


@shows("load balancers", plain="ok, ok", here="DuplicateLoadBalancerName, OperationNotPermitted")
def same_name_and_protected(side: Any) -> str:
    elb, arn = side.client("elbv2"), balancer(side, "probe")["LoadBalancerArn"]
    protect = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=protect)
    again = said(lambda: balancer(side, "probe"))
    return f"{again}, {said(lambda: elb.delete_load_balancer(LoadBalancerArn=arn))}"


@shows("scaling groups", plain="InService, then gone", here="Pending, then Delete in progress")
def scaling_group(side: Any) -> str:
    ec2, scaling = side.client("ec2"), side.client("autoscaling")
    data = {"ImageId": image(side), "InstanceType": "m6i.large"}
    ec2.create_launch_template(LaunchTemplateName="probe", LaunchTemplateData=data)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="probe", LaunchTemplate={"LaunchTemplateName": "probe", "Version": "1"}, MinSize=1,
        MaxSize=1, AvailabilityZones=[f"{side.region}a"],
    )  # fmt: skip

    def rows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        return [row for row in found if row["AutoScalingGroupName"] == "probe"]

    first = rows()[0]["Instances"][0]["LifecycleState"]
    scaling.delete_auto_scaling_group(AutoScalingGroupName="probe", ForceDelete=True)
    return f"{first}, then {''.join(row.get('Status', '') for row in rows()) or 'gone'}"


@shows("DNS changes", plain="INSYNC INSYNC, 1 id", here="PENDING PENDING, 2 ids")
def dns_changes(side: Any) -> str:
    route53 = side.client("route53")
    zone = route53.create_hosted_zone(Name="probe.example", CallerReference=str(time.time()))["HostedZone"]["Id"]
    told = []
    for number in range(2):
        record = {
            "Name": f"r{number}.probe.example",
            "Type": "A",
            "TTL": 60,
            "ResourceRecords": [{"Value": "192.0.2.1"}],
        }
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        told.append(route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)["ChangeInfo"])
    ids = len({change["Id"] for change in told})
    return f"{' '.join(change['Status'] for change in told)}, {ids} id{'s' if ids > 1 else ''}"


@shows("AWS's own keys", plain="CUSTOMER", here="AWS")
def key_of_encrypted_volumes(side: Any) -> str:
    volume = side.client("ec2").create_volume(AvailabilityZone=f"{side.region}a", Size=1, Encrypted=True)
    return str(side.client("kms").describe_key(KeyId=volume["KmsKeyId"])["KeyMetadata"]["KeyManager"])


@shows("pages", plain="all at once", here="5 and more")
def page_of_volumes(side: Any) -> str:
    ec2 = side.client("ec2")
    for _ in range(6):
        ec2.create_volume(AvailabilityZone=f"{side.region}b", Size=1)
    page = ec2.describe_volumes(MaxResults=5)
    return f"{len(page['Volumes'])} and more" if page.get("NextToken") else "all at once"


# -- EKS and IAM -------------------------------------------------------------------------------------------------------


@shows("managed policies", plain="NoSuchEntity", here="ok")
def managed_policy(side: Any) -> str:
    iam = side.client("iam", region_name="cn-north-1")
    iam.create_role(RoleName="probe", AssumeRolePolicyDocument="{}")
    policy = "arn:aws-cn:iam::aws:policy/AmazonEKSClusterPolicy"
    return said(lambda: iam.attach_role_policy(RoleName="probe", PolicyArn=policy))


def cluster(side: Any, name: str, **more: Any) -> dict[str, Any]:
    ec2 = side.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.69.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.69.{n}.0/24", AvailabilityZone=f"{side.region}{z}")["Subnet"]
        for n, z in enumerate("ab")
    ]
    config = {"subnetIds": [s["SubnetId"] for s in subnets]}
    made: dict[str, Any] = side.client("eks").create_cluster(
        name=name, roleArn=ROLES["cluster_role_arn"], resourcesVpcConfig=config, **more
    )["cluster"]
    return made | {"subnets": config["subnetIds"], "vpc": vpc}


@shows("EKS clusters", plain="ACTIVE 1.19 ok", here="CREATING 1.35 InvalidParameterException")
def new_cluster(side: Any) -> str:
    made = cluster(side, "probe-new")
    old = said(lambda: cluster(side, "probe-old", version="1.20"))
    return f"{made['status']} {made['version']} {old}"


# -- the rest ----------------------------------------------------------------------------------------------------------


@shows("CloudTrail", plain="500", here="ok")
def who_did_it(side: Any) -> str:
    return said(side.client("cloudtrail").lookup_events)


@shows("request ids", plain="the same each time", here="one for each")
def request_ids(side: Any) -> str:
    ids = {side.client("ec2").describe_vpcs()["ResponseMetadata"]["RequestId"] for _ in range(2)}
    return "one for each" if len(ids) == 2 else "the same each time"


@shows("unknown actions", plain="HTML", here="InvalidAction")
def what_moto_has_not(side: Any) -> str:
    return said(side.client("ec2").describe_verified_access_groups)


__all__ = ["PROBES"]  # with those of this module, and of the one before it
