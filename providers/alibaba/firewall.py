"""FIREWALL_GROUP (security group) and its rules: Ecs 2014-05-26.

Callers: provider.py. Between the model and Alibaba Cloud: allow/deny is Accept/Drop; ports 22..22 are `22/22`, no
ports `-1/-1`, all ports of tcp and udp `1/65535` (the model's 0..65535: port 0 does not exist there); priority is
1..100 where the model's 0 means 1; a rule's peer may also be a group (`sg-...`) or a prefix list (`pl-...`), which
the model carries in `cidr`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.errors import InvalidRequest
from model.resources import TAG_FLEET, Address, Direction, FirewallGroup, FirewallRule, Kind, Observed, State, Verb
from providers.alibaba.common import (
    Adapter,
    Identified,
    Row,
    changed_tags,
    gone_is_fine,
    ownership_tags,
    tag_list,
    tags_of,
    users_tags,
)
from providers.alibaba.session import HUNDREDS, new_token
from providers.base import Call

RULES_PER_CALL = 100
_ACTIONS = {
    Direction.INGRESS: ("AuthorizeSecurityGroup", "RevokeSecurityGroup", "ModifySecurityGroupRule", "Source"),
    Direction.EGRESS: (
        "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupEgress",
        "ModifySecurityGroupEgressRule",
        "Dest",
    ),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule with the id under which the cloud knows it."""

    id: str
    rule: FirewallRule


