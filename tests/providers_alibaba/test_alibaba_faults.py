"""Lost answers, throttling, refusals, and what happened behind our back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from model.errors import (
    CapacityUnavailable,
    CloudError,
    Conflict,
    Forbidden,
    Interrupted,
    InvalidRequest,
    LeaseLost,
    NotFound,
    QuotaExceeded,
    RolloutFailed,
    Throttled,
    Unauthenticated,
    UnknownCloudError,
    Unreachable,
)
from model.resources import TAG_KEY, Kind, State
from providers.base import Account, Call

CREATIONS = [
    (Kind.NETWORK, "ecs-vpc", "vpc:CreateVpc", "network"),
    (Kind.SUBNET, "", "vpc:CreateVSwitch", "subnet"),
    (Kind.FIREWALL_GROUP, "", "ecs:CreateSecurityGroup", "firewall_group"),
    (Kind.INSTANCE, "", "ecs:RunInstances", "instance"),
    (Kind.CLUSTER, "", "cs:CreateCluster", "cluster"),
    (Kind.NODE_POOL, "", "cs:CreateClusterNodePool", "node_pool"),
]


def prepare(region: Any, kind: Kind, rule: Callable[..., Any]) -> Any:
    """All that this kind needs; returns the desired value."""
    if kind is Kind.NETWORK:
        return region.network()
    region.make(region.network())
    if kind is Kind.SUBNET:
        return region.subnet()
    if kind is Kind.FIREWALL_GROUP:
        return region.group(rule(443))
    region.make(region.subnet(), region.group())
    if kind is Kind.INSTANCE:
        return region.instance()
    if kind is Kind.CLUSTER:
        return region.cluster()
    region.make(region.cluster())
    return region.pool(count=1)


@pytest.mark.parametrize(("kind", "operation", "counted"), [(k, o, c) for k, _, o, c in CREATIONS])
def test_a_lost_answer_makes_nothing_twice(
    region: Any, sandbox: Any, rule: Any, kind: Kind, operation: str, counted: str
) -> None:
    desired = prepare(region, kind, rule)
    before = len(sandbox.of_kind(counted))
    sandbox.faults.add({"service": "alibaba", "operation": operation, "drop_answer": True})
    at = region.at(kind, desired.name)
    first = region.provider.create(at, desired, region.call("the-key"))
    again = region.provider.create(at, desired, region.call("the-key"))
    assert first.provider_id == again.provider_id
    assert len(sandbox.of_kind(counted)) == before + 1
    assert len(sandbox.faults.log()) == 1


@pytest.mark.parametrize("kind", [Kind.INSTANCE, Kind.CLUSTER])
def test_a_process_that_died_after_the_request_finds_its_resource(
    region: Any, sandbox: Any, rule: Any, kind: Kind
) -> None:
    """No answer at all came, and another process goes on with the same key."""
    desired = prepare(region, kind, rule)
    operation = "ecs:RunInstances" if kind is Kind.INSTANCE else "cs:CreateCluster"
    sandbox.faults.add({"service": "alibaba", "operation": operation, "drop_answer": True, "count": 1})
    refused = Call(
        deadline_s=time.monotonic() + 30, key="k", fleet="shop", cancelled=lambda: bool(sandbox.faults.log())
    )
    with pytest.raises((Interrupted, Unreachable)):
        region.provider.create(region.at(kind, desired.name), desired, refused)
    made = sandbox.provider().create(region.at(kind, desired.name), desired, region.call("k"))
    counted = "instance" if kind is Kind.INSTANCE else "cluster"
    assert [row["id"] for row in sandbox.of_kind(counted)] == [made.provider_id]


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.INSTANCE])
def test_the_same_key_makes_a_new_one_after_the_first_is_gone(region: Any, sandbox: Any, rule: Any, kind: Kind) -> None:
    """Destroyed and deployed again: the cloud still answers the token with the dead resource's id."""
    desired, at = prepare(region, kind, rule), region.at(kind, "main" if kind is Kind.NETWORK else "gate-0")
    region.provider.create(at, desired, region.call("k"))
    first = region.provider.wait_ready(at, region.call())
    region.provider.delete(first, region.call("d"))
    region.provider.wait_gone(at, region.call())
    second = region.provider.create(at, desired, region.call("k"))
    assert second.provider_id != first.provider_id
    assert region.provider.wait_ready(at, region.call()).state is State.READY


