"""What strangers reach: ports, order, denials, IPv6, lists of blocks, and what stands before a machine."""

from __future__ import annotations

import itertools
import random
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from policies.network import with_reach
from policies.network.openings import openings
from policies.network.ranges import addresses, common, size, union, without

WORLD = "0.0.0.0/0"
ANYTHING = {"protocol": "any", "port_from": 0, "port_to": 65535}


def rule(**fields: Any) -> dict[str, Any]:
    base = {"direction": "ingress", "protocol": "tcp", "port_from": 22, "port_to": 22, "cidr": WORLD, "action": "allow"}
    return base | {"priority": 0, "description": "", "peer_group": "", "prefix_list": ""} | fields


def group(*rules: Any, name: str = "web", **fields: Any) -> dict[str, Any]:
    base = {"kind": "firewall_group", "address": f"p/a/r/firewall_group/{name}", "name": name}
    return base | {"family": "group", "subnets": [], "rules": list(rules)} | fields


def machine(name: str = "m", **fields: Any) -> dict[str, Any]:
    base = {"kind": "instance", "address": f"p/a/r/instance/{name}", "name": name, "firewall_group": "web"}
    return base | {"subnet": "s"} | fields


def ways(*documents: dict[str, Any], of: str = "web") -> list[tuple[str, int, int]]:
    scanned = next(d for d in with_reach(documents) if d["name"] == of)
    return sorted({(w["protocol"], w["port_from"], w["port_to"]) for w in scanned["reach"]})


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([rule()], [("tcp", 22, 22)], id="one port"),
        pytest.param([rule(cidr="10.0.0.0/8")], [], id="private"),
        pytest.param([rule(cidr="203.0.113.0/24")], [], id="a small block"),
        pytest.param([rule(cidr="::/0")], [("tcp", 22, 22)], id="IPv6"),
        pytest.param([rule(cidr="fd00::/8")], [], id="private IPv6"),
        pytest.param([rule(cidr="0.0.0.0/1"), rule(cidr="128.0.0.0/1")], [("tcp", 22, 22)], id="two halves"),
        pytest.param([rule(cidr=f"{n}.0.0.0/8") for n in (3, 4)], [("tcp", 22, 22)], id="together too much to be ours"),
        pytest.param([rule(cidr="3.0.0.0/8")], [], id="as large as one organisation may be"),
        pytest.param([rule(port_from=20, port_to=30)], [("tcp", 20, 30)], id="a range"),
        pytest.param([rule(**ANYTHING)], [("tcp", 0, 65535), ("udp", 0, 65535)], id="any protocol"),
        pytest.param([rule(protocol="any")], [("tcp", 22, 22), ("udp", 22, 22)], id="one port of any protocol"),
        pytest.param(
            [rule(protocol="any", port_from=0, port_to=0)], [("tcp", 0, 65535), ("udp", 0, 65535)], id="no ports"
        ),
        pytest.param([rule(direction="egress")], [], id="outward"),
        pytest.param([rule(cidr="", peer_group="other")], [], id="a source that is a group"),
        pytest.param([rule(cidr="not a block")], [], id="malformed"),
        pytest.param(
            [rule(port_from=0, port_to=100, priority=200), rule(action="deny", priority=100)],
            [("tcp", 0, 21), ("tcp", 23, 100)],
            id="denied before",
        ),
        pytest.param([rule(priority=100), rule(action="deny", priority=200)], [("tcp", 22, 22)], id="denied too late"),
        pytest.param([rule(), rule(action="deny")], [], id="denied at the same priority"),
        pytest.param(
            [rule(priority=200), rule(action="deny", priority=100, cidr="10.0.0.0/8")],
            [("tcp", 22, 22)],
            id="denied to others",
        ),
        pytest.param(
            [rule(priority=3), *(rule(action="deny", priority=1, cidr=c) for c in ("0.0.0.0/1", "128.0.0.0/1"))],
            [],
            id="denied in two halves",
        ),
        pytest.param(
            [rule(priority=200), rule(action="deny", priority=100, protocol="udp")],
            [("tcp", 22, 22)],
            id="other protocol",
        ),
        pytest.param([rule(priority=200), rule(action="deny", priority=100, **ANYTHING)], [], id="any is denied"),
        pytest.param(
            [rule(priority=300), rule(port_from=80, port_to=80, priority=310), rule(action="deny", protocol="any")],
            [("tcp", 80, 80)],
            id="one port of any protocol is denied",
        ),
        pytest.param([rule(), rule(action={"$unknown": True})], [], id="it may be denied"),
        pytest.param([rule(), rule(cidr={"$unknown": True})], [("tcp", 22, 22)], id="an allowance that is not known"),
        pytest.param(
            [rule(priority=1), rule(action={"$unknown": True}, priority=2)], [("tcp", 22, 22)], id="may be denied later"
        ),
    ],
)
def test_ports_that_strangers_reach(rules: list[Any], expected: list[tuple[str, int, int]]) -> None:
    assert ways(group(*rules)) == expected


def test_every_rule_that_opens_a_port_is_named() -> None:
    found = with_reach([group(rule(), rule(port_from=0, port_to=100), rule(cidr="10.0.0.0/8"))])[0]["reach"]
    assert [(w["port_from"], w["port_to"], w["rules"]) for w in found] == [(0, 100, [1]), (22, 22, [0])]


