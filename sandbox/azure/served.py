"""All resource types of the Azure sandbox. Caller: server.py."""

from __future__ import annotations

from sandbox.azure.agent_pools import AgentPools
from sandbox.azure.aks import ManagedClusters
from sandbox.azure.balancers import LoadBalancers, NatGateways
from sandbox.azure.compute import VirtualMachines
from sandbox.azure.disks import Disks
from sandbox.azure.dns import RECORD_TYPES, DnsZones, Profiles, RecordSetLists, RecordSets
from sandbox.azure.engine import Engine
from sandbox.azure.firewall import SecurityGroups, SecurityRules
from sandbox.azure.kinds import ResourceKind
from sandbox.azure.network import NetworkInterfaces, PublicIpAddresses, Subnets, VirtualNetworks
from sandbox.azure.rights import DiagnosticSettings, RoleAssignments, RoleDefinitions
from sandbox.azure.scale_sets import AutoscaleSettings, Members, ScaleSets
from sandbox.azure.stores import RULES, Services

_KINDS: tuple[type[ResourceKind], ...] = (
    VirtualNetworks, Subnets, SecurityGroups, SecurityRules, NetworkInterfaces, PublicIpAddresses, LoadBalancers,
    NatGateways, VirtualMachines, Disks, ScaleSets, Members, AutoscaleSettings, ManagedClusters, AgentPools, DnsZones,
    Profiles, RoleDefinitions, RoleAssignments, DiagnosticSettings,
)  # fmt: skip


def kinds_of(engine: Engine) -> list[ResourceKind]:
    """One of each."""
    return [
        *(cls(engine) for cls in _KINDS),
        *(RecordSets(engine, type_) for type_ in RECORD_TYPES),
        *(RecordSetLists(engine, word) for word in ("recordsets", "all")),
        *(Services(engine, type_) for type_ in RULES),
    ]
