"""Security groups and their rules.

Callers: provider.py. The rule that AWS puts into every new group, egress to anywhere, is not part of our model; it
shows only where it is not as AWS made it:
- it stands beside other egress rules, or carries a description: an ALLOW rule;
- it is gone and no other egress rule is there: a DENY rule for everything, for that is what it means.
A rule whose peer is another group or a prefix list shows its id (`sg-...`, `pl-...`) where others have a CIDR block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from model.errors import AlreadyExists, InvalidRequest, NotFound
from model.resources import Address, AnyResource, Direction, FirewallGroup, FirewallRule, Kind, Observed, Verb
from providers.aws.ec2 import Ec2Kind, Filters, observed_address, owner_of, tags_of, where
from providers.aws.kinds import need_fleet
from providers.aws.network import Networks
from providers.aws.session import Session
from providers.aws.tags import description, logical_name, ownership_tags, specification, user_tags
from providers.base import Call

_PROTOCOLS = {"-1": "any", "6": "tcp", "17": "udp", "1": "icmp", "58": "icmp", "icmpv6": "icmp"}
ANY_EGRESS = FirewallRule(
    direction=Direction.EGRESS, protocol="any", port_from=0, port_to=65535, cidr="0.0.0.0/0", action=Verb.ALLOW
)
NO_EGRESS = FirewallRule(
    direction=Direction.EGRESS,
    protocol="any",
    port_from=0,
    port_to=65535,
    cidr="0.0.0.0/0",
    action=Verb.DENY,
    description="every egress rule was removed, the one that AWS makes included",
)
_EXPLICIT = "as in the fleet"
# What stands in FirewallRule.cidr -> the list and member of an IpPermission that hold it.
_PEERS = {
    "ipv4": ("IpRanges", "CidrIp"),
    "ipv6": ("Ipv6Ranges", "CidrIpv6"),
    "sg-": ("UserIdGroupPairs", "GroupId"),
    "pl-": ("PrefixListIds", "PrefixListId"),
}
_TRIES = 3


class FirewallGroups(Ec2Kind):
    """Group names are unique in a VPC: a lost answer shows as InvalidGroup.Duplicate, and the group is ours."""

    kind = Kind.FIREWALL_GROUP
    method, result = "describe_security_groups", "SecurityGroups"
    id_filter, id_pattern = "group-id", re.compile(r"^sg-[0-9a-f]+$")
    events = r"SecurityGroup|Tags$"

    def __init__(self, session: Session, networks: Networks) -> None:
        super().__init__(session)
        self._networks = networks

    def by_name(self, name: str) -> list[Filters]:
        return [where(group_name=name)]

    def observe(self, region: str, rows: list[dict[str, Any]], call: Call) -> list[Observed]:
        networks = self._networks.names(region, call)
        return [self._observed(region, row, networks) for row in rows]

    def glance(self, region: str, rows: list[dict[str, Any]]) -> list[Observed]:
        return [self._observed(region, row, {}) for row in rows]

    def _observed(self, region: str, row: Mapping[str, Any], networks: Mapping[str, str]) -> Observed:
        tags = tags_of(row)
        name = logical_name(tags, row["GroupName"])
        return Observed(
            address=observed_address(self.session, region, Kind.FIREWALL_GROUP, name),
            resource=FirewallGroup(
                name=name,
                network=networks.get(row.get("VpcId", ""), row.get("VpcId", "")),
                rules=rules_of(row),
                description=row.get("Description", ""),
                tags=user_tags(tags),
            ),
            provider_id=row["GroupId"],
            owner=owner_of(tags),
            raw={"tags": tags, "vpc_id": row.get("VpcId", "")},
        )

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, FirewallGroup)
        need_fleet(call)
        observed = self.own(address, call)
        if observed is None:
            self._create_group(address, desired, call)
            calls = self.session.calls("ec2", address.region)
            observed = calls.poll("DescribeSecurityGroups", lambda: self.own(address, call), call)
        return self.update(observed, desired, call)

    def _create_group(self, address: Address, desired: FirewallGroup, call: Call) -> None:
        vpc_id = self._networks.id_of(address, desired.network, call)
        try:
            self.write(
                address.region,
                "CreateSecurityGroup",
                call,
                GroupName=address.name,
                Description=description(desired.description, address.name),
                VpcId=vpc_id,
                TagSpecifications=[specification("security-group", ownership_tags(address, desired, call))],
            )
        except AlreadyExists:
            if self.own(address, call) is None:  # the name is somebody else's
                raise

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Adds before it removes, so that nothing that stays allowed is ever cut off."""
        assert isinstance(desired, FirewallGroup)
        denied = [r for r in desired.rules if r.action is Verb.DENY]
        if denied:
            raise InvalidRequest(
                f"{observed.address}: a security group cannot deny ({denied[0].cidr})",
                address=str(observed.address),
                mend="leave the rule out: what no rule allows is denied",
            )
        self.update_tags(observed, desired, call)
        region, group_id = observed.address.region, observed.provider_id
        for attempt in range(_TRIES):
            row = self._row(region, group_id, call)
            try:
                for direction in (Direction.INGRESS, Direction.EGRESS):
                    self._bring(region, group_id, direction, _flat(row, direction), desired.rules, call)
                break
            except (AlreadyExists, NotFound):
                # Somebody else, or our own lost answer, was there between reading and writing: look again.
                if attempt == _TRIES - 1:
                    raise
        return self.find(observed.address, call) or observed

    def _bring(
        self,
        region: str,
        group_id: str,
        direction: Direction,
        present: Iterable[FirewallRule],
        rules: Iterable[FirewallRule],
        call: Call,
    ) -> None:
        """One direction of a group to what is wanted."""
        have, want = {key_of(r): r for r in present}, wanted(rules, direction)
        missing = [r for key, r in want.items() if key not in have]
        surplus = [r for key, r in have.items() if key not in want]
        self._apply(region, group_id, direction, missing, surplus, call)
        self._mark(region, group_id, [r for key, r in want.items() if key in have and _marks(r, have[key])], call)

    def _apply(
        self,
        region: str,
        group_id: str,
        direction: Direction,
        missing: Iterable[FirewallRule],
        surplus: Iterable[FirewallRule],
        call: Call,
    ) -> None:
        name = direction.value.capitalize()
        for verb, rules in (("Authorize", missing), ("Revoke", surplus)):
            permissions = [permission(rule, described=verb == "Authorize") for rule in rules]
            if permissions:
                operation = f"{verb}SecurityGroup{name}"
                self.write(region, operation, call, GroupId=group_id, IpPermissions=permissions)

    def _mark(self, region: str, group_id: str, rules: Iterable[FirewallRule], call: Call) -> None:
        """Gives the egress-anywhere rule a description where the fleet has it: that tells it from AWS's own."""
        permissions = [permission(rule, described=True) for rule in rules]
        if permissions:
            operation = "UpdateSecurityGroupRuleDescriptionsEgress"
            self.write(region, operation, call, GroupId=group_id, IpPermissions=permissions)

    def _row(self, region: str, group_id: str, call: Call) -> dict[str, Any]:
        rows = self.rows(region, call, where(group_id=group_id))
        if not rows:
            raise NotFound(f"security group {group_id} does not exist")
        return rows[0]

    def delete(self, observed: Observed, call: Call) -> None:
        self.gone_is_fine(observed.address.region, "DeleteSecurityGroup", call, GroupId=observed.provider_id)

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, FirewallGroup)
        assert isinstance(desired, FirewallGroup)
        return ("network",) if before.network != desired.network else ()

    # -- names ------------------------------------------------------------------------------------------------

    def names(self, region: str, call: Call) -> dict[str, str]:
        """Group id -> logical name."""
        return {r["GroupId"]: logical_name(tags_of(r), r["GroupName"]) for r in self.rows(region, call, [])}

    def id_of(self, like: Address, name: str, call: Call) -> str:
        """The id of a group named by another resource of the same region."""
        found = self.find_id(observed_address(self.session, like.region, Kind.FIREWALL_GROUP, name), call)
        if found is None:
            raise InvalidRequest(
                f"{like} names firewall group {name!r}, which does not exist",
                address=str(like),
                mend="create it first",
            )
        return found