class FirewallGroups(Adapter):
    KIND = Kind.FIREWALL_GROUP

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        asked = {"Tag": tag_list(tags or {}), "SecurityGroupName": name}
        where = ("SecurityGroups", "SecurityGroup")
        return self.session.token_pages("Ecs", "DescribeSecurityGroups", region, call, where, asked, HUNDREDS)

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        answer = self.session.rpc("Ecs", "DescribeSecurityGroups", region, call, {"SecurityGroupId": provider_id})
        return next(iter(answer["SecurityGroups"]["SecurityGroup"]), None)

    def identify(self, row: Row) -> Identified:
        return Identified(row["SecurityGroupId"], row.get("SecurityGroupName", ""), tags_of(row["Tags"]["Tag"]))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who = self.who(row)
        group = FirewallGroup(
            name=who.logical_name,
            tags=users_tags(who.tags),
            network=self.references.name(Kind.NETWORK, region, row.get("VpcId", ""), call),
            rules=tuple(sorted({p.rule for p in self.rules(region, who.id, call)})),
            description=row.get("Description", ""),
        )
        return Observed(
            address=self.address(region, who.logical_name),
            resource=group,
            provider_id=who.id,
            state=State.READY,
            owner=who.tags.get(TAG_FLEET, ""),
            raw={"vpc_id": row.get("VpcId", "")},
        )

    def rules(self, region: str, group_id: str, call: Call) -> list[Placed]:
        """All rules of a group, over all pages."""
        found: list[Placed] = []
        following = ""
        while True:
            asked = {"SecurityGroupId": group_id, "Direction": "all", "MaxResults": 1000, "NextToken": following}
            answer = self.session.rpc("Ecs", "DescribeSecurityGroupAttribute", region, call, asked)
            for row in answer["Permissions"]["Permission"]:
                found.append(Placed(row.get("SecurityGroupRuleId", ""), read_rule(row)))
            following = answer.get("NextToken", "")
            if not following:
                return found

    def make(
        self, address: Address, desired: FirewallGroup, call: Call, token: Callable[[Mapping[str, Any]], str]
    ) -> str:
        for rule in desired.rules:
            write_rule(rule)  # a rule that cannot be written is told before anything exists
        network = self.references.find(Kind.NETWORK, address, desired.network, call)
        params = {
            "VpcId": network.provider_id,
            "SecurityGroupName": address.name,
            "Description": desired.description,
            "Tag": tag_list(ownership_tags(desired, address, call)),
        }
        sent = {**params, "ClientToken": token(params)}
        answer = self.session.rpc("Ecs", "CreateSecurityGroup", address.region, call, sent, write=True)
        self.references.forget(self.KIND, address.region)
        return str(answer["SecurityGroupId"])

    def create(self, address: Address, desired: Any, call: Call) -> Observed:
        """The group, then its rules; repeated after a crash in between, it adds what is missing."""
        made = super().create(address, desired, call)
        if isinstance(made.resource, FirewallGroup) and made.resource.rules != desired.rules:
            self._bring_rules(made, desired, call)
            row = self.by_id(address.region, made.provider_id, call)
            return self.observe(address.region, row, call) if row is not None else made
        return made

    def update(self, observed: Observed, desired: FirewallGroup, call: Call) -> None:
        self._bring_rules(observed, desired, call)
        region, current = observed.address.region, observed.resource
        if isinstance(current, FirewallGroup) and current.description != desired.description:
            params = {"SecurityGroupId": observed.provider_id, "Description": desired.description}
            self.session.rpc("Ecs", "ModifySecurityGroupAttribute", region, call, params, write=True)
        tags = changed_tags(observed, desired)
        if tags:
            tagged = {"ResourceType": "securitygroup", "ResourceId": [observed.provider_id], "Tag": tag_list(tags)}
            self.session.rpc("Ecs", "TagResources", region, call, tagged, write=True)

    def delete(self, observed: Observed, call: Call) -> None:
        params, region = {"SecurityGroupId": observed.provider_id}, observed.address.region
        gone_is_fine(lambda: self.session.rpc("Ecs", "DeleteSecurityGroup", region, call, params, write=True))

    def fixed_fields(self) -> tuple[str, ...]:
        return ("network",)

    # -- rules -------------------------------------------------------------------------------------------------

    def _bring_rules(self, observed: Observed, desired: FirewallGroup, call: Call) -> None:
        """Adds first, removes then, so that what stays allowed is never cut off in between."""
        region, group_id = observed.address.region, observed.provider_id
        present = self.rules(region, group_id, call)
        wanted = {_wire_key(rule): rule for rule in desired.rules}
        have = {_wire_key(p.rule): p for p in present}
        self._authorize(region, group_id, [rule for key, rule in wanted.items() if key not in have], call)
        surplus = [p for p in present if have.get(_wire_key(p.rule)) is not p or _wire_key(p.rule) not in wanted]
        for direction in Direction:
            ids = [p.id for p in surplus if p.rule.direction == direction]
            for start in range(0, len(ids), RULES_PER_CALL):
                params = {"SecurityGroupId": group_id, "SecurityGroupRuleId": ids[start : start + RULES_PER_CALL]}
                sent = {**params, "ClientToken": new_token()}
                self.session.rpc("Ecs", _ACTIONS[direction][1], region, call, sent, write=True)
        for key, rule in wanted.items():
            placed = have.get(key)
            if placed is not None and placed.rule.description != rule.description:
                self._describe(region, group_id, placed, rule, call)

    def _authorize(self, region: str, group_id: str, rules: Sequence[FirewallRule], call: Call) -> None:
        """Adding a rule that exists has no effect, so a repetition is harmless, whatever became of the first."""
        for direction in Direction:
            permissions = [write_rule(r) for r in rules if r.direction == direction]
            for start in range(0, len(permissions), RULES_PER_CALL):
                part = permissions[start : start + RULES_PER_CALL]
                params = {"SecurityGroupId": group_id, "Permissions": part}
                # A token of its own each time: a rule that was removed behind our back must be added again.
                sent = {**params, "ClientToken": new_token()}
                self.session.rpc("Ecs", _ACTIONS[direction][0], region, call, sent, write=True)

    def _describe(self, region: str, group_id: str, placed: Placed, rule: FirewallRule, call: Call) -> None:
        params = {
            "SecurityGroupId": group_id,
            "SecurityGroupRuleId": placed.id,
            "Description": rule.description,
            **{k: v for k, v in write_rule(rule).items() if k != "Description"},
        }
        self.session.rpc("Ecs", _ACTIONS[rule.direction][2], region, call, params, write=True)


