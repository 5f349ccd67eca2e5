"""The kinds beyond networks, machines and clusters. Caller: provider.py."""

from __future__ import annotations

from providers.alibaba.account_wide import AuditTrails, Certificates, ManagedServices
from providers.alibaba.buckets import Buckets
from providers.alibaba.common import Adapter
from providers.alibaba.databases import Caches, Databases
from providers.alibaba.disks import Disks
from providers.alibaba.dns import DnsRecords
from providers.alibaba.egress import NatGateways, PublicIps
from providers.alibaba.identities import Identities
from providers.alibaba.keys import Keys
from providers.alibaba.load_balancers import LoadBalancers
from providers.alibaba.queues import Queues
from providers.alibaba.registries import Registries
from providers.alibaba.scaling import InstanceGroups

FURTHER_KINDS: tuple[type[Adapter], ...] = (
    *(Disks, LoadBalancers, InstanceGroups, DnsRecords, Registries),
    *(Buckets, Keys, Certificates, NatGateways, PublicIps, Databases, Caches, Queues),
    *(AuditTrails, Identities, ManagedServices),
)
