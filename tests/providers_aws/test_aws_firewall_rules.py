"""Rules: pure translation, and its laws."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from model.resources import Direction, FirewallRule, Verb
from providers.aws.firewall import ANY_EGRESS, NO_EGRESS, key_of, permission, rules_of, wanted

PORTS = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted)
CIDRS = st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "192.0.2.0/24", "::/0", "2001:db8::/32", "sg-0a1b", "pl-0c2d"])


@st.composite
def rules(draw: Any) -> FirewallRule:
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp", "any"]))
    low, high = draw(PORTS) if protocol in ("tcp", "udp") else (0, 65535)
    return FirewallRule(
        direction=draw(st.sampled_from(list(Direction))),
        protocol=protocol,
        port_from=low,
        port_to=high,
        cidr=draw(CIDRS),
        description=draw(st.sampled_from(["", "why"])),
    )


def as_group(found: list[FirewallRule]) -> dict[str, Any]:
    """What DescribeSecurityGroups would say of a group that holds exactly these."""
    return {
        "IpPermissions": [permission(r, described=True) for r in found if r.direction is Direction.INGRESS],
        "IpPermissionsEgress": [permission(r, described=True) for r in found if r.direction is Direction.EGRESS],
    }


@given(st.lists(rules(), max_size=6, unique_by=key_of))
def test_what_is_wanted_is_what_is_read_back(desired: list[FirewallRule]) -> None:
    held = [r for d in Direction for r in wanted(desired, d).values()]
    read = rules_of(as_group(held))
    assert {r.key for r in read} == {r.key for r in desired}
    assert list(read) == sorted(read)


@given(rules())
def test_a_rule_survives_the_wire(rule: FirewallRule) -> None:
    egress = [rule] if rule.direction is Direction.EGRESS else [ANY_EGRESS]
    read = rules_of(as_group([rule, *egress] if rule not in egress else egress))
    if key_of(rule) == key_of(ANY_EGRESS) and not rule.description:
        assert read == ()
    else:
        assert rule.key in {r.key for r in read}


def test_the_rule_that_aws_makes_is_not_ours_unless_it_changed() -> None:
    assert rules_of(as_group([ANY_EGRESS])) == ()
    gone = rules_of(as_group([]))
    assert gone == (NO_EGRESS,)
    assert gone[0].action is Verb.DENY
    web = FirewallRule(direction=Direction.EGRESS, protocol="tcp", port_from=443, port_to=443, cidr="0.0.0.0/0")
    both = rules_of(as_group([ANY_EGRESS, web]))
    assert {r.key for r in both} == {ANY_EGRESS.key, web.key}
