"""Credentials, endpoints, deadlines, guards: what holds for every call."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import providers.aws
from model.errors import (
    CloudError,
    Forbidden,
    InvalidRequest,
    LeaseLost,
    NotBuiltYet,
    NotFound,
    Throttled,
    Unauthenticated,
    Unreachable,
)
from model.resources import Address, FirewallGroup, Kind, Network
from providers.base import Account, Call, CloudProvider
from sandbox.threaded import Running

MakeCall = Callable[..., Call]
NET = Network(name="main", cidr="10.50.0.0/16")
REGION = "cn-northwest-1"


def first(provider: CloudProvider, call: Call) -> Any:
    return list(provider.list(Kind.NETWORK, REGION, call))


def test_it_keeps_the_protocol(provider: CloudProvider, call: MakeCall) -> None:
    assert isinstance(provider, CloudProvider)
    kinds = {c.kind for c in provider.capabilities}
    assert kinds == set(Kind) - {Kind.KUBERNETES_OBJECT}
    who = provider.identity(call())
    assert who.account_id == "222222222222"
    assert who.principal.endswith(":user/sandbox-admin")
    with pytest.raises(NotBuiltYet):
        list(provider.list(Kind.KUBERNETES_OBJECT, REGION, call()))


def test_importing_the_package_loads_no_sdk() -> None:
    code = "import sys, providers.aws; print('boto3' in sys.modules or 'botocore' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_wrong_secret_and_unknown_key(account: Account, call: MakeCall) -> None:
    secrets = dict(account.secrets)
    for wrong in (secrets | {"secret": "not-the-secret"}, secrets | {"key_id": "AKIA" + "Z" * 16}):
        with pytest.raises(Unauthenticated) as error:
            first(providers.aws.open(replace(account, secrets=wrong)), call())
        assert "credential" in error.value.mend
        assert wrong["secret"] not in str(error.value.to_dict())


def test_a_reader_lists_and_does_not_write(sandbox: Running, account: Account, call: MakeCall, address: Any) -> None:
    row = sandbox.account("aws-cn")
    reader = providers.aws.open(
        replace(account, secrets={"key_id": row["reader_key_id"], "secret": row["reader_secret"]})
    )
    assert first(reader, call())
    with pytest.raises(Forbidden, match="CreateVpc"):
        reader.create(address(Kind.NETWORK, "main"), NET, call())


def test_credentials_of_another_account_are_noticed_before_anything_is_done(account: Account, call: MakeCall) -> None:
    with pytest.raises(Unauthenticated, match="belong to account 222222222222"):
        first(providers.aws.open(replace(account, account_id="999999999999")), call())


def test_credentials_by_prefix_profile_and_role(
    account: Account, call: MakeCall, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = replace(account, secrets={}, credential={"env_prefix": "SHOP"})
    with pytest.raises(Unauthenticated) as error:
        first(providers.aws.open(bare), call())
    assert "SHOP_ACCESS_KEY_ID" in error.value.mend
    monkeypatch.setenv("SHOP_ACCESS_KEY_ID", account.secrets["key_id"])
    monkeypatch.setenv("SHOP_SECRET_ACCESS_KEY", account.secrets["secret"])
    assert first(providers.aws.open(bare), call())

    role = replace(bare, credential={"env_prefix": "SHOP", "role_arn": "arn:aws-cn:iam::222222222222:role/deploy"})
    who = providers.aws.open(role).identity(call())
    assert ":assumed-role/deploy/duoyun-cn" in who.principal

    profiles = tmp_path / "credentials"
    keys = f"aws_access_key_id={account.secrets['key_id']}\naws_secret_access_key={account.secrets['secret']}\n"
    profiles.write_text(f"[shop]\n{keys}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    named = replace(account, secrets={}, credential={"profile": "shop"})
    assert first(providers.aws.open(named), call())
    with pytest.raises(Unauthenticated, match="nobody"):
        first(providers.aws.open(replace(named, credential={"profile": "nobody"})), call())


def test_given_secrets_ignore_what_the_environment_says(
    account: Account, call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "does-not-exist")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert first(providers.aws.open(account), call())


def test_endpoints(account: Account, call: MakeCall) -> None:
    with pytest.raises(InvalidRequest, match="in the clear"):
        providers.aws.open(replace(account, endpoint="http://aws.example.com"))
    with pytest.raises(InvalidRequest, match="no URL"):
        providers.aws.open(replace(account, endpoint="somewhere"))
    with pytest.raises(InvalidRequest, match="no partition"):
        providers.aws.open(replace(account, partition="azure"))
    closed = providers.aws.open(replace(account, endpoint="http://127.0.0.1:9"))
    with pytest.raises(Unreachable):
        first(closed, call(deadline_s=time.monotonic() + 1.5))


@pytest.mark.parametrize("region", ["us-east-1", "cn-south-7"])
def test_regions_of_the_partition_only(provider: CloudProvider, call: MakeCall, region: str) -> None:
    with pytest.raises(InvalidRequest, match="no region of aws-cn") as error:
        list(provider.list(Kind.NETWORK, region, call()))
    assert "cn-north-1" in error.value.mend


def test_throttling_waits_and_succeeds(provider: CloudProvider, call: MakeCall, faults: Any) -> None:
    faults.add({
        "service": "aws", "operation": "ec2:DescribeVpcs", "count": 2, "status": 503, "code": "RequestLimitExceeded"
    })  # fmt: skip
    said: list[str] = []
    assert first(provider, call(progress=said.append))
    assert len([line for line in said if "again in" in line]) == 2


def test_throttling_past_the_deadline_says_so(provider: CloudProvider, call: MakeCall, faults: Any) -> None:
    faults.add({
        "service": "aws", "operation": "ec2:DescribeVpcs", "count": -1, "status": 503, "code": "Throttling",
        "retry_after_s": 30,
    })  # fmt: skip
    with pytest.raises(Throttled) as error:
        first(provider, call(deadline_s=time.monotonic() + 2))
    assert error.value.retry_after_s == 30
    assert error.value.call.request_id


def test_no_request_outlasts_the_deadline(provider: CloudProvider, call: MakeCall, faults: Any) -> None:
    faults.add({"service": "aws", "operation": "ec2:DescribeVpcs", "count": -1, "delay_s": 6})
    began = time.monotonic()
    with pytest.raises(Unreachable):
        first(provider, call(deadline_s=began + 1.6))
    assert time.monotonic() - began < 2.0


def test_every_write_asks_the_guard_first(
    provider: CloudProvider, call: MakeCall, address: Any, sandbox: Running
) -> None:
    trail = sandbox.sandbox.servers["aws"].cloud.trail
    asked: list[int] = []

    def count(operation: Callable[[], Any]) -> None:
        asked.clear()
        before = len(trail.events)
        operation()
        assert len(asked) >= len(trail.events) - before > 0

    def guard() -> None:
        asked.append(1)

    at, group_at = address(Kind.NETWORK, "main"), address(Kind.FIREWALL_GROUP, "g")
    count(lambda: provider.create(at, NET, call(guard=guard)))
    group = FirewallGroup(name="g", network="main")
    count(lambda: provider.create(group_at, group, call(guard=guard)))
    count(lambda: provider.delete(provider.get(group_at, call()), call(guard=guard)))
    count(lambda: provider.delete(provider.get(at, call()), call(guard=guard)))

    def lost() -> None:
        raise LeaseLost("somebody else")

    before = len(trail.events)
    with pytest.raises(LeaseLost):
        provider.create(at, NET, call(guard=lost))
    assert len(trail.events) == before


def test_nothing_is_created_for_nobody(provider: CloudProvider, address: Any) -> None:
    with pytest.raises(InvalidRequest, match="fleet"):
        provider.create(address(Kind.NETWORK, "main"), NET, Call())


def test_not_found_names_the_address(provider: CloudProvider, call: MakeCall, address: Any) -> None:
    for kind in set(Kind) - {Kind.KUBERNETES_OBJECT}:
        at: Address = address(kind, "nothing-here")
        with pytest.raises(NotFound, match="nothing-here"):
            provider.get(at, call())
        provider.wait_gone(at, call())
        assert provider.changes(at, 0.0, call()) == ()


def test_secrets_stay_out_of_errors_and_reprs(account: Account, provider: CloudProvider, call: MakeCall) -> None:
    assert account.secrets["secret"] not in repr(account)
    with pytest.raises(CloudError) as error:
        list(provider.list(Kind.NETWORK, "nowhere-1", call()))
    assert account.secrets["secret"] not in repr(error.value) + str(error.value.to_dict())
