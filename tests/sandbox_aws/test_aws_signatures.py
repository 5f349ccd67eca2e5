"""Who may call: signatures, regions, partitions, readers, assumed roles."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

READS = {
    "sts": lambda c: c.get_caller_identity(),
    "ec2": lambda c: c.describe_vpcs(),
    "iam": lambda c: c.list_roles(),
    "eks": lambda c: c.list_clusters(),
    "ssm": lambda c: c.describe_parameters(),
}
WRONG_SECRET = {
    "sts": "SignatureDoesNotMatch",
    "ec2": "AuthFailure",
    "iam": "SignatureDoesNotMatch",
    "eks": "InvalidSignatureException",
    "ssm": "InvalidSignatureException",
}
UNKNOWN_KEY = {
    "sts": "InvalidClientTokenId",
    "ec2": "AuthFailure",
    "iam": "InvalidClientTokenId",
    "eks": "UnrecognizedClientException",
    "ssm": "UnrecognizedClientException",
}


def code_of(call: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    assert response["ResponseMetadata"]["RequestId"]
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("service", READS)
def test_wrong_secret_in_the_protocols_own_form(client: Any, service: str) -> None:
    code, status = code_of(lambda: READS[service](client(service, aws_secret_access_key="wrong")))
    assert code == WRONG_SECRET[service]
    assert status in (401, 403)


@pytest.mark.parametrize("service", READS)
def test_unknown_key(client: Any, service: str) -> None:
    code, status = code_of(lambda: READS[service](client(service, aws_access_key_id="AKIA" + "Z" * 16)))
    assert code == UNKNOWN_KEY[service]
    assert status in (401, 403)


@pytest.mark.parametrize(
    ("partition", "region"),
    [("aws", "cn-north-1"), ("aws-cn", "us-east-1"), ("aws", "mars-north-1"), ("aws-cn", "cn-south-9")],
)
@pytest.mark.parametrize("service", ["ec2", "eks", "sts"])
def test_regions_of_another_partition_or_planet_are_refused(
    client: Any, service: str, partition: str, region: str
) -> None:
    code, status = code_of(lambda: READS[service](client(service, region, partition=partition)))
    assert code == WRONG_SECRET[service]  # AWS says so too: the scope is part of the signature
    assert status in (401, 403)


def test_each_key_is_its_accounts_principal(client: Any) -> None:
    here = client("sts").get_caller_identity()
    assert (here["Account"], here["Arn"]) == ("111111111111", "arn:aws:iam::111111111111:user/sandbox-admin")
    china = client("sts", "cn-north-1", partition="aws-cn", reader=True).get_caller_identity()
    assert china["Arn"] == "arn:aws-cn:iam::222222222222:user/sandbox-reader"


@pytest.mark.parametrize(
    ("service", "code", "write"),
    [
        ("ec2", "UnauthorizedOperation", lambda c: c.create_vpc(CidrBlock="10.0.0.0/16")),
        ("eks", "AccessDeniedException", lambda c: c.delete_cluster(name="x")),
        ("iam", "AccessDenied", lambda c: c.delete_role(RoleName="x")),
        ("ssm", "AccessDeniedException", lambda c: c.put_parameter(Name="x", Value="y", Type="String")),
    ],
)
def test_reader_keys_read_and_do_not_write(client: Any, service: str, code: str, write: Any) -> None:
    reader = client(service, reader=True)
    READS[service](reader)
    assert code_of(lambda: write(reader)) == (code, 403)


def test_assumed_role_works_in_its_account(client: Any) -> None:
    role = "arn:aws:iam::111111111111:role/deployer"
    given = client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    who = client("sts", **keys).get_caller_identity()
    assert who["Arn"] == "arn:aws:sts::111111111111:assumed-role/deployer/me"
    assert code_of(lambda: client("sts", **(keys | {"aws_secret_access_key": "no"})).get_caller_identity())[0] == (
        "SignatureDoesNotMatch"
    )


def test_what_moto_lacks_is_said_in_the_protocol(client: Any) -> None:
    assert code_of(lambda: client("eks").describe_addon_versions())[0] == "InvalidAction"
    assert code_of(lambda: client("pricing", "us-east-1").describe_services())[0] == "InvalidAction"
