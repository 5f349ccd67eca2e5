"""EC2: what is refused, what takes time, what runs on an instance, and what a client token means."""

import socket
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

USER_DATA = """#cloud-config
write_files:
- path: /etc/systemd/system/app.service
  content: |
    [Service]
    ExecStart=/usr/bin/podman run --rm -p {port}:{port} --env GREETING=hi --label app.kubernetes.io/name=web {image}
"""


def refused(call: Any) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


def launch(client: Any, vpc: dict[str, str], image: str, **more: Any) -> dict[str, Any]:
    request = {
        "ImageId": image,
        "InstanceType": "t3.micro",
        "MinCount": 1,
        "MaxCount": 1,
        "SubnetId": vpc["a"],
        **more,
    }
    found: dict[str, Any] = client("ec2").run_instances(**request)["Instances"][0]
    return found


def describe(client: Any, instance_id: str) -> dict[str, Any]:
    answer = client("ec2").describe_instances(InstanceIds=[instance_id])
    found: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
    return found


def state(client: Any, instance_id: str) -> str:
    return str(describe(client, instance_id)["State"]["Name"])


def test_an_instance_takes_time_runs_its_image_and_goes(
    client: Any, vpc: dict[str, str], image: str, eventually: Any
) -> None:
    made = launch(client, vpc, image, UserData=USER_DATA.format(port=8080, image="registry/web:1.0"))
    instance_id = made["InstanceId"]
    assert made["State"]["Name"] == "pending"
    eventually(lambda: state(client, instance_id) == "running")
    ip = describe(client, instance_id)["PrivateIpAddress"]
    assert ip.startswith("127.")
    with urllib.request.urlopen(f"http://{ip}:8080/", timeout=5) as answer:
        assert b'"service": "web"' in answer.read()
    assert "listening" in client("ec2").get_console_output(InstanceId=instance_id)["Output"]
    gone = client("ec2").terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert (gone["PreviousState"]["Name"], gone["CurrentState"]["Name"]) == ("running", "shutting-down")
    eventually(lambda: state(client, instance_id) == "terminated")

    def closed() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((ip, 8080)) != 0

    eventually(closed)


def test_a_missing_image_leaves_a_running_instance_on_which_nothing_listens(
    client: Any, vpc: dict[str, str], image: str, eventually: Any
) -> None:
    made = launch(client, vpc, image, UserData=USER_DATA.format(port=8081, image="registry/missing:1"))
    eventually(lambda: state(client, made["InstanceId"]) == "running")
    ip = describe(client, made["InstanceId"])["PrivateIpAddress"]
    with socket.socket() as probe:
        assert probe.connect_ex((ip, 8081)) != 0
    assert "not found" in client("ec2").get_console_output(InstanceId=made["InstanceId"])["Output"]


def test_stop_and_start(client: Any, vpc: dict[str, str], image: str, eventually: Any) -> None:
    made = launch(client, vpc, image)
    eventually(lambda: state(client, made["InstanceId"]) == "running")
    client("ec2").stop_instances(InstanceIds=[made["InstanceId"]])
    eventually(lambda: state(client, made["InstanceId"]) == "stopped")
    assert client("ec2").start_instances(InstanceIds=[made["InstanceId"]])["StartingInstances"]
    eventually(lambda: state(client, made["InstanceId"]) == "running")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "debian"}, "InvalidAMIID.Malformed"),
        ({"InstanceType": "t9.huge"}, "InvalidParameterValue"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
    ],
)
def test_what_does_not_exist_is_refused(
    client: Any, vpc: dict[str, str], image: str, change: dict[str, Any], code: str
) -> None:
    assert refused(lambda: launch(client, vpc, image, **change)) == code


def test_the_same_token_gets_the_first_answer_and_other_parameters_are_refused(
    client: Any, vpc: dict[str, str], image: str
) -> None:
    first = launch(client, vpc, image, ClientToken="token-1")
    again = launch(client, vpc, image, ClientToken="token-1")
    assert again["InstanceId"] == first["InstanceId"]
    code = refused(lambda: launch(client, vpc, image, ClientToken="token-1", InstanceType="t3.small"))
    assert code == "IdempotentParameterMismatch"
    assert launch(client, vpc, image, ClientToken="token-2")["InstanceId"] != first["InstanceId"]
    client("ec2").terminate_instances(InstanceIds=[first["InstanceId"]])
    assert refused(lambda: launch(client, vpc, image, ClientToken="token-1")) == "IdempotentInstanceTerminated"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tokens=st.lists(st.sampled_from(["p", "q", "r"]), min_size=1, max_size=5), salt=st.integers(0, 10**9))
def test_as_many_instances_as_different_tokens(
    client: Any, vpc: dict[str, str], image: str, tokens: list[str], salt: int
) -> None:
    ids = {launch(client, vpc, image, ClientToken=f"{salt}-{t}")["InstanceId"] for t in tokens}
    assert len(ids) == len(set(tokens))


def test_dependencies_are_refused(client: Any, vpc: dict[str, str], image: str) -> None:
    ec2 = client("ec2")
    group = ec2.create_security_group(GroupName="used", Description="d", VpcId=vpc["vpc"])["GroupId"]
    launch(client, vpc, image, SecurityGroupIds=[group])
    assert refused(lambda: ec2.delete_security_group(GroupId=group)) == "DependencyViolation"
    assert refused(lambda: ec2.delete_subnet(SubnetId=vpc["a"])) == "DependencyViolation"
    assert refused(lambda: ec2.delete_vpc(VpcId=vpc["vpc"])) == "DependencyViolation"
    code = refused(lambda: ec2.create_subnet(VpcId=vpc["vpc"], CidrBlock="10.0.9.0/24", AvailabilityZone="us-west-2x"))
    assert code == "InvalidParameterValue"


def test_images_are_found_by_parameter_and_by_owner(client: Any) -> None:
    for region, partition in (("eu-west-1", "aws"), ("cn-northwest-1", "aws-cn")):
        ec2 = client("ec2", region, partition=partition)
        images = ec2.describe_images(
            Owners=["136693071363"], Filters=[{"Name": "name", "Values": ["debian-12-amd64-*"]}]
        )["Images"]
        name = "/aws/service/debian/release/bookworm/latest/amd64"
        value = client("ssm", region, partition=partition).get_parameter(Name=name)["Parameter"]["Value"]
        assert [row["ImageId"] for row in images] == [value]
    assert refused(lambda: client("ssm").get_parameter(Name="/aws/service/debian/release/99/latest/amd64")) == (
        "ParameterNotFound"
    )


def test_china_offers_its_types_too(client: Any) -> None:
    ec2 = client("ec2", "cn-north-1", partition="aws-cn")
    offers = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["m6i.large"]}]
    )["InstanceTypeOfferings"]
    assert {o["Location"] for o in offers} == {"cn-north-1a", "cn-north-1b"}