def _wire_key(rule: FirewallRule) -> tuple[str, ...]:
    """What makes two rules the same for the cloud: everything but the description."""
    wire = {**write_rule(rule), "Description": "", "Direction": str(rule.direction)}
    return tuple(f"{k}={v}" for k, v in sorted(wire.items()))


def write_rule(rule: FirewallRule) -> dict[str, str]:
    """The rule as one of Permissions.N. Raises InvalidRequest for what Alibaba Cloud cannot express."""
    if not 0 <= rule.priority <= 100:
        raise InvalidRequest(
            f"firewall rule {rule.protocol} {rule.port_from}-{rule.port_to} {rule.cidr}: priority {rule.priority} "
            "is not in 1..100",
            mend="choose a priority from 1 (first) to 100",
        )
    peer = _ACTIONS[rule.direction][3]
    return {
        "IpProtocol": {"any": "all"}.get(rule.protocol, rule.protocol),
        "PortRange": _port_range(rule),
        "Policy": "accept" if rule.action is Verb.ALLOW else "drop",
        "Priority": str(rule.priority or 1),
        "NicType": "intranet",
        "Description": rule.description,
        **_peer(rule.cidr, peer),
    }


def _peer(cidr: str, peer: str) -> dict[str, str]:
    if cidr.startswith("sg-"):
        return {f"{peer}GroupId": cidr}
    if cidr.startswith("pl-"):
        return {f"{peer}PrefixListId": cidr}
    try:
        net = ipaddress.ip_network(cidr, strict=False)
    except ValueError as exc:
        raise InvalidRequest(f"firewall rule: {cidr!r} is no CIDR block", mend="write it like 10.0.0.0/8") from exc
    return {f"{peer}CidrIp" if net.version == 4 else f"Ipv6{peer}CidrIp": str(net)}


def _port_range(rule: FirewallRule) -> str:
    if rule.protocol not in ("tcp", "udp"):
        if (rule.port_from, rule.port_to) != (0, 65535):
            raise InvalidRequest(
                f"firewall rule: protocol {rule.protocol} has no ports, but {rule.port_from}-{rule.port_to} are given",
                mend="leave the ports out",
            )
        return "-1/-1"
    return f"{max(1, rule.port_from)}/{rule.port_to}"


def read_rule(row: Mapping[str, Any]) -> FirewallRule:
    """One of Permissions.Permission as the model's."""
    direction = Direction(row.get("Direction", "ingress"))
    peer = _ACTIONS[direction][3]
    protocol = str(row.get("IpProtocol", "all")).lower()
    low, high = (int(part) for part in str(row.get("PortRange") or "-1/-1").split("/"))
    if (low, high) in ((-1, -1), (1, 65535)):
        low, high = 0, 65535
    cidr = next(
        (
            str(row[name])
            for name in (f"{peer}CidrIp", f"Ipv6{peer}CidrIp", f"{peer}GroupId", f"{peer}PrefixListId")
            if row.get(name)
        ),
        "",
    )
    return FirewallRule(
        direction=direction,
        protocol="any" if protocol == "all" else protocol,
        port_from=low,
        port_to=high,
        cidr=_with_mask(cidr),
        action=Verb.DENY if str(row.get("Policy", "Accept")).lower() == "drop" else Verb.ALLOW,
        priority=int(row.get("Priority") or 1),
        description=str(row.get("Description") or ""),
    )


def _with_mask(cidr: str) -> str:
    """A single address is shown without its mask; the model always has one."""
    if "/" in cidr or cidr.startswith(("sg-", "pl-")) or not cidr:
        return cidr
    return f"{cidr}/{ipaddress.ip_address(cidr).max_prefixlen}"
