"""Networks, subnets and firewall groups: life cycles, ownership, repeated and lost answers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from model.errors import AlreadyExists, DependencyInUse, InvalidRequest, NotFound
from model.resources import (
    TAG_FLEET,
    Address,
    Direction,
    FirewallGroup,
    FirewallRule,
    Kind,
    Network,
    Observed,
    State,
    Subnet,
    Verb,
)
from providers.base import Call, CloudProvider

NET = Network(name="main", cidr="10.30.0.0/16", tags={"team": "shop"})
MakeCall = Callable[..., Call]
At = Callable[[Kind, str], Address]


def rule(ports: int, cidr: str = "0.0.0.0/0", direction: str = "ingress", **more: Any) -> FirewallRule:
    values = {"protocol": "tcp", "port_from": ports, "port_to": ports, "cidr": cidr} | more
    return FirewallRule(direction=Direction(direction), **values)


def keys(observed: Observed) -> set[Any]:
    assert isinstance(observed.resource, FirewallGroup)
    return {r.key for r in observed.resource.rules}


def test_a_network_with_all_that_clusters_need(
    provider: CloudProvider, address: At, call: MakeCall, boto: Any, fleet: str
) -> None:
    made = provider.create(address(Kind.NETWORK, "main"), NET, call())
    assert made.resource == NET
    assert (made.state, made.owner) == (State.READY, fleet)
    ec2 = boto("ec2")
    names = ec2.describe_vpc_attribute(VpcId=made.provider_id, Attribute="enableDnsHostnames")
    assert names["EnableDnsHostnames"]["Value"] is True
    attached = [{"Name": "attachment.vpc-id", "Values": [made.provider_id]}]
    gateways = ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]
    assert len(gateways) == 1
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [made.provider_id]}])["RouteTables"]
    out = [r for t in tables for r in t["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"]
    assert out[0]["GatewayId"] == gateways[0]["InternetGatewayId"]

    renamed = provider.update(made, replace(NET, tags={"team": "pay"}), call())
    assert renamed.resource.tags == {"team": "pay"}
    assert provider.needs_replace(NET, replace(NET, cidr="10.31.0.0/16")) == ("cidr",)

    provider.delete(renamed, call())
    provider.wait_gone(made.address, call())
    provider.delete(renamed, call())  # what is gone stays gone
    with pytest.raises(NotFound):
        provider.get(made.address, call())
    assert not ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]
    tagged = [{"Name": f"tag:{TAG_FLEET}", "Values": [fleet]}]
    assert not ec2.describe_internet_gateways(Filters=tagged)["InternetGateways"]


@pytest.mark.parametrize(
    "operation", ["CreateVpc", "ModifyVpcAttribute", "CreateInternetGateway", "AttachInternetGateway", "CreateRoute"]
)
def test_a_lost_answer_doubles_nothing(
    provider: CloudProvider, address: At, call: MakeCall, boto: Any, fleet: str, faults: Any, operation: str
) -> None:
    faults.add({"service": "aws", "operation": f"ec2:{operation}", "drop_answer": True})
    made = provider.create(address(Kind.NETWORK, "main"), NET, call())
    assert made.state is State.READY
    assert len(faults.log()) >= 1
    tagged = [{"Name": f"tag:{TAG_FLEET}", "Values": [fleet]}]
    assert len(boto("ec2").describe_vpcs(Filters=tagged)["Vpcs"]) == 1
    assert len(boto("ec2").describe_internet_gateways(Filters=tagged)["InternetGateways"]) == 1
    provider.delete(made, call())


def test_a_half_made_network_is_pending_and_completed(
    provider: CloudProvider, address: At, call: MakeCall, boto: Any
) -> None:
    made = provider.create(address(Kind.NETWORK, "main"), NET, call())
    ec2 = boto("ec2")
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [made.provider_id]}])["RouteTables"]
    ec2.delete_route(RouteTableId=tables[0]["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")
    half = provider.get(made.address, call())
    assert half.state is State.PENDING
    assert "default route" in half.detail
    assert provider.update(half, NET, call()).state is State.READY


def test_repeating_a_create_returns_the_first_result(provider: CloudProvider, address: At, call: MakeCall) -> None:
    first = provider.create(address(Kind.NETWORK, "main"), NET, call("same"))
    assert provider.create(address(Kind.NETWORK, "main"), NET, call("same")).provider_id == first.provider_id
    assert provider.create(address(Kind.NETWORK, "main"), NET, call("other")).provider_id == first.provider_id


def test_creating_from_several_threads_at_once(provider: CloudProvider, address: At, call: MakeCall) -> None:
    provider.create(address(Kind.NETWORK, "main"), NET, call())
    names = [f"g{i}" for i in range(8)]

    def make(name: str) -> str:
        group = FirewallGroup(name=name, network="main", rules=(rule(80),))
        return provider.create(address(Kind.FIREWALL_GROUP, name), group, call(name)).provider_id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(make, names))
    assert len(set(ids)) == len(names)


def test_subnets(provider: CloudProvider, address: At, call: MakeCall, network: str, boto: Any) -> None:
    found = provider.get(address(Kind.SUBNET, "main-a"), call())
    assert found.resource == Subnet(name="main-a", network="main", cidr="10.20.0.0/24", zone="cn-northwest-1a")
    row = boto("ec2").describe_subnets(SubnetIds=[found.provider_id])["Subnets"][0]
    assert row["MapPublicIpOnLaunch"]
    with pytest.raises(DependencyInUse, match="still has subnets"):
        provider.delete(provider.get(address(Kind.NETWORK, network), call()), call())
    moved = replace(found.resource, zone="cn-northwest-1b", cidr="10.20.9.0/24")
    assert provider.needs_replace(found.resource, moved) == ("cidr", "zone")
    with pytest.raises(InvalidRequest, match="nowhere"):
        lost = Subnet(name="x", network="nowhere", cidr="10.20.8.0/24", zone="cn-northwest-1a")
        provider.create(address(Kind.SUBNET, "x"), lost, call())
    bad = Subnet(name="y", network="main", cidr="10.99.0.0/24", zone="cn-northwest-1a")
    with pytest.raises(InvalidRequest):
        provider.create(address(Kind.SUBNET, "y"), bad, call())
    for name in ("main-a", "main-b"):
        provider.delete(provider.get(address(Kind.SUBNET, name), call()), call())
        provider.wait_gone(address(Kind.SUBNET, name), call())
    provider.delete(provider.get(address(Kind.NETWORK, network), call()), call())


@pytest.mark.parametrize("operation", ["CreateSubnet", "ModifySubnetAttribute", "CreateSecurityGroup",
                                       "AuthorizeSecurityGroupIngress"])  # fmt: skip
def test_a_lost_answer_doubles_no_subnet_and_no_group(
    provider: CloudProvider, address: At, call: MakeCall, faults: Any, operation: str
) -> None:
    provider.create(address(Kind.NETWORK, "main"), NET, call())
    faults.add({"service": "aws", "operation": f"ec2:{operation}", "drop_answer": True})
    subnet = Subnet(name="s", network="main", cidr="10.30.1.0/24", zone="cn-northwest-1a")
    group = FirewallGroup(name="web", network="main", rules=(rule(80), rule(443)))
    assert provider.create(address(Kind.SUBNET, "s"), subnet, call()).state is State.READY
    assert keys(provider.create(address(Kind.FIREWALL_GROUP, "web"), group, call())) == {r.key for r in group.rules}
    assert not [row for row in faults.rows() if row["count"]]


def test_rules_follow_the_wish(provider: CloudProvider, address: At, call: MakeCall, network: str, boto: Any) -> None:
    at = address(Kind.FIREWALL_GROUP, "web")
    first = FirewallGroup(
        name="web", network=network, rules=(rule(80, description="web 网"), rule(443)), description="d"
    )
    observed = provider.create(at, first, call())
    assert keys(observed) == {r.key for r in first.rules}
    ping = rule(0, "10.0.0.0/8", protocol="icmp", port_to=65535)
    everything = rule(0, direction="egress", protocol="any", port_to=65535)
    wishes: list[tuple[FirewallRule, ...]] = [
        (rule(80), rule(8080, "::/0"), ping),
        (rule(80), rule(443, direction="egress")),
        (rule(80), everything),
        (rule(80),),
        (),
    ]
    for rules in wishes:
        observed = provider.update(observed, replace(first, rules=tuple(sorted(rules))), call())
        assert keys(observed) == {r.key for r in rules}
        assert keys(provider.get(at, call())) == keys(observed)
    row = boto("ec2").describe_security_groups(GroupIds=[observed.provider_id])["SecurityGroups"][0]
    assert [r["CidrIp"] for p in row["IpPermissionsEgress"] for r in p["IpRanges"]] == ["0.0.0.0/0"]

    boto("ec2").revoke_security_group_egress(GroupId=observed.provider_id, IpPermissions=row["IpPermissionsEgress"])
    cut = provider.get(at, call())
    assert isinstance(cut.resource, FirewallGroup)
    assert [r.action for r in cut.resource.rules] == [Verb.DENY]
    assert keys(provider.update(cut, replace(first, rules=()), call())) == set()
    with pytest.raises(InvalidRequest, match="cannot deny"):
        provider.update(cut, replace(first, rules=(rule(80, action=Verb.DENY),)), call())


def test_drift_is_seen_named_and_mended(
    provider: CloudProvider, address: At, call: MakeCall, network: str, boto: Any
) -> None:
    at = address(Kind.FIREWALL_GROUP, "web")
    wish = FirewallGroup(name="web", network=network, rules=(rule(443),))
    made = provider.create(at, wish, call())
    boto("ec2").authorize_security_group_ingress(
        GroupId=made.provider_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    boto("ec2").authorize_security_group_ingress(
        GroupId=made.provider_id,
        IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": made.provider_id}]}],
    )
    seen = provider.get(at, call())
    everything = rule(0, made.provider_id, protocol="any", port_to=65535)
    assert keys(seen) - keys(made) == {rule(22).key, everything.key}
    changes = provider.changes(at, 0.0, call())
    assert changes[0].operation == "AuthorizeSecurityGroupIngress"
    assert changes[0].actor == "arn:aws-cn:iam::222222222222:user/sandbox-admin"
    assert changes[0].at_s >= changes[-1].at_s
    assert changes[-1].operation == "CreateSecurityGroup"
    assert keys(provider.update(seen, wish, call())) == keys(made)


def test_foreign_things_are_listed_and_left_alone(
    provider: CloudProvider, address: At, call: MakeCall, boto: Any, fleet: str
) -> None:
    ec2 = boto("ec2")
    named = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": f"theirs-{fleet}"}]}]
    theirs = ec2.create_vpc(CidrBlock="10.40.0.0/16", TagSpecifications=named)["Vpc"]["VpcId"]
    nameless = ec2.create_vpc(CidrBlock="10.41.0.0/16")["Vpc"]["VpcId"]
    twins = [ec2.create_vpc(CidrBlock="10.42.0.0/16", TagSpecifications=[
        {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": f"twin-{fleet}"}]}])["Vpc"]["VpcId"]
        for _ in range(2)]  # fmt: skip
    mine = provider.create(address(Kind.NETWORK, "main"), NET, call())
    everything = {o.provider_id: o for o in provider.list(Kind.NETWORK, mine.address.region, call())}
    assert everything[theirs].address.name == f"theirs-{fleet}"
    assert everything[theirs].owner == ""
    assert everything[nameless].address.name == nameless
    assert {everything[t].address.name for t in twins} == set(twins)
    assert [o.provider_id for o in provider.list(Kind.NETWORK, mine.address.region, call(), fleet=fleet)] == [
        mine.provider_id
    ]
    assert provider.get(address(Kind.NETWORK, f"theirs-{fleet}"), call()).provider_id == theirs
    assert provider.get(address(Kind.NETWORK, nameless), call()).provider_id == nameless

    # a name that is unique in AWS and taken by somebody else is refused, never adopted
    ec2.create_security_group(GroupName="taken", Description="d", VpcId=mine.provider_id)
    group = FirewallGroup(name="taken", network="main")
    with pytest.raises(AlreadyExists):
        provider.create(address(Kind.FIREWALL_GROUP, "taken"), group, call())
    assert provider.get(address(Kind.FIREWALL_GROUP, "taken"), call()).owner == ""


def test_creates_that_arrive_twice_leave_one_of_each(
    provider: CloudProvider, address: At, call: MakeCall, boto: Any, fleet: str, faults: Any
) -> None:
    """As from a proxy that tries again by itself: CreateVpc and CreateInternetGateway know no client token."""
    faults.add({"service": "aws", "operation": "ec2:*", "duplicate": True, "count": -1})
    network = provider.create(address(Kind.NETWORK, "main"), NET, call())
    provider.create(address(Kind.SUBNET, "a"), Subnet(name="a", network="main", cidr="10.30.1.0/24"), call("s"))
    group = FirewallGroup(name="web", network="main", rules=(rule(80), rule(443)))
    assert keys(provider.create(address(Kind.FIREWALL_GROUP, "web"), group, call("g"))) >= {r.key for r in group.rules}
    ec2, mine = boto("ec2"), [{"Name": f"tag:{TAG_FLEET}", "Values": [fleet]}]
    for method, result in (
        ("describe_vpcs", "Vpcs"),
        ("describe_internet_gateways", "InternetGateways"),
        ("describe_subnets", "Subnets"),
        ("describe_security_groups", "SecurityGroups"),
    ):
        assert len(getattr(ec2, method)(Filters=mine)[result]) == 1, method
    assert provider.get(address(Kind.NETWORK, "main"), call()) == network
    for kind, name in ((Kind.FIREWALL_GROUP, "web"), (Kind.SUBNET, "a"), (Kind.NETWORK, "main")):
        provider.delete(provider.get(address(kind, name), call()), call())
        provider.wait_gone(address(kind, name), call())
    assert not ec2.describe_vpcs(Filters=mine)["Vpcs"]
    assert not ec2.describe_internet_gateways(Filters=mine)["InternetGateways"]


def test_a_twin_that_appears_late_is_not_taken_for_the_network_and_goes_with_it(
    provider: CloudProvider, address: At, call: MakeCall, boto: Any, fleet: str
) -> None:
    made, ec2 = provider.create(address(Kind.NETWORK, "main"), NET, call()), boto("ec2")
    tags = ec2.describe_vpcs(VpcIds=[made.provider_id])["Vpcs"][0]["Tags"]
    for _ in range(4):  # among several, some have a lower id
        ec2.create_vpc(CidrBlock=NET.cidr, TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])
    assert provider.get(address(Kind.NETWORK, "main"), call()).provider_id == made.provider_id
    provider.delete(made, call())
    assert not ec2.describe_vpcs(Filters=[{"Name": f"tag:{TAG_FLEET}", "Values": [fleet]}])["Vpcs"]
