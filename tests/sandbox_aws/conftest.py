"""One sandbox for the session; clients of boto3 for its accounts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox.threaded import Running, shared

Client = Callable[..., Any]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Running]:
    with shared() as running:
        yield running


@pytest.fixture
def faults(sandbox: Running) -> Iterator[Any]:
    """The fault table, emptied afterwards."""
    yield sandbox.sandbox.faults
    sandbox.sandbox.faults.clear()


@pytest.fixture(scope="session")
def client(sandbox: Running) -> Client:
    """client(service, region="us-west-2", reader=False, partition="aws", **overrides)."""
    made: dict[tuple[Any, ...], Any] = {}

    def of(
        service: str, region: str = "us-west-2", *, partition: str = "aws", reader: bool = False, **overrides: Any
    ) -> Any:
        key = (service, region, partition, reader, tuple(sorted(overrides.items())))
        if key not in made:
            account = sandbox.account(partition)
            prefix = "reader_" if reader else ""
            options = {
                "region_name": region,
                "endpoint_url": sandbox.endpoints["clouds"]["aws"]["url"],
                "aws_access_key_id": account[f"{prefix}key_id"],
                "aws_secret_access_key": account[f"{prefix}secret"],
                "config": Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=20),
            }
            made[key] = boto3.client(service, **(options | overrides))
        return made[key]

    return of


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Calls until the answer is true; AssertionError after 20 s."""

    def wait(ask: Callable[[], Any], timeout_s: float = 20.0) -> Any:
        end = time.monotonic() + timeout_s
        while not (answer := ask()):
            assert time.monotonic() < end, "it did not come true in time"
            time.sleep(0.02)
        return answer

    return wait


@pytest.fixture(scope="session")
def vpc(client: Client) -> dict[str, str]:
    """A VPC of us-west-2 with subnets a and b."""
    ec2 = client("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    found = {"vpc": vpc_id}
    for index, zone in enumerate("ab"):
        made = ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=f"us-west-2{zone}")
        found[zone] = made["Subnet"]["SubnetId"]
    return found


@pytest.fixture(scope="session")
def image(client: Client) -> str:
    name = "/aws/service/debian/release/12/latest/amd64"
    return str(client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
