"""Who uses what in the Azure sandbox's networks: what must not be deleted, and which addresses are taken.

Callers: network.py, firewall.py, balancers.py, compute.py. Pure look-ups in the store.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from sandbox.azure.arm_types import AGENT_POOL, BALANCER, NAT_GATEWAY, NIC, SUBNET, VM, VMSS
from sandbox.azure.store import Record, Store
from sandbox.azure.wire import ArmError, reference, same


def interface_user(store: Store, record: Record) -> Record | None:
    """The VM that has this interface."""
    for vm in store.of_type(VM):
        for nic in (vm.properties.get("networkProfile") or {}).get("networkInterfaces") or ():
            if reference(nic).lower() == record.id.lower():
                return vm
    return None


def nic_configs(store: Store) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, properties) of every ipConfiguration of every interface."""
    for nic in store.of_type(NIC):
        for config in nic.properties.get("ipConfigurations") or ():
            yield f"{nic.id}/ipConfigurations/{config.get('name')}", config.get("properties") or {}


def fronts(store: Store) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, properties) of every frontend of every load balancer."""
    for balancer in store.of_type(BALANCER):
        for front in balancer.properties.get("frontendIPConfigurations") or ():
            yield f"{balancer.id}/frontendIPConfigurations/{front['name']}", front["properties"]


def networks_of(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Interface configurations of a scale set."""
    network = (properties.get("virtualMachineProfile") or {}).get("networkProfile") or {}
    return list(network.get("networkInterfaceConfigurations") or ())


def configs_of(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """properties of every ipConfiguration of a scale set's profile."""
    for nic in networks_of(properties):
        for config in (nic.get("properties") or {}).get("ipConfigurations") or ():
            yield config.get("properties") or {}


def public_ip_user(store: Store, record: Record) -> str:
    """Id of what has this public address: an ipConfiguration, a frontend, a NAT gateway; "" for nothing."""
    for config_id, config in (*nic_configs(store), *fronts(store)):
        if same(reference(config.get("publicIPAddress")), record.id):
            return config_id
    for gateway in store.of_type(NAT_GATEWAY):
        if any(same(reference(entry), record.id) for entry in gateway.properties.get("publicIpAddresses") or ()):
            return gateway.id
    return ""


def subnet_users(store: Store, record: Record) -> list[str]:
    """Ids of what has an address in this subnet: interfaces, frontends, node pools, scale sets."""
    found = [i for i, c in (*nic_configs(store), *fronts(store)) if same(reference(c.get("subnet")), record.id)]
    found += [
        pool.id for pool in store.of_type(AGENT_POOL) if same(str(pool.properties.get("vnetSubnetID") or ""), record.id)
    ]
    for scale_set in store.of_type(VMSS):
        if any(same(reference(c.get("subnet")), record.id) for c in configs_of(scale_set.properties)):
            found.append(scale_set.id)
    return found


def group_users(store: Store, record: Record) -> tuple[list[str], list[str], list[str]]:
    """(subnets, interfaces, scale sets) that a network security group stands before."""

    def using(type_: str) -> list[str]:
        return [
            r.id for r in store.of_type(type_) if same(reference(r.properties.get("networkSecurityGroup")), record.id)
        ]

    sets = [
        s.id
        for s in store.of_type(VMSS)
        for nic in networks_of(s.properties)
        if same(reference((nic.get("properties") or {}).get("networkSecurityGroup")), record.id)
    ]
    return using(SUBNET), using(NIC), sets


def subnet_address(store: Store, subnet: Record, taken: set[str] | None = None) -> str:
    """A free address. Raises SubnetIsFull. taken: further ones that are not free."""
    prefixes = subnet.properties.get("addressPrefixes") or [subnet.properties.get("addressPrefix")]
    net = ipaddress.ip_network(str(prefixes[0]))
    used = {c.get("privateIPAddress") for _, c in (*nic_configs(store), *fronts(store))} | (taken or set())
    for offset in range(4, net.num_addresses - 1):  # Azure keeps the first four and the last
        address = str(net.network_address + offset)
        if address not in used:
            return address
    raise ArmError(400, "SubnetIsFull", f"Subnet {subnet.name} with address prefix {net} is full.")