# -- rules: pure ---------------------------------------------------------------------------------------------


def rules_of(row: Mapping[str, Any]) -> tuple[FirewallRule, ...]:
    """A DescribeSecurityGroups row as our rules: sorted, without duplicates."""
    ingress, egress = _flat(row, Direction.INGRESS), _flat(row, Direction.EGRESS)
    if not egress:
        egress = [NO_EGRESS]
    elif [r.key for r in egress] == [ANY_EGRESS.key] and not egress[0].description:
        egress = []
    return tuple(sorted({r.key: r for r in (*ingress, *egress)}.values()))


def wanted(rules: Iterable[FirewallRule], direction: Direction) -> dict[tuple[Any, ...], FirewallRule]:
    """What shall be in the group: without egress rules of the user's, the one that AWS makes."""
    found = {key_of(r): r for r in rules if r.direction is direction}
    if direction is Direction.EGRESS and not found:
        return {key_of(ANY_EGRESS): ANY_EGRESS}
    if key_of(ANY_EGRESS) in found:
        explicit = found[key_of(ANY_EGRESS)]
        found[key_of(ANY_EGRESS)] = FirewallRule(
            **{f: getattr(explicit, f) for f in ("direction", "protocol", "port_from", "port_to", "cidr")},
            description=explicit.description or _EXPLICIT,
        )
    return found


