"""The networks, subnets and firewall groups that a region is to have. Pure. Callers: desired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from model.plan import Item
from model.resources import (
    Address,
    Direction,
    FirewallGroup,
    FirewallRule,
    Kind,
    Network,
    Subnet,
)
from model.spec.app import Service
from model.spec.fleet import FirewallSpec, RuleSpec
from orchestrator.desired_parts import Builder, Region

_ALL_PORTS = (0, 65535)


def subnet_name(network: str, zone: str) -> str:
    """Logical name of a zone's subnet."""
    return f"{network}-{zone.lower()}"


def network_items(build: Builder, region: Region) -> tuple[Address, ...]:
    """Network, a subnet a zone, the fleet's firewall groups, and one for the instances of this application."""
    net = region.spec.network
    tags = dict(build.fleet.spec.tags)
    network = build.add(
        Item(
            address=region.address(Kind.NETWORK, net.name),
            resource=Network(name=net.name, cidr=net.cidr, tags=tags),
            ownership=net.ownership,
        )
    )
    made = [network]
    for zone in region.spec.zones:
        if zone.subnet_cidr is None:
            continue
        name = subnet_name(net.name, zone.zone)
        subnet = Subnet(name=name, network=net.name, cidr=zone.subnet_cidr, zone=zone.zone, tags=tags)
        made.append(
            build.add(
                Item(
                    address=region.address(Kind.SUBNET, name),
                    resource=subnet,
                    ownership=net.ownership,
                    depends_on=(network,),
                )
            )
        )
    for spec in region.spec.firewalls:
        made.append(_firewall(build, region, network, spec))
    return tuple(made)


def _firewall(build: Builder, region: Region, network: Address, spec: FirewallSpec) -> Address:
    group = FirewallGroup(
        name=spec.name,
        network=region.spec.network.name,
        rules=tuple(sorted({rule for r in spec.rules for rule in parse_rule(r)})),
        description=spec.description,
        tags=dict(build.fleet.spec.tags),
    )
    return build.add(
        Item(
            address=region.address(Kind.FIREWALL_GROUP, spec.name),
            resource=group,
            ownership=spec.ownership,
            depends_on=(network,),
        )
    )


def parse_rule(spec: RuleSpec) -> Iterator[FirewallRule]:
    """`ports: 80,443,8000-8100` -> one rule each; no ports means all of them."""
    for part in (p.strip() for p in spec.ports.split(",")) if spec.ports else [""]:
        low, _, high = part.partition("-")
        ports = (int(low), int(high or low)) if part else _ALL_PORTS
        yield FirewallRule(
            direction=Direction(spec.direction),
            protocol=spec.protocol,
            port_from=ports[0],
            port_to=ports[1],
            cidr=spec.cidr,
            description=spec.description,
        )


def instance_firewall(build: Builder, region: Region, services: Iterable[Service]) -> Address:
    """Instances are reachable on their services' ports from the fleet's own networks, and from nowhere else."""
    cidrs = sorted({r.network.cidr for r in build.fleet.spec.regions})
    ports = sorted({(p.protocol, p.port) for s in services for p in s.ports})
    name = f"{build.app.name}-instances"
    rules = (
        FirewallRule(
            direction=Direction.INGRESS,
            protocol=protocol,
            port_from=port,
            port_to=port,
            cidr=cidr,
            description=f"{build.app.name} services",
        )
        for protocol, port in ports
        for cidr in cidrs
    )
    group = FirewallGroup(
        name=name,
        network=region.spec.network.name,
        rules=tuple(sorted(rules)),
        description=f"instances of {build.app.name}",
        tags=dict(build.fleet.spec.tags),
    )
    return build.add(
        Item(
            address=region.address(Kind.FIREWALL_GROUP, name),
            resource=group,
            depends_on=(region.address(Kind.NETWORK, region.spec.network.name),),
        )
    )
