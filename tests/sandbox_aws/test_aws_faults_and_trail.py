"""Faults by the table, lost answers, and the event history."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError


def test_a_fault_answers_instead_of_aws(client: Any, faults: Any) -> None:
    faults.add({"service": "aws", "operation": "ec2:CreateVpc", "status": 503, "code": "RequestLimitExceeded"})
    faults.add({"service": "aws", "operation": "eks:ListClusters", "status": 429, "code": "ThrottlingException",
                "message": "slow down", "retry_after_s": 2})  # fmt: skip
    with pytest.raises(ClientError) as error:
        client("ec2").create_vpc(CidrBlock="10.9.0.0/16")
    assert error.value.response["Error"]["Code"] == "RequestLimitExceeded"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    with pytest.raises(ClientError) as error:
        client("eks").list_clusters()
    assert error.value.response["Error"] == {"Code": "ThrottlingException", "Message": "slow down"}
    assert error.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "2"
    client("eks").list_clusters()


def test_a_lost_answer_was_executed(client: Any, faults: Any) -> None:
    ec2 = client("ec2", "us-east-2")
    before = {v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"]}
    faults.add({"service": "aws", "operation": "ec2:CreateVpc", "match": "us-east-2", "drop_answer": True})
    with pytest.raises(ConnectionClosedError):
        ec2.create_vpc(CidrBlock="10.9.0.0/16")
    assert len({v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"]} - before) == 1


def test_delays_and_the_log(client: Any, faults: Any) -> None:
    faults.add({"id": "slow", "service": "aws", "operation": "sts:*", "delay_s": 0.2})
    began = datetime.now(UTC)
    client("sts").get_caller_identity()
    assert datetime.now(UTC) - began >= timedelta(seconds=0.2)
    assert faults.log()[-1]["fault"] == "slow"
    assert faults.log()[-1]["operation"] == "sts:GetCallerIdentity"


def test_the_history_says_who_changed_what(client: Any) -> None:
    ec2, trail = client("ec2", "us-east-2"), client("cloudtrail", "us-east-2")
    began = datetime.now(UTC) - timedelta(seconds=1)
    vpc_id = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc_id)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    ec2.describe_security_groups(GroupIds=[group])

    def lookup(**more: Any) -> list[dict[str, Any]]:
        attributes = [{"AttributeKey": "ResourceName", "AttributeValue": group}]
        found: list[dict[str, Any]] = trail.lookup_events(LookupAttributes=attributes, **more)["Events"]
        return found

    events = lookup(StartTime=began)
    assert [e["EventName"] for e in events] == ["AuthorizeSecurityGroupIngress", "CreateSecurityGroup"]
    assert events[0]["Username"] == "sandbox-admin"
    assert '"arn": "arn:aws:iam::111111111111:user/sandbox-admin"' in events[0]["CloudTrailEvent"]
    assert lookup(StartTime=datetime.now(UTC) + timedelta(hours=1)) == []
    pages = trail.get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 1, "MaxItems": 3})
    assert len([e for page in pages for e in page["Events"]]) == 3


def test_secrets_and_user_data_stay_out_of_the_history(client: Any, vpc: dict[str, str], image: str) -> None:
    client("ec2").run_instances(
        ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=vpc["b"], UserData="#! very private"
    )
    events = client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "RunInstances"}]
    )["Events"]
    assert "HIDDEN" in events[0]["CloudTrailEvent"]
    assert "private" not in events[0]["CloudTrailEvent"].replace("privateIp", "")


def test_clearing_a_rules_description(client: Any, vpc: dict[str, str]) -> None:
    ec2 = client("ec2")
    group = ec2.create_security_group(GroupName="described", Description="d", VpcId=vpc["vpc"])["GroupId"]
    rule = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "ours"}]}
    ec2.update_security_group_rule_descriptions_egress(GroupId=group, IpPermissions=[rule])

    def described() -> str | None:
        row = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        text: str | None = row["IpPermissionsEgress"][0]["IpRanges"][0].get("Description")
        return text

    assert described() == "ours"
    bare = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.update_security_group_rule_descriptions_egress(GroupId=group, IpPermissions=[bare])
    assert not described()
