"""The AWS adapter against the sandbox, through boto3 over HTTP."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

import providers.aws
from model.resources import Address, Kind, Network, Subnet
from providers.base import Account, Call, CloudProvider
from sandbox.threaded import Running, shared

REGION = "cn-northwest-1"
PARTITION = "aws-cn"
_fleets = itertools.count()


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
def account(sandbox: Running) -> Account:
    row = sandbox.account(PARTITION)
    return Account(
        name="cn",
        cloud="aws",
        partition=PARTITION,
        account_id=row["account_id"],
        endpoint=sandbox.endpoints["clouds"]["aws"]["url"],
        secrets={"key_id": row["key_id"], "secret": row["secret"]},
    )


@pytest.fixture(scope="session")
def provider(account: Account) -> CloudProvider:
    return providers.aws.open(account)


@pytest.fixture(scope="session")
def boto(account: Account) -> Callable[[str], Any]:
    """A bare client, as a stranger's script would have it."""

    def client(service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=account.endpoint,
            aws_access_key_id=account.secrets["key_id"],
            aws_secret_access_key=account.secrets["secret"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    return client


@pytest.fixture(scope="session")
def address(account: Account) -> Callable[[Kind, str], Address]:
    return lambda kind, name: Address(PARTITION, account.account_id, REGION, kind, name)


@pytest.fixture
def fleet() -> str:
    """A fleet of this test's own."""
    return f"fleet{next(_fleets)}"


@pytest.fixture
def call(fleet: str) -> Callable[..., Call]:
    """call(key="k", **more): circumstances for this test's fleet."""

    def make(key: str = "k", **more: Any) -> Call:
        return Call(**({"fleet": fleet, "key": key, "deadline_s": time.monotonic() + 60} | more))

    return make


@pytest.fixture
def network(provider: CloudProvider, address: Any, call: Any) -> str:
    """A network `main` with subnets main-a and main-b, owned by this test's fleet."""
    provider.create(address(Kind.NETWORK, "main"), Network(name="main", cidr="10.20.0.0/16"), call("n"))
    for index, zone in enumerate("ab"):
        name = f"main-{zone}"
        subnet = Subnet(name=name, network="main", cidr=f"10.20.{index}.0/24", zone=f"{REGION}{zone}")
        provider.create(address(Kind.SUBNET, name), subnet, call(f"s{zone}"))
    return "main"
