"""What only Alibaba Cloud's further services do: half-made things, other people's names, what a CLB does not tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException

from model.errors import (
    AlreadyExists,
    Conflict,
    DependencyInUse,
    Forbidden,
    InvalidRequest,
    NotBuiltYet,
    NotFound,
    RolloutFailed,
)
from model.resources import (
    UNKNOWN,
    Bucket,
    Disk,
    DnsRecord,
    HealthCheck,
    InstanceGroup,
    Kind,
    Listener,
    LoadBalancer,
    Observed,
    Registry,
    State,
    TrafficWeight,
)
from providers.base import ImageSource
from sandbox.alibaba.acr import put_image
from tools.conformance.strangers import alibaba as theirs


def send(region: Any, service: str, version: str, action: str, **params: str) -> dict[str, Any]:
    return theirs.send(region.provider.account, region.region, service, version, action, **params)


def make(region: Any, wanted: Any, key: str = "") -> Observed:
    at = region.at(wanted.KIND, wanted.name)
    region.provider.create(at, wanted, region.call(key or f"key-{wanted.name}"))
    return region.provider.wait_ready(at, region.call())


def group(**changes: Any) -> InstanceGroup:
    values: dict[str, Any] = {
        "name": "web", "zones": ("cn-hangzhou-h",), "subnets": ("main-h",), "firewall_group": "web", "size": 1,
        "instance_type": "ecs.g7.large",
    }  # fmt: skip
    return InstanceGroup(**{**values, **changes})


def balancer(**changes: Any) -> LoadBalancer:
    line = Listener(protocol="tcp", port=80, target_port=8080)
    values: dict[str, Any] = {"name": "front", "network": "main", "subnets": ("main-h",), "listeners": (line,)}
    return LoadBalancer(**{**values, **changes})


def record(*answers: TrafficWeight, **changes: Any) -> DnsRecord:
    given = answers or (TrafficWeight(value="192.0.2.1"),)
    values: dict[str, Any] = {"name": "A www.shop.example", "zone": "shop.example", "fqdn": "www.shop.example"}
    return DnsRecord(**{**values, "record_type": "A", "answers": given, **changes})


# -- scaling groups ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["ess:CreateScalingConfiguration", "ess:EnableScalingGroup"])
def test_a_group_that_was_left_half_made_is_completed(sandbox: Any, region: Any, step: str) -> None:
    region.base()
    at = region.at(Kind.INSTANCE_GROUP, "web")
    sandbox.faults.add({"operation": step, "count": 1, "status": 403, "code": "Forbidden.RAM"})
    with pytest.raises(Forbidden):
        region.provider.create(at, group(), region.call("k"))
    half = region.provider.get(at, region.call())
    assert (half.state, "no active scaling configuration" in half.detail) == (State.PENDING, True)
    whole = make(region, group(), "k")
    assert (whole.provider_id, whole.state) == (half.provider_id, State.READY)
    assert len(sandbox.of_kind("instance_group")) == len(sandbox.of_kind("member")) == 1


def test_a_group_without_stock_says_so_at_once(sandbox: Any, region: Any) -> None:
    region.base()
    at = region.at(Kind.INSTANCE_GROUP, "web")
    sandbox.faults.add({"operation": "ess:ScaleOut", "count": -1, "error": "capacity"})
    region.provider.create(at, group(), region.call("k"))
    with pytest.raises(RolloutFailed) as caught:
        region.provider.wait_ready(at, region.call())
    assert "OperationDenied.NoStock" in caught.value.detail
    sandbox.faults.clear()
    assert region.provider.wait_ready(at, region.call()).state is State.READY


def test_a_member_that_went_away_is_replaced_and_the_balancer_keeps_its_own_targets(sandbox: Any, region: Any) -> None:
    region.base()
    region.make(region.instance())
    make(region, balancer(targets=("gate-0",)))
    seen = make(region, group(load_balancers=("front",)))
    (member,) = seen.raw["members"]
    front = region.provider.get(region.at(Kind.LOAD_BALANCER, "front"), region.call())
    assert front.resource.targets == ("gate-0",)
    behind = sandbox.server._cloud.estates["5000000000000002"].things[f"load_balancer/{front.provider_id}"]
    assert {s["ServerId"] for s in behind.values["servers"]} > {member}
    send(region, "Ecs", "2014-05-26", "DeleteInstance", InstanceId=member, Force="true")
    again = region.provider.wait_ready(seen.address, region.call())
    assert (again.state, member in again.raw["members"], len(again.raw["members"])) == (State.READY, False, 1)
    needed = region.provider.needs_replace(seen.resource, group(user_data="#cloud-config\n", size=3))
    assert needed == ()  # nobody wrote down what there was: no user data, so nothing to compare it with
    other = region.provider.needs_replace(seen.resource, group(instance_type="ecs.g7.xlarge"))
    assert other == ("instance_type",)


# -- load balancers ----------------------------------------------------------------------------------------------------


def test_a_public_balancer_stands_in_no_network_and_remembers_its_own(region: Any) -> None:
    region.base()
    line = Listener(protocol="http", port=80, target_port=8080, health_check=HealthCheck(protocol="http", path="/"))
    to_https = Listener(protocol="http", port=8080, target_port=443, redirect_to_https=True)
    wanted = balancer(public=True, layer=7, listeners=(line, to_https))
    seen = make(region, wanted)
    assert replace(seen.resource, deletion_protection=False, access_logs=None) == replace(wanted, access_logs=None)
    assert seen.resource.listeners[0].health_check == line.health_check
    assert seen.public_ip
    assert seen.endpoints == (f"{seen.public_ip}:80", f"{seen.public_ip}:8080")
    assert not any(tag.startswith("duoyun") for tag in seen.resource.tags)


def test_a_guarded_balancer_does_not_go(sandbox: Any, region: Any) -> None:
    region.base()
    seen = make(region, balancer(deletion_protection=True))
    with pytest.raises(Conflict) as caught:
        region.provider.delete(seen, region.call())
    assert "protection" in caught.value.mend
    region.provider.update(seen, balancer(deletion_protection=False), region.call("u"))
    region.provider.delete(seen, region.call())
    region.provider.wait_gone(seen.address, region.call())
    assert sandbox.of_kind("load_balancer") == []


def test_a_listener_that_somebody_stopped_is_seen_and_started(region: Any) -> None:
    region.base()
    seen = make(region, balancer())
    which = {"LoadBalancerId": seen.provider_id, "ListenerPort": "80", "ListenerProtocol": "tcp"}
    send(region, "Slb", "2014-05-15", "StopLoadBalancerListener", **which)
    stopped = region.provider.get(seen.address, region.call())
    assert (stopped.state, stopped.detail) == (State.FAILED, "listeners that are stopped: tcp 80")
    region.provider.update(stopped, balancer(), region.call("u"))
    assert region.provider.wait_ready(seen.address, region.call()).state is State.READY


def test_a_subnet_with_a_balancer_in_it_does_not_go(region: Any) -> None:
    region.base()
    make(region, balancer())
    subnet = region.provider.get(region.at(Kind.SUBNET, "main-h"), region.call())
    with pytest.raises(DependencyInUse):
        region.provider.delete(subnet, region.call(timeout_s=3.0))


# -- DNS ---------------------------------------------------------------------------------------------------------------


def zone(region: Any) -> None:
    theirs.dns_zone(region.provider.account, region.region, "shop.example")


def test_other_peoples_records_are_not_touched(sandbox: Any, region: Any) -> None:
    zone(region)
    given = {"DomainName": "shop.example", "RR": "www", "Type": "A", "TTL": "600"}
    made = send(region, "Alidns", "2015-01-09", "AddDomainRecord", Value="198.51.100.1", **given)
    at = region.at(Kind.DNS_RECORD, "A www.shop.example")
    with pytest.raises(AlreadyExists) as caught:
        region.provider.create(at, record(), region.call("k"))
    assert caught.value.mend
    (row,) = sandbox.of_kind("dns_record")
    assert row["id"] == made["RecordId"]
    seen = region.provider.get(at, region.call())
    assert (seen.owner, seen.resource.answers[0].value) == ("", "198.51.100.1")


@pytest.mark.parametrize("step", ["alidns:UpdateDomainRecordRemark", "alidns:SetDNSSLBStatus"])
def test_a_record_that_was_left_half_made_is_completed(sandbox: Any, region: Any, step: str) -> None:
    zone(region)
    wanted = record(TrafficWeight(value="192.0.2.1", weight=200), TrafficWeight(value="192.0.2.2", weight=100))
    at = region.at(Kind.DNS_RECORD, wanted.name)
    sandbox.faults.add({"operation": step, "count": 1, "status": 403, "code": "Forbidden.RAM"})
    with pytest.raises(Forbidden):
        region.provider.create(at, wanted, region.call("k"))
    assert make(region, wanted, "k").resource == wanted
    assert len(sandbox.of_kind("dns_record")) == 2


def test_somebody_elses_weights_are_drift(region: Any) -> None:
    zone(region)
    wanted = record(TrafficWeight(value="192.0.2.1", weight=9), TrafficWeight(value="192.0.2.2"))
    seen = make(region, wanted)
    first = seen.raw["record_ids"][0]
    send(region, "Alidns", "2015-01-09", "UpdateDNSSLBWeight", RecordId=first, Weight="50")
    moved = region.provider.get(seen.address, region.call())
    assert moved.resource.answers[0].weight == 50
    region.provider.update(moved, wanted, region.call("u"))
    assert region.provider.get(seen.address, region.call()).resource == wanted
    assert {c.operation for c in region.provider.changes(seen.address, 0.0, region.call())} > {"UpdateDNSSLBWeight"}


@pytest.mark.parametrize(
    "changes",
    [
        {"tags": {"team": "shop"}},
        {"fqdn": "www.other.example"},
        {"answers": ()},
        {"record_type": "TXT", "answers": (TrafficWeight(value="x", weight=2), TrafficWeight(value="y"))},
        {"answers": (TrafficWeight(value="192.0.2.1", weight=0),)},
        {"answers": (TrafficWeight(value="192.0.2.1", label="a label with spaces"),)},
    ],
)
def test_records_that_alidns_cannot_have(sandbox: Any, region: Any, changes: dict[str, Any]) -> None:
    zone(region)
    with pytest.raises(InvalidRequest):
        region.provider.create(region.at(Kind.DNS_RECORD, "A www.shop.example"), record(**changes), region.call("k"))
    assert sandbox.of_kind("dns_record") == []


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_a_tag_means_an_image(sandbox: Any, region: Any) -> None:
    seen = make(region, Registry(name="gate"))
    estate = sandbox.server._cloud.estates["5000000000000002"]
    digest = f"sha256:{'0a' * 32}"
    put_image(estate.things[f"registry/{seen.provider_id}"], "v1", digest)
    assert isinstance(region.provider, ImageSource)
    for reference in ("v1", digest):
        found = region.provider.image(seen, reference, region.call())
        assert (found.digest, found.architectures) == (digest, ())
        assert found.pull_identity == seen.resource.pull_identity
    with pytest.raises(NotFound) as caught:
        region.provider.image(seen, "v2", region.call())
    assert caught.value.mend


def test_a_users_key_is_shown_and_the_services_own_is_not(sandbox: Any, region: Any) -> None:
    key = send(region, "Kms", "2016-01-20", "CreateKey")["KeyMetadata"]["KeyId"]
    disk = Disk(name="data", zone="cn-hangzhou-h", size_gib=20)
    assert make(region, disk).resource.key == ""
    assert make(region, replace(disk, name="own", key=key)).resource.key == key
    sandbox.faults.add({"operation": "kms:DescribeKey", "count": -1, "status": 403, "code": "Forbidden.NoPermission"})
    blind = sandbox.provider().get(region.at(Kind.DISK, "own"), region.call())
    assert blind.resource.key is UNKNOWN


def test_what_is_only_read_is_not_written(sandbox: Any, region: Any) -> None:
    there = sandbox.server.inventory()
    at = region.at(Kind.BUCKET, "logs")
    with pytest.raises(NotBuiltYet):
        region.provider.create(at, Bucket(name="logs"), region.call("k"))
    verbs = {c.kind: c.verbs for c in region.provider.capabilities}
    assert verbs[Kind.BUCKET] == {"list", "get", "changes"}
    assert sandbox.server.inventory() == there


def test_a_token_that_the_cloud_does_not_know_changes_nothing(region: Any) -> None:
    """AddDomainRecord has no ClientToken: the second one is refused, not repeated."""
    zone(region)
    given = {"DomainName": "shop.example", "RR": "t", "Type": "A", "Value": "192.0.2.1", "ClientToken": "same"}
    send(region, "Alidns", "2015-01-09", "AddDomainRecord", **given)
    with pytest.raises(ServerException) as caught:
        send(region, "Alidns", "2015-01-09", "AddDomainRecord", **given)
    assert caught.value.error_code == "DomainRecordDuplicate"


def test_the_further_things_survive_a_restart(sandbox: Any, region: Any, loop: Any) -> None:
    import asyncio

    region.base()
    disk = make(region, Disk(name="data", zone="cn-hangzhou-h", size_gib=20))
    groups = make(region, group())
    kept = sandbox.server.snapshot()
    asyncio.run_coroutine_threadsafe(sandbox.server.restore(kept), loop).result(20)
    assert region.provider.get(disk.address, region.call()) == disk
    assert region.provider.wait_ready(groups.address, region.call()).raw["members"] == groups.raw["members"]


def test_secrets_are_in_neither_log(sandbox: Any, region: Any) -> None:
    sandbox.faults.add({"operation": "kms:CreateSecret", "count": 1, "delay_s": 0.001})
    secret = {"SecretName": "db", "SecretData": "correct-horse", "VersionId": "v1"}
    send(region, "Kms", "2016-01-20", "CreateSecret", **secret)
    cert, private, _ = theirs.pem("shop.example")
    send(region, "cas", "2020-04-07", "UploadUserCertificate", Name="shop", Cert=cert, Key=private)
    written = str(sandbox.server.snapshot()) + str(sandbox.faults.log())
    assert "CreateSecret" in written
    assert "correct-horse" not in written
    assert "PRIVATE KEY" not in written