def test_a_prefix_list_is_looked_into() -> None:
    listed = {"kind": "managed_service", "class": "prefix_list", "name": "all", "address": "p/a/r/managed_service/all"}
    opened = group(rule(cidr="", prefix_list="all"))
    assert ways(opened, {**listed, "cidrs": [WORLD]}) == [("tcp", 22, 22)]
    assert ways(opened, {**listed, "cidrs": ["10.0.0.0/8"]}) == []


def test_a_prefix_list_that_nobody_told_is_not_known() -> None:
    scanned = with_reach([group(rule(cidr="", prefix_list="all"))])[0]
    assert scanned["reach"] == []
    assert scanned["rules"][0]["cidr"] == {"$unknown": True}


@pytest.mark.parametrize("field", sorted(rule()))
@pytest.mark.parametrize("value", [None, 7, True, [], {"$unknown": True}, ["x"]])
def test_odd_values_are_borne_and_open_nothing_more(field: str, value: Any) -> None:
    odd = group(rule() | {field: value}, rule(cidr="10.0.0.0/8"))
    assert set(ways(odd, machine())) <= {("tcp", 22, 22), ("tcp", 7, 22), ("tcp", 1, 22), ("tcp", 0, 22)}


def test_what_a_list_before_the_subnet_denies_is_not_reached() -> None:
    rules = [rule(action="deny", priority=1), rule(**ANYTHING, priority=2)]
    shut = group(*rules, name="n", family="acl", subnets=["s"])
    assert ways(group(rule()), machine(), shut) == []
    assert ways(group(rule()), machine(subnet="elsewhere"), shut) == [("tcp", 22, 22)]
    assert ways(group(rule()), shut) == [("tcp", 22, 22)]  # who stands behind it is not known


def test_one_machine_that_is_reached_is_enough() -> None:
    shut = group(name="n", family="acl", subnets=["s"])
    scanned = with_reach([group(rule()), machine("in"), machine("out", subnet="t"), shut])[0]
    assert [w["of"] for w in scanned["reach"]] == [" of out"]


def test_the_way_is_told() -> None:
    opened = group(rule(**ANYTHING), name="acl-b", family="acl", subnets=["s"])
    scanned = with_reach([group(rule()), machine(), opened])[0]
    assert [(w["of"], w["by"]) for w in scanned["reach"]] == [(" of m", " through web and acl-b")]


def test_a_list_that_is_not_known_keeps_nobody_out() -> None:
    unclear = group(rule(port_from={"$unknown": True}), name="n", family="acl", subnets=["s"])
    assert ways(group(rule()), machine(), unclear) == [("tcp", 22, 22)]


def test_lists_of_stores_tell_of_strangers() -> None:
    def strangers(*cidrs: Any) -> Any:
        return with_reach([{"kind": "database", "name": "d", "address": "d", "allowed_cidrs": list(cidrs)}])[0].get(
            "strangers"
        )

    assert strangers("10.0.0.0/8", WORLD) == [WORLD]
    assert strangers("3.0.0.0/8", "4.0.0.0/8", "x") == ["3.0.0.0/8", "4.0.0.0/8"]
    assert strangers("10.0.0.0/8", {"$unknown": True}) == []
    assert strangers() is None


def test_the_given_documents_stay_as_they_are() -> None:
    given = group(rule())
    with_reach([given])
    assert "reach" not in given


BLOCKS = ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "16.0.0.0/4", "20.0.0.0/6", "10.0.0.0/8", "21.0.0.0/8"]


@pytest.mark.parametrize("seed", range(40))
def test_against_asking_each_rule_in_turn(seed: int) -> None:
    """An oracle: for one address and port, the first rule that fits decides. Addresses are sampled by a /8 each."""
    chance = random.Random(seed)
    rules = [
        rule(
            cidr=chance.choice(BLOCKS),
            action=chance.choice(["allow", "deny"]),
            protocol=chance.choice(["tcp", "udp", "any"]),
            port_from=chance.choice([0, 10, 20]),
            port_to=chance.choice([20, 30, 65535]),
            priority=n,
        )
        for n in range(6)
    ]
    found = openings(rules, "ingress", {})
    for protocol, port in itertools.product(("tcp", "udp"), (0, 9, 10, 20, 21, 30, 31, 65535)):
        public = [n for n in range(1, 224) if n not in (10, 127)]
        let_in = [n for n in public if _first(rules, f"{n}.1.1.1", protocol, port) == "allow"]
        reported = any(o.protocol == protocol and o.port_from <= port <= o.port_to for o in found)
        assert reported == (len(let_in) >= 2), (protocol, port, let_in)


def _first(rules: list[dict[str, Any]], address: str, protocol: str, port: int) -> str:
    for one in rules:
        fits = one["protocol"] in (protocol, "any") and one["port_from"] <= port <= one["port_to"]
        if fits and ip_address(address) in ip_network(one["cidr"]):
            return str(one["action"])
    return "deny"


def test_sets_of_addresses() -> None:
    assert union([(5, 9), (1, 3), (4, 4), (20, 21)]) == ((1, 9), (20, 21))
    assert without(((1, 9),), ((3, 4), (8, 12))) == ((1, 2), (5, 7))
    assert without(((1, 9), (20, 30)), ((0, 25),)) == ((26, 30),)
    assert common(((1, 9),), ((3, 12),)) == ((3, 9),)
    assert size(addresses(["10.0.0.0/30"]).v4) == 4