def test_a_group_without_its_rules_is_completed(region: Any, sandbox: Any, rule: Any) -> None:
    """The crash came between the group and its rules."""
    region.make(region.network())
    sandbox.faults.add({"operation": "ecs:AuthorizeSecurityGroup", "status": 403, "code": "Forbidden.RAM"})
    at, wanted = region.at(Kind.FIREWALL_GROUP, "web"), region.group(rule(443))
    with pytest.raises(Forbidden):
        region.provider.create(at, wanted, region.call("k"))
    assert region.provider.get(at, region.call()).resource.rules == ()
    made = region.provider.create(at, wanted, region.call("k"))
    assert {r.key for r in made.resource.rules} == {rule(443).key}
    assert len(sandbox.of_kind("firewall_group")) == 1


def test_throttling_waits_and_then_succeeds(region: Any, sandbox: Any) -> None:
    code = "Throttling.User"
    sandbox.faults.add({"operation": "vpc:CreateVpc", "status": 400, "code": code, "count": 3})
    lines: list[str] = []
    made = region.provider.create(
        region.at(Kind.NETWORK, "main"), region.network(), region.call("k", progress=lines.append)
    )
    assert made.provider_id.startswith("vpc-")
    assert len([line for line in lines if code in line]) == 3
    assert len(sandbox.of_kind("network")) == 1


def test_throttling_ends_at_the_deadline(region: Any, sandbox: Any) -> None:
    sandbox.faults.add({"operation": "vpc:*", "status": 400, "code": "Throttling.User", "count": -1})
    began = time.monotonic()
    with pytest.raises(Throttled):
        list(region.provider.list(Kind.NETWORK, region.region, region.call(timeout_s=1.0)))
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    ("operation", "status", "code", "expected"),
    [
        ("ecs:RunInstances", 403, "QuotaExceed.ElasticQuota", QuotaExceeded),
        ("ecs:RunInstances", 403, "OperationDenied.NoStock", CapacityUnavailable),
        ("ecs:RunInstances", 403, "Zone.NotOnSale", CapacityUnavailable),
        ("ecs:RunInstances", 403, "Something.Nobody.Knows", UnknownCloudError),
        ("ecs:DescribeImages", 403, "Forbidden.RAM", Forbidden),
    ],
)
def test_refusals_are_named_and_not_repeated(
    region: Any, sandbox: Any, rule: Any, operation: str, status: int, code: str, expected: type[CloudError]
) -> None:
    desired = prepare(region, Kind.INSTANCE, rule)
    sandbox.faults.add({"operation": operation, "status": status, "code": code, "message": "no.", "count": -1})
    at = region.at(Kind.INSTANCE, "gate-0")
    with pytest.raises(expected) as caught:
        region.provider.create(at, desired, region.call("k"))
    assert len(sandbox.faults.log()) == 1
    assert (caught.value.call.code, caught.value.call.region) == (code, "cn-hangzhou")
    assert caught.value.call.operation == operation
    assert caught.value.call.request_id
    assert caught.value.address == str(at)


def test_an_error_of_ack_is_read_from_its_lower_case_json(region: Any, sandbox: Any, rule: Any) -> None:
    desired = prepare(region, Kind.CLUSTER, rule)
    sandbox.faults.add({"operation": "cs:CreateCluster", "status": 403, "code": "QuotaExceeded.Cluster"})
    with pytest.raises(QuotaExceeded) as caught:
        region.provider.create(region.at(Kind.CLUSTER, "main"), desired, region.call("k"))
    assert caught.value.call.code == "QuotaExceeded.Cluster"
    assert len(caught.value.call.request_id) == 36


