"""The list of what the sandbox's AWS does otherwise than plain moto is true and whole.

One life of our adapter is led on both; where they go apart, a row of the list must say so. Every row must show: in the
lives, or in a probe here that asks both the same. A row that no longer shows fails, as does a difference without one.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from orchestrator.registry import open_cloud
from sandbox.aws.differences import ROWS
from tools.conformance.lives import PLACES, Life, account_on, more_of

ROLES = {f"{who}_role_arn": f"arn:aws-cn:iam::222222222222:role/{who}" for who in ("cluster", "node")}
Probe = Callable[[Any], str]


@dataclass(frozen=True)
class Shown:
    """What a probe must answer on each side."""

    probe: Probe
    plain: str
    here: str


PROBES: dict[str, Shown] = {}


def shows(row: str, *, plain: str, here: str) -> Callable[[Probe], Probe]:
    def add(probe: Probe) -> Probe:
        PROBES[row] = Shown(probe, plain, here)
        return probe

    return add


def said(work: Callable[[], Any], well: str = "ok") -> str:
    """The error's code, or `well`."""
    try:
        work()
    except ClientError as exc:
        return str(exc.response["Error"]["Code"])
    except ResponseParserError:
        return "HTML"
    return well


# -- who asks ----------------------------------------------------------------------------------------------------------


@shows("signature", plain="ok", here="AuthFailure")
def wrong_secret(side: Any) -> str:
    return said(side.client("ec2", aws_secret_access_key="wrong").describe_vpcs)


@shows("account", plain="ok", here="AuthFailure")
def key_of_another_partition(side: Any) -> str:
    return said(side.client("ec2", region_name="us-west-2").describe_vpcs)


@shows("reader keys", plain="ok", here="UnauthorizedOperation")
def reader_writes(side: Any) -> str:
    return said(lambda: side.client("ec2", reader=True).create_vpc(CidrBlock="10.66.0.0/16"))


@shows("dry runs", plain="ok", here="DryRunOperation")
def a_dry_run_of_a_network(side: Any) -> str:
    return said(lambda: side.client("ec2").create_vpc(CidrBlock="10.67.0.0/16", DryRun=True))


@shows("policy simulation", plain="HTML", here="implicitDeny")
def a_readers_write_simulated(side: Any) -> str:
    arn = f"arn:aws-cn:iam::{side.row['account_id']}:user/sandbox-reader"
    found: list[str] = []

    def ask() -> None:
        answer = side.client("iam").simulate_principal_policy(PolicySourceArn=arn, ActionNames=["ec2:CreateVpc"])
        found.append(answer["EvaluationResults"][0]["EvalDecision"])

    return said(ask) if not (said(ask) == "ok" and found) else found[0]


@shows("assumed roles", plain="ok", here="AuthFailure")
def forged_role_secret(side: Any) -> str:
    arn = f"arn:aws-cn:iam::{side.row['account_id']}:role/any"
    given = side.client("sts").assume_role(RoleArn=arn, RoleSessionName="probe")["Credentials"]
    key = {"aws_access_key_id": given["AccessKeyId"], "aws_session_token": given["SessionToken"]}
    assert said(side.client("ec2", **key, aws_secret_access_key=given["SecretAccessKey"]).describe_vpcs) == "ok"
    return said(side.client("ec2", **key, aws_secret_access_key="forged").describe_vpcs)


# -- machines ----------------------------------------------------------------------------------------------------------


@cache
def image(side: Any) -> str:
    """Some image that is there."""
    wanted = [{"Name": "architecture", "Values": ["x86_64"]}]
    return str(side.client("ec2").describe_images(Filters=wanted)["Images"][0]["ImageId"])


def run(side: Any, **more: Any) -> dict[str, Any]:
    values = {"ImageId": image(side), "InstanceType": "m6i.large", "MinCount": 1, "MaxCount": 1}
    made: dict[str, Any] = side.client("ec2").run_instances(**(values | more))["Instances"][0]
    return made


def described(side: Any, instance: Mapping[str, Any]) -> dict[str, Any]:
    rows = side.client("ec2").describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"]
    found: dict[str, Any] = rows[0]["Instances"][0]
    return found


def once(side: Any, instance: Mapping[str, Any], state: str) -> dict[str, Any]:
    """The instance, as soon as it is in that state."""
    deadline = time.monotonic() + 20
    while (row := described(side, instance))["State"]["Name"] != state:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return row


@shows("client tokens", plain="2 instances, ok", here="1 instance, IdempotentParameterMismatch")
def same_token_twice(side: Any) -> str:
    ids = {run(side, ClientToken="the-same")["InstanceId"] for _ in range(2)}
    other = said(lambda: run(side, ClientToken="the-same", InstanceType="m6i.xlarge"))
    return f"{len(ids)} instance{'s' if len(ids) > 1 else ''}, {other}"


@shows("images and types", plain="ok, ok", here="InvalidAMIID.NotFound, InvalidParameterValue")
def bogus_image_and_type(side: Any) -> str:
    bogus = said(lambda: run(side, ImageId="ami-00000000000000000"))
    return f"{bogus}, {said(lambda: run(side, InstanceType='m99.huge'))}"


@shows("Debian images", plain="0 images, ParameterNotFound", here="4 images, ok")
def debian(side: Any) -> str:
    wanted = [{"Name": "name", "Values": ["debian-1*"]}]
    found = side.client("ec2").describe_images(Owners=["136693071363"], Filters=wanted)["Images"]
    name = "/aws/service/debian/release/13/latest/arm64"
    return f"{len(found)} images, {said(lambda: side.client('ssm').get_parameter(Name=name))}"


