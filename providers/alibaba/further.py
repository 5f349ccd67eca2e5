"""The kinds beyond networks, machines and clusters. Caller: provider.py."""

from __future__ import annotations

from providers.alibaba.common import Adapter
from providers.alibaba.disks import Disks
from providers.alibaba.dns import DnsRecords
from providers.alibaba.load_balancers import LoadBalancers
from providers.alibaba.registries import Registries
from providers.alibaba.scaling import InstanceGroups

FURTHER_KINDS: tuple[type[Adapter], ...] = (Disks, LoadBalancers, InstanceGroups, DnsRecords, Registries)
