"""Kinds beyond networks, machines and clusters: what a test wants of them, the same on every cloud, and what differs.

Callers: tests/contract/test_more_kinds.py, lives.py. What differs by cloud is a More, in tools/conformance/strangers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from model.resources import (
    AnyResource,
    Disk,
    DnsRecord,
    HealthCheck,
    InstanceGroup,
    Kind,
    Listener,
    LoadBalancer,
    Registry,
    TrafficWeight,
)
from providers.base import Account
from sandbox.threaded import Running

MADE = (Kind.INSTANCE_GROUP, Kind.DISK, Kind.LOAD_BALANCER, Kind.DNS_RECORD, Kind.REGISTRY)
"""Made, changed and taken away by every adapter that declares them."""
READ = (
    Kind.BUCKET, Kind.KEY, Kind.CERTIFICATE, Kind.NAT_GATEWAY, Kind.PUBLIC_IP, Kind.DATABASE, Kind.CACHE, Kind.QUEUE,
    Kind.AUDIT_TRAIL, Kind.IDENTITY, Kind.MANAGED_SERVICE,
)  # fmt: skip
"""At least listed and read by every adapter that declares them."""
USER_DATA = "#cloud-config\nruncmd: []\n"


@dataclass(frozen=True)
class Base:
    """Names of what the new resources stand on. subnets: one a zone. zone: of DNS names, such as `contract.example`."""

    network: str
    subnets: tuple[str, ...]
    zones: tuple[str, ...]
    firewall_group: str
    instance_type: str
    zone: str
    instance: str = ""


Foreign = Callable[[Account, str, str], Mapping[str, Any]]
"""(account, region, name) -> makes one of that name without our tags; fields of the normalised value that must be seen.
`name` among them where the adapter shows it by another name."""


@dataclass(frozen=True)
class More:
    """One cloud. creates: the fault table's operation that makes a kind. lacking: kinds that it has not declared (yet).

    fields: what is wanted of a kind beside the common wish; changes: what changes in place beside the common change.
    dns_zone(account, region, name): makes the zone, or finds it there. strangers: by kind. page_size(running, n): how
    many rows its lists hold from now on; returns how many they held. untagged: kinds whose tags are not the user's.
    """

    creates: Mapping[Kind, str]
    lacking: frozenset[Kind] = frozenset()
    fields: Mapping[Kind, Mapping[str, Any]] = field(default_factory=dict)
    changes: Mapping[Kind, Mapping[str, Any]] = field(default_factory=dict)
    dns_zone: Callable[[Account, str, str], None] | None = None
    strangers: Mapping[Kind, Foreign] = field(default_factory=dict)
    page_size: Callable[[Running, int], int] | None = None
    untagged: frozenset[Kind] = frozenset({Kind.DNS_RECORD})


def wish(more: More, kind: Kind, name: str, number: int, base: Base) -> AnyResource:
    """What is wanted; number, 1 to 65000, keeps addresses apart."""
    made = _WISHES[kind](name, number, base)
    tags = {} if kind in more.untagged else {"team": "shop"}
    return replace(made, tags=tags, **more.fields.get(kind, {}))


def _instance_group(name: str, _number: int, base: Base) -> InstanceGroup:
    return InstanceGroup(
        name=name, zones=base.zones[:1], subnets=base.subnets[:1], firewall_group=base.firewall_group,
        instance_type=base.instance_type, size=1, user_data=USER_DATA, disk_gib=40,
    )  # fmt: skip


def _disk(name: str, _number: int, base: Base) -> Disk:
    return Disk(name=name, zone=base.zones[0], size_gib=20)


def listener(port: int, target_port: int, **check: Any) -> Listener:
    return Listener(protocol="tcp", port=port, target_port=target_port, health_check=HealthCheck(**check))


def _load_balancer(name: str, _number: int, base: Base) -> LoadBalancer:
    listeners = (listener(80, 8080, protocol="http", path="/healthz"), listener(9000, 9000))
    targets = (base.instance,) if base.instance else ()
    return LoadBalancer(name=name, network=base.network, subnets=base.subnets, listeners=listeners, targets=targets)


def _dns_record(_name: str, number: int, base: Base) -> DnsRecord:
    fqdn = f"r{number}.{base.zone}"
    answers = (TrafficWeight(value=f"192.0.2.{number % 250 + 1}"),)
    return DnsRecord(name=f"A {fqdn}", zone=base.zone, fqdn=fqdn, record_type="A", answers=answers)


def _registry(name: str, _number: int, _base: Base) -> Registry:
    return Registry(name=name)


_WISHES: Mapping[Kind, Callable[[str, int, Base], AnyResource]] = {
    Kind.INSTANCE_GROUP: _instance_group,
    Kind.DISK: _disk,
    Kind.LOAD_BALANCER: _load_balancer,
    Kind.DNS_RECORD: _dns_record,
    Kind.REGISTRY: _registry,
}


def changed(more: More, wanted: Any) -> Any:
    """The same with something else that every cloud can change in place."""
    if wanted.KIND not in more.untagged:
        wanted = replace(wanted, tags={"team": "pay"})
    if isinstance(wanted, InstanceGroup):
        wanted = replace(wanted, size=2)
    elif isinstance(wanted, Disk):
        wanted = replace(wanted, size_gib=wanted.size_gib + 20)
    elif isinstance(wanted, LoadBalancer):
        checked = listener(80, 8080, protocol="http", path="/ready", interval_s=15)
        wanted = replace(wanted, listeners=(checked, listener(9001, 9001)), targets=())
    elif isinstance(wanted, DnsRecord):
        wanted = replace(wanted, answers=(TrafficWeight(value="198.51.100.7"),), ttl_s=120)
    return replace(wanted, **more.changes.get(wanted.KIND, {}))