@shows("instances", plain="running, then terminated", here="pending, then shutting-down")
def at_once(side: Any) -> str:
    """With an hour's time for each change, so that what is not at once is not there yet."""
    timing = side.running.world.timing if side.running else None
    usual = timing.duration_s if timing else None
    try:
        if timing:
            timing.duration_s = lambda *_args, **_kwargs: 3600.0
        slow = run(side)
        first = described(side, slow)["State"]["Name"]
        side.client("ec2").terminate_instances(InstanceIds=[slow["InstanceId"]])
        return f"{first}, then {described(side, slow)['State']['Name']}"
    finally:
        if timing:
            timing.duration_s = usual


@shows("states", plain="ok", here="IncorrectInstanceState")
def stop_what_is_terminated(side: Any) -> str:
    made = run(side)
    once(side, made, "running")
    ec2, ids = side.client("ec2"), [made["InstanceId"]]
    ec2.terminate_instances(InstanceIds=ids)
    return said(lambda: ec2.stop_instances(InstanceIds=ids))


USER_DATA = "#cloud-config\nruncmd:\n  - [podman, run, -d, -p, '8080:8080', registry.example/gate:v1]\n"


@shows("what runs on them", plain="nobody answers", here="200")
def a_call_to_its_service(side: Any) -> str:
    row = once(side, run(side, UserData=USER_DATA), "running")
    if not row["PrivateIpAddress"].startswith("127."):
        return "nobody answers"  # not asked: the address may be somebody's
    with urllib.request.urlopen(f"http://{row['PrivateIpAddress']}:8080/", timeout=5) as answer:
        return str(answer.status)


@shows("console output", plain="the same whatever runs", here="says what was started")
def console(side: Any) -> str:
    made = once(side, run(side, UserData=USER_DATA), "running")
    output = side.client("ec2").get_console_output(InstanceId=made["InstanceId"])["Output"]
    return "says what was started" if "registry.example/gate:v1" in output else "the same whatever runs"


@shows("instance type offerings", plain="0", here="some")
def offerings(side: Any) -> str:
    asked = {"LocationType": "availability-zone", "Filters": [{"Name": "instance-type", "Values": ["m6i.large"]}]}
    found = side.client("ec2").describe_instance_type_offerings(**asked)["InstanceTypeOfferings"]
    return "some" if found else "0"


# -- networks ----------------------------------------------------------------------------------------------------------


def group(side: Any, name: str) -> tuple[str, str]:
    """(VPC, security group)."""
    ec2 = side.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.68.0.0/16")["Vpc"]["VpcId"]
    return vpc, ec2.create_security_group(GroupName=name, Description="probe", VpcId=vpc)["GroupId"]


@shows("deletes", plain="ok, ok", here="DependencyViolation, DependencyViolation")
def what_is_in_use(side: Any) -> str:
    ec2 = side.client("ec2")
    vpc, used = group(side, "used")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.68.0.0/24")["Subnet"]["SubnetId"]
    run(side, SubnetId=subnet, SecurityGroupIds=[used])
    first = said(lambda: ec2.delete_security_group(GroupId=used))
    return f"{first}, {said(lambda: ec2.delete_subnet(SubnetId=subnet))}"


@shows("VPC deletes", plain="ok", here="DependencyViolation")
def vpc_with_a_group(side: Any) -> str:
    vpc, _ = group(side, "left")
    return said(lambda: side.client("ec2").delete_vpc(VpcId=vpc))


@shows("rule descriptions", plain="stays", here="removed")
def description_left_out(side: Any) -> str:
    ec2 = side.client("ec2")
    _, made = group(side, "described")
    bare = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    full = bare | {"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "why"}]}
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[full])
    ec2.update_security_group_rule_descriptions_ingress(GroupId=made, IpPermissions=[bare])
    row = ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"][0]["IpPermissions"][0]["IpRanges"][0]
    return "stays" if row.get("Description") else "removed"


@shows("answer to DeleteSecurityGroup", plain="no", here="yes")
def id_in_the_answer(side: Any) -> str:
    _, made = group(side, "gone")
    return "yes" if side.client("ec2").delete_security_group(GroupId=made).get("GroupId") == made else "no"


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


# -- the lists meet ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", sorted(PROBES))
def test_a_difference_shows(plain: Any, here: Any, row: str) -> None:
    shown = PROBES[row]
    assert (shown.probe(plain), shown.probe(here)) == (shown.plain, shown.here)


@pytest.fixture(scope="module")
def both(plain: Any, here: Any, outcomes: Any) -> dict[str, tuple[str, str]]:
    """Steps of the adapter's life that end otherwise: (plain moto, sandbox)."""
    account = account_on("aws", plain.row | {"partition": "aws-cn"}, plain.url, **ROLES)
    theirs = Life(
        open_cloud(account), PLACES["aws"], "conformance", trail_s=3.0, image=image(plain), more=more_of("aws")
    ).lead()
    ours = outcomes("aws")
    return {step: (theirs.get(step, ""), ours[step]) for step in ours if step in theirs and theirs[step] != ours[step]}


def test_every_difference_of_the_lives_has_a_row(both: Any) -> None:
    explained = {step for row in ROWS for step in row.steps}
    assert {step: both[step] for step in both if step not in explained} == {}


def test_every_row_shows(both: Any) -> None:
    names = [row.what for row in ROWS]
    assert len(names) == len(set(names))
    assert set(PROBES) <= set(names)
    for row in ROWS:
        assert all(step in both for step in row.steps), (row.what, "no longer differs in", row.steps)
        assert row.steps or row.what in PROBES, row.what