def test_a_server_that_stumbles_is_asked_again(region: Any, sandbox: Any) -> None:
    sandbox.faults.add({"operation": "vpc:DescribeVpcs", "status": 503, "code": "ServiceUnavailable", "count": 2})
    assert list(region.provider.list(Kind.NETWORK, region.region, region.call())) == []
    assert len(sandbox.faults.log()) == 2


# -- credentials -----------------------------------------------------------------------------------------------


def test_a_wrong_secret_is_told_with_the_mend(sandbox: Any, region: Any) -> None:
    wrong = {"key_id": sandbox.keys().key_id, "secret": "not-the-secret"}
    provider = sandbox.provider(secrets=wrong)
    for attempt in (
        lambda: provider.identity(region.call()),
        lambda: list(provider.list(Kind.CLUSTER, region.region, region.call())),
    ):
        with pytest.raises(Unauthenticated) as caught:
            attempt()
        assert "access key" in caught.value.mend
        assert "not-the-secret" not in f"{caught.value!r} {caught.value.to_dict()} {caught.value.__cause__}"


def test_an_unknown_key_is_told(sandbox: Any, region: Any) -> None:
    provider = sandbox.provider(secrets={"key_id": "LTAInobody", "secret": "x"})
    with pytest.raises(Unauthenticated) as caught:
        provider.identity(region.call())
    assert caught.value.call.code == "InvalidAccessKeyId.NotFound"


