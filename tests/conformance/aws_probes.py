"""Probes of who asks, of machines and of networks: what plain moto answers, and what the sandbox does."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.conformance.shown import said, shows

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
