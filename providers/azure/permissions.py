"""Which requests this adapter sends, and the actions of Azure RBAC that they want: the one table of permissions.

Callers: checking.py. Tests hold the table against what the adapter really sends to the sandbox. Source:
learn.microsoft.com/azure/role-based-access-control/resource-provider-operations. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_ALL = "read write delete"
_RECORDS = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT")

TYPES: Mapping[str, str] = {
    "Microsoft.Authorization/permissions": "read",
    "Microsoft.Authorization/roleAssignments": "read write",
    "Microsoft.Authorization/roleDefinitions": "read",
    "Microsoft.Cache/redis": "read",
    "Microsoft.Compute/disks": _ALL,
    "Microsoft.Compute/locations/usages": "read",
    "Microsoft.Compute/skus": "read",
    "Microsoft.Compute/virtualMachineScaleSets": _ALL,
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines": "read",
    "Microsoft.Compute/virtualMachines/instanceView": "read",
    "Microsoft.Compute/virtualMachines": f"{_ALL} attachDetachDataDisks/action",
    "Microsoft.ContainerRegistry/registries": _ALL,
    "Microsoft.ContainerService/managedClusters": f"{_ALL} listClusterUserCredential/action",
    "Microsoft.ContainerService/managedClusters/agentPools": _ALL,
    "Microsoft.DBforMySQL/flexibleServers": "read",
    "Microsoft.DBforPostgreSQL/flexibleServers": "read",
    "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules": "read",
    "Microsoft.DocumentDB/databaseAccounts": "read",
    "Microsoft.EventHub/namespaces": "read",
    "Microsoft.EventHub/namespaces/eventhubs": "read",
    "Microsoft.Insights/autoscaleSettings": _ALL,
    "Microsoft.Insights/diagnosticSettings": _ALL,
    "Microsoft.Insights/eventtypes/values": "read",
    "Microsoft.KeyVault/vaults": "read",
    "Microsoft.KeyVault/vaults/keys": "read",
    "Microsoft.KeyVault/vaults/secrets": "read",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "read",
    "Microsoft.Network/dnsZones": "read",
    **{f"Microsoft.Network/dnsZones/{record}": _ALL for record in _RECORDS},
    "Microsoft.Network/dnsZones/recordsets": "read",
    "Microsoft.Network/loadBalancers": _ALL,
    "Microsoft.Network/natGateways": "read",
    "Microsoft.Network/networkInterfaces": _ALL,
    "Microsoft.Network/networkSecurityGroups": _ALL,
    "Microsoft.Network/publicIPAddresses": _ALL,
    "Microsoft.Network/trafficManagerProfiles": _ALL,
    "Microsoft.Network/virtualNetworks": _ALL,
    "Microsoft.Network/virtualNetworks/subnets": _ALL,
    "Microsoft.OperationalInsights/workspaces": _ALL,
    "Microsoft.Resources/subscriptions": "read",
    "Microsoft.Resources/subscriptions/locations": "read",
    "Microsoft.Resources/subscriptions/providers": "read",
    "Microsoft.Resources/subscriptions/resourceGroups": _ALL,
    "Microsoft.Resources/subscriptions/resourceGroups/resources": "read",
    "Microsoft.Resources/subscriptions/resources": "read",
    "Microsoft.ServiceBus/namespaces": "read",
    "Microsoft.ServiceBus/namespaces/queues": "read",
    "Microsoft.ServiceBus/namespaces/topics": "read",
    "Microsoft.Sql/servers": "read",
    "Microsoft.Sql/servers/databases": "read",
    "Microsoft.Sql/servers/firewallRules": "read",
    "Microsoft.Storage/storageAccounts": "read",
    "Microsoft.Storage/storageAccounts/blobServices": "read",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "read",
    "Microsoft.Web/certificates": "read",
    "Microsoft.Web/sites": "read",
}
"""Resource type -> what is done with it."""
_BESIDES: Mapping[str, tuple[str, ...]] = {
    "Microsoft.Compute/virtualMachineScaleSets/write": (
        "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
        "Microsoft.Network/networkSecurityGroups/join/action",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
    ),
    "Microsoft.Compute/virtualMachines/write": ("Microsoft.Network/networkInterfaces/join/action",),
    "Microsoft.ContainerService/managedClusters/write": ("Microsoft.Network/virtualNetworks/subnets/join/action",),
    "Microsoft.Insights/diagnosticSettings/write": ("Microsoft.OperationalInsights/workspaces/sharedKeys/action",),
    "Microsoft.Network/loadBalancers/write": (
        "Microsoft.Network/publicIPAddresses/join/action",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
    ),
    "Microsoft.Network/networkInterfaces/write": (
        "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
        "Microsoft.Network/networkSecurityGroups/join/action",
        "Microsoft.Network/publicIPAddresses/join/action",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
    ),
    "Microsoft.Network/virtualNetworks/subnets/write": ("Microsoft.Network/networkSecurityGroups/join/action",),
}
"""What a write asks for besides, on the things that it joins."""
_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
_SPELLED = {name.lower(): name for name in TYPES}  # Resource Manager minds no case
ANY_READ = "*/read"
"""Managed services are whatever the subscription holds, of types that no table knows."""


def wanted(operation: str) -> tuple[str, ...]:
    """RBAC actions that a request (`PUT Microsoft.Compute/disks`) wants. KeyError where the table has no such one."""
    method, _, name = operation.partition(" ")
    if method == "POST":
        name, _, action = name.rpartition("/")
        verb = f"{action}/action"
    else:
        verb = _VERBS[method]
    name = _SPELLED.get(name.lower(), name)
    if verb not in TYPES.get(name, "").split():
        if verb == "read":
            return (ANY_READ,)
        raise KeyError(operation)
    return (f"{name}/{verb}", *_BESIDES.get(f"{name}/{verb}", ()))


def operations() -> tuple[str, ...]:
    """All of the table, like `PUT Microsoft.Compute/disks`."""
    methods = {"read": "GET", "write": "PUT", "delete": "DELETE"}
    rows = [(name, verb) for name, verbs in TYPES.items() for verb in verbs.split()]
    return tuple(
        f"{methods[verb]} {name}" if verb in methods else f"POST {name}/{verb.removesuffix('/action')}"
        for name, verb in rows
    )


ACTIONS: tuple[str, ...] = tuple(sorted({ANY_READ, *(action for op in operations() for action in wanted(op))}))


def policy(actions: Iterable[str], subscription: str) -> dict[str, Any]:
    """A custom role, as `az role definition create --role-definition` takes it; reads are said once.

    Source: learn.microsoft.com/azure/role-based-access-control/custom-roles.
    """
    asked = sorted(set(actions))
    if ANY_READ in asked:
        asked = [a for a in asked if a == ANY_READ or not a.endswith("/read")]
    return {
        "Name": "duoyun",
        "IsCustom": True,
        "Description": "What duoyun calls, and nothing else.",
        "Actions": asked,
        "NotActions": [],
        "AssignableScopes": [f"/subscriptions/{subscription}"],
    }