def test_no_credentials_anywhere(sandbox: Any, region: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for prefix in ("ALIBABA_CLOUD", "ALIBABACLOUD", "ALICLOUD", "ALIYUN"):
        monkeypatch.delenv(f"{prefix}_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Unauthenticated) as caught:
        sandbox.provider(secrets={}).identity(region.call())
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in caught.value.mend


def test_credentials_by_prefix_and_by_profile(
    sandbox: Any, region: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    keys = sandbox.keys()
    monkeypatch.setenv("EAST_ACCESS_KEY_ID", keys.key_id)
    monkeypatch.setenv("EAST_ACCESS_KEY_SECRET", keys.secret)
    assert sandbox.provider(secrets={}, credential={"env_prefix": "EAST"}).identity(region.call())
    (tmp_path / ".aliyun").mkdir()
    profile = {"name": "east", "mode": "AK", "access_key_id": keys.key_id, "access_key_secret": keys.secret}
    (tmp_path / ".aliyun" / "config.json").write_text(json.dumps({"current": "x", "profiles": [profile]}))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sandbox.provider(secrets={}, credential={"profile": "east"}).identity(region.call())
    with pytest.raises(Unauthenticated, match="no Alibaba Cloud access key"):
        sandbox.provider(secrets={}, credential={"profile": "west"}).identity(region.call())


def test_a_reader_reads_and_is_refused_writes(sandbox: Any, region: Any, rule: Any) -> None:
    region.make(region.network(), region.group(rule(443)))
    reader = sandbox.provider(reader=True)
    assert [o.address.name for o in reader.list(Kind.NETWORK, region.region, region.call(), fleet="shop")] == ["main"]
    group = reader.get(region.at(Kind.FIREWALL_GROUP, "web"), region.call())
    for write in (
        lambda: reader.create(region.at(Kind.SUBNET, "main-h"), region.subnet(), region.call("k")),
        lambda: reader.update(group, region.group(), region.call("k")),
        lambda: reader.delete(group, region.call("k")),
    ):
        with pytest.raises(Forbidden, match=r"Forbidden\.RAM"):
            write()


def test_a_region_of_the_other_site_is_refused(region: Any) -> None:
    with pytest.raises(Forbidden):
        list(region.provider.list(Kind.NETWORK, "ap-southeast-1", region.call()))
    with pytest.raises(InvalidRequest):
        list(region.provider.list(Kind.NETWORK, "cn-atlantis", region.call()))


# -- the wire --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint", ["http://192.0.2.1:80", "http://ecs.example.com", "ftp://127.0.0.1", "127.0.0.1:1"]
)
def test_plain_http_is_for_loopback_only(sandbox: Any, endpoint: str) -> None:
    with pytest.raises(InvalidRequest):
        sandbox.provider(endpoint=endpoint)


def test_https_is_forced_outside_loopback(sandbox: Any, region: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[CommonRequest] = []

    def record(_self: AcsClient, request: CommonRequest) -> bytes:
        sent.append(request)
        return b"{}"

    monkeypatch.setattr(AcsClient, "do_action_with_exception", record)
    provider = sandbox.provider(endpoint="")
    for kind in (Kind.NETWORK, Kind.FIREWALL_GROUP, Kind.CLUSTER):
        list(provider.list(kind, region.region, region.call()))
    assert {r.get_protocol_type() for r in sent} == {"https"}
    assert [r.get_domain() for r in sent] == [f"{s}.cn-hangzhou.aliyuncs.com" for s in ("vpc", "ecs", "cs")]
    assert all(r.get_product() for r in sent)


def test_a_proxy_in_the_environment_is_not_asked_for_loopback(
    sandbox: Any, region: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
    assert sandbox.provider().identity(region.call()).account_id == "5000000000000002"


def test_nobody_listens(sandbox: Any, region: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    provider = sandbox.provider(endpoint=f"http://127.0.0.1:{port}")
    began = time.monotonic()
    with pytest.raises(Unreachable):
        list(provider.list(Kind.NETWORK, region.region, region.call(timeout_s=1.0)))
    assert time.monotonic() - began < 1.5


def test_no_request_outlasts_the_deadline(sandbox: Any, region: Any) -> None:
    sandbox.faults.add({"operation": "vpc:DescribeVpcs", "delay_s": 5.0, "count": -1})
    began = time.monotonic()
    with pytest.raises(Unreachable):
        list(region.provider.list(Kind.NETWORK, region.region, region.call(timeout_s=0.6)))
    assert time.monotonic() - began < 1.2


def test_every_write_asks_the_guard_first(region: Any, sandbox: Any, rule: Any) -> None:
    asked: list[int] = []

    def guard() -> None:
        asked.append(1)

    region.make(region.network())
    wanted = region.group(rule(443))
    region.provider.create(region.at(Kind.FIREWALL_GROUP, "web"), wanted, region.call("k", guard=guard))
    assert len(asked) == 2  # the group, and its rules

    def lost() -> None:
        raise LeaseLost("the lease is somebody else's")

    before = sandbox.server.inventory()
    group = region.provider.get(region.at(Kind.FIREWALL_GROUP, "web"), region.call())
    for write in (
        lambda: region.provider.create(region.at(Kind.SUBNET, "main-h"), region.subnet(), region.call("k", guard=lost)),
        lambda: region.provider.update(group, region.group(), region.call("k", guard=lost)),
        lambda: region.provider.delete(group, region.call("k", guard=lost)),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert sandbox.server.inventory() == before


# -- behind our back -------------------------------------------------------------------------------------------


def outsider(sandbox: Any, action: str, **params: Any) -> Any:
    """Somebody else, with the plain SDK and the same account."""
    keys = sandbox.keys()
    request = CommonRequest(product="Ecs", version="2014-05-26", action_name=action)
    request.set_domain(sandbox.server.url.removeprefix("http://"))
    request.set_method("POST")
    for name, value in {"RegionId": "cn-hangzhou", **params}.items():
        request.add_query_param(name, value)
    return json.loads(AcsClient(keys.key_id, keys.secret, "cn-hangzhou").do_action_with_exception(request))


def test_a_rule_opened_from_outside_is_seen_with_who_did_it(region: Any, sandbox: Any, rule: Any) -> None:
    region.make(region.network(), region.group(rule(443)))
    at, since = region.at(Kind.FIREWALL_GROUP, "web"), time.time()
    group = region.provider.get(at, region.call())
    outsider(
        sandbox, "AuthorizeSecurityGroup", SecurityGroupId=group.provider_id, IpProtocol="tcp", PortRange="22/22",
        SourceCidrIp="0.0.0.0/0",
    )  # fmt: skip
    seen = region.provider.get(at, region.call())
    assert {r.key for r in seen.resource.rules} - {r.key for r in group.resource.rules} == {rule(22).key}
    newest = region.provider.changes(at, since, region.call())[0]
    assert newest.operation == "AuthorizeSecurityGroup"
    assert newest.actor == f"root ({sandbox.keys().key_id})"
    assert newest.at_s == pytest.approx(since, abs=5)
    mended = region.provider.update(seen, group.resource, region.call("k"))
    assert {r.key for r in mended.resource.rules} == {rule(443).key}


def test_nothing_is_known_of_what_does_not_exist(region: Any) -> None:
    assert region.provider.changes(region.at(Kind.FIREWALL_GROUP, "web"), 0.0, region.call()) == ()


def test_an_instance_stopped_from_outside_cannot_become_ready(region: Any, sandbox: Any, rule: Any) -> None:
    desired = prepare(region, Kind.INSTANCE, rule)
    region.make(desired)
    at = region.at(Kind.INSTANCE, "gate-0")
    seen = region.provider.get(at, region.call())
    outsider(sandbox, "StopInstances", **{"InstanceId.1": seen.provider_id})
    with pytest.raises(RolloutFailed, match="gate-0") as caught:
        region.provider.wait_ready(at, region.call())
    assert "stopped" in caught.value.detail
    region.provider.update(region.provider.get(at, region.call()), desired, region.call("k"))
    assert region.provider.wait_ready(at, region.call()).state is State.READY


def test_two_of_one_name_are_not_guessed_between(region: Any, sandbox: Any) -> None:
    region.fleet = ""
    outsiders = sandbox.provider()
    for number in range(2):
        outsiders.create(region.at(Kind.NETWORK, f"main-{number}"), region.network(), region.call(f"k{number}"))
    keys = sandbox.server._cloud.estates["5000000000000002"].vpcs.values()
    for vpc in keys:
        vpc.name, vpc.tags = "main", {}
    with pytest.raises(Conflict, match="2 resources") as caught:
        region.provider.get(region.at(Kind.NETWORK, "main"), region.call())
    assert "vpc-" in caught.value.detail


def test_tags_say_whose_it_is(region: Any, sandbox: Any) -> None:
    region.make(region.network())
    (row,) = sandbox.of_kind("network")
    assert row["tags"] == {
        "team": "shop",
        "duoyun-fleet": "shop",
        "duoyun-name": "main",
        TAG_KEY: "key-network-main",
    }


def test_waiting_for_what_does_not_exist(region: Any) -> None:
    with pytest.raises(NotFound):
        region.provider.wait_ready(region.at(Kind.CLUSTER, "main"), region.call())
    region.provider.wait_gone(region.at(Kind.CLUSTER, "main"), region.call())


def test_what_was_seen_last_is_told_at_the_deadline(region: Any, sandbox: Any, rule: Any) -> None:
    desired = prepare(region, Kind.CLUSTER, rule)
    at = region.at(Kind.CLUSTER, "main")
    region.provider.create(at, desired, region.call("k"))
    for cluster in sandbox.server._cloud.estates["5000000000000002"].clusters.values():
        cluster.state = "waiting"
    with pytest.raises(Unreachable) as caught:
        region.provider.wait_ready(at, region.call(timeout_s=0.5))
    assert "ACK says waiting" in caught.value.detail
    assert caught.value.address == str(at)


def test_many_threads_share_an_adapter(region: Any, sandbox: Any) -> None:
    region.base()
    names = [f"gate-{n}" for n in range(16)]

    def make(name: str) -> str:
        desired = region.instance(name=name, user_data="")
        at = region.at(Kind.INSTANCE, name)
        region.provider.create(at, desired, region.call(f"key-{name}"))
        return str(region.provider.wait_ready(at, region.call()).provider_id)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, names))
    assert len(set(made)) == len(sandbox.of_kind("instance")) == 16


def test_the_account_never_shows_its_secret(sandbox: Any) -> None:
    account: Account = sandbox.account()
    provider = sandbox.provider()
    assert sandbox.keys().secret not in f"{account!r} {provider!r} {provider.__dict__}"
