"""Normalised networks, and what guards them. Callers take them from model.resources."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from model.resource_base import Flag, Kind, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Resource):
    """VPC (AWS, Alibaba) or virtual network (Azure). default: the one that the cloud made for the account."""

    KIND = Kind.NETWORK
    cidr: str
    default: Flag = None
    flow_logs: Flag = None
    ddos_protection: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet(Resource):
    """Subnet, or vSwitch. zone is empty where the cloud's subnets span a region (Azure ignores it).

    public: machines in it get a public address unasked. guarded: a firewall group stands before it; None where the
    cloud guards machines rather than subnets.
    """

    KIND = Kind.SUBNET
    network: str
    cidr: str
    zone: str = ""
    public: Flag = None
    guarded: Flag = None
    flow_logs: Flag = None


class Direction(StrEnum):
    INGRESS = "ingress"
    EGRESS = "egress"


class Verb(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FirewallRule:
    """One rule. protocol: tcp, udp, icmp or any; ports inclusive, 0 to 65535 where the protocol has none.

    priority: lower wins; 0 where the cloud has no order (AWS). Where the other side is no block, cidr is empty and
    peer_group names the firewall group, or prefix_list the named list of blocks, that it is.
    """

    direction: Direction
    protocol: str
    port_from: int
    port_to: int
    cidr: str
    action: Verb = Verb.ALLOW
    priority: int = 0
    description: str = ""
    peer_group: str = ""
    prefix_list: str = ""

    @property
    def key(self) -> tuple[str, str, int, int, str, str]:
        """What makes two rules the same rule; description and priority do not."""
        peer = self.cidr or self.peer_group or self.prefix_list
        return (self.direction, self.protocol, self.port_from, self.port_to, peer, self.action)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallGroup(Resource):
    """Security group (AWS, Alibaba) or network security group (Azure). rules are sorted, without duplicates.

    The clouds' own default rules (AWS: egress to anywhere; Azure: the 65000s) are not part of it.
    family: `group`, or `acl` for a list that stands before whole subnets and keeps no state. default: the one that the
    cloud made with the network. subnets: those that it stands before.
    """

    KIND = Kind.FIREWALL_GROUP
    network: str
    rules: tuple[FirewallRule, ...] = ()
    description: str = ""
    family: str = "group"
    default: Flag = None
    subnets: tuple[str, ...] = ()
    flow_logs: Flag = None