def key_of(rule: FirewallRule) -> tuple[Any, ...]:
    """Two rules with the same key are one rule for AWS: it ignores ports where the protocol is any."""
    ports = (0, 65535) if rule.protocol == "any" else (rule.port_from, rule.port_to)
    return (rule.direction, rule.protocol, *ports, rule.cidr)


def _marks(want: FirewallRule, have: FirewallRule) -> bool:
    return key_of(want) == key_of(ANY_EGRESS) and bool(want.description) != bool(have.description)


def _flat(row: Mapping[str, Any], direction: Direction) -> list[FirewallRule]:
    member = "IpPermissions" if direction is Direction.INGRESS else "IpPermissionsEgress"
    found = []
    for rule in row.get(member) or ():
        protocol = _PROTOCOLS.get(str(rule["IpProtocol"]), str(rule["IpProtocol"]))
        low, high = rule.get("FromPort"), rule.get("ToPort")
        if protocol == "any" or low is None or low < 0 or high is None or high < 0:
            low, high = (low if protocol == "icmp" and low is not None and low >= 0 else 0), 65535
        ranges = [
            (peer[field], peer.get("Description", ""))
            for peers, field in _PEERS.values()
            for peer in rule.get(peers) or ()
            if peer.get(field)
        ]
        found += [
            FirewallRule(
                direction=direction,
                protocol=protocol,
                port_from=int(low),
                port_to=int(high),
                cidr=cidr,
                description=text or "",
            )
            for cidr, text in ranges
        ]
    return found


def permission(rule: FirewallRule, *, described: bool) -> dict[str, Any]:
    """EC2's IpPermission for one rule. ICMP: type -1 means all types."""
    if rule.protocol == "any":
        base: dict[str, Any] = {"IpProtocol": "-1"}
    elif rule.protocol == "icmp":
        every = (rule.port_from, rule.port_to) == (0, 65535)
        protocol = "icmpv6" if ":" in rule.cidr else "icmp"
        base = {"IpProtocol": protocol, "FromPort": -1 if every else rule.port_from, "ToPort": -1}
    else:
        base = {"IpProtocol": rule.protocol, "FromPort": rule.port_from, "ToPort": rule.port_to}
    member, field = _PEERS[_peer_kind(rule.cidr)]
    entry = {field: rule.cidr}
    if described and rule.description:
        entry["Description"] = description(rule.description)
    return base | {member: [entry]}


def _peer_kind(cidr: str) -> str:
    for prefix in ("sg-", "pl-"):
        if cidr.startswith(prefix):
            return prefix
    return "ipv6" if ":" in cidr else "ipv4"
