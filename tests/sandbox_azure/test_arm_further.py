"""Disks, scale sets, load balancers, NAT gateways of the sandbox: Azure's rules, through the real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.compute import models as c
from azure.mgmt.network import models as n

REGION = "chinanorth3"


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(HttpResponseError) as caught:
        yield
    assert caught.value.error is not None
    assert caught.value.error.code == code


@pytest.fixture
def subnet(sdk: Any, group: str) -> str:
    body = n.VirtualNetwork(
        location=REGION,
        address_space=n.AddressSpace(address_prefixes=["10.1.0.0/16"]),
        subnets=[n.Subnet(name="a", address_prefix="10.1.0.0/24")],
    )
    made = sdk.network.virtual_networks.begin_create_or_update(group, "net", body).result()
    return str(made.subnets[0].id)


def disk(size: int, **more: Any) -> c.Disk:
    fields = {"location": REGION, "creation_data": c.CreationData(create_option="Empty"), "disk_size_gb": size}
    return c.Disk(**fields, **more)


def test_disks_grow_only_and_have_types(sdk: Any, group: str) -> None:
    disks = sdk.compute.disks
    made = disks.begin_create_or_update(group, "d", disk(32, sku=c.DiskSku(name="Premium_LRS"))).result()
    assert (made.disk_state, made.sku.tier, made.encryption.type) == (
        "Unattached", "Premium", "EncryptionAtRestWithPlatformKey",
    )  # fmt: skip
    assert disks.begin_update(group, "d", c.DiskUpdate(disk_size_gb=64)).result().disk_size_gb == 64
    for wrong in (c.DiskUpdate(disk_size_gb=32), c.DiskUpdate(sku=c.DiskSku(name="Floppy_LRS"))):
        with refused("InvalidParameter"):
            disks.begin_update(group, "d", wrong)
    for wrong_body in (disk(0), disk(40_000), disk(32, sku=c.DiskSku(name="Floppy_LRS"))):
        with refused("InvalidParameter"):
            disks.begin_create_or_update(group, "e", wrong_body)
    with refused("InvalidAvailabilityZone"):
        disks.begin_create_or_update(group, "e", disk(32, zones=["7"]))


def front(subnet: str = "", public: str = "", name: str = "front") -> n.FrontendIPConfiguration:
    where = {"subnet": n.Subnet(id=subnet)} if subnet else {"public_ip_address": n.PublicIPAddress(id=public)}
    return n.FrontendIPConfiguration(name=name, **where)


def balancer(own_id: str, fronts: list[Any], *rules: tuple[int, int], sku: str = "Standard", **probe: Any) -> Any:
    """rules: (port, port behind)."""
    fields = {"protocol": "Tcp", "port": 80, "interval_in_seconds": 5, "number_of_probes": 1} | probe
    return n.LoadBalancer(
        location=REGION,
        sku=n.LoadBalancerSku(name=sku),
        frontend_ip_configurations=fronts,
        backend_address_pools=[n.BackendAddressPool(name="pool")],
        probes=[n.Probe(name="probe", **fields)],
        load_balancing_rules=[
            n.LoadBalancingRule(
                name=f"r{port}", protocol="Tcp", frontend_port=port, backend_port=behind,
                frontend_ip_configuration=n.SubResource(id=f"{own_id}/frontendIPConfigurations/front"),
                backend_address_pool=n.SubResource(id=f"{own_id}/backendAddressPools/pool"),
                probe=n.SubResource(id=f"{own_id}/probes/probe"),
            )
            for port, behind in rules
        ],
    )  # fmt: skip


@pytest.fixture
def own_id(sdk: Any, group: str) -> str:
    return f"/subscriptions/{sdk.subscription}/resourceGroups/{group}/providers/Microsoft.Network/loadBalancers/lb"


def test_a_balancer_has_its_parts_with_ids_and_users(sdk: Any, group: str, subnet: str, own_id: str) -> None:
    body = balancer(own_id, [front(subnet)], (80, 8080))
    made = sdk.network.load_balancers.begin_create_or_update(group, "lb", body).result()
    (rule,), (pool,), (probe,) = made.load_balancing_rules, made.backend_address_pools, made.probes
    assert made.frontend_ip_configurations[0].private_ip_address == "10.1.0.4"
    assert [r.id for r in pool.load_balancing_rules] == [rule.id] == [r.id for r in probe.load_balancing_rules]
    again = sdk.network.load_balancers.begin_create_or_update(group, "lb", made).result()
    assert again.frontend_ip_configurations[0].private_ip_address == "10.1.0.4"
    with refused("InUseSubnetCannotBeDeleted"):
        sdk.network.subnets.begin_delete(group, "net", "a")


def test_what_a_balancer_refuses(sdk: Any, group: str, subnet: str, own_id: str) -> None:
    address = sdk.network.public_ip_addresses.begin_create_or_update(
        group, "basic", n.PublicIPAddress(location=REGION)
    ).result()
    inner = [front(subnet)]
    cases = [
        ("PublicIPAndLBSkuDoNotMatch", balancer(own_id, [front(public=address.id)])),
        ("InvalidRequestFormat", balancer(own_id, [n.FrontendIPConfiguration(name="front")])),
        ("InvalidRequestFormat", balancer(own_id, [*inner, *inner])),
        ("LoadBalancerWithoutFrontendIPCantHaveChildResources", balancer(own_id, [])),
        ("InvalidResourceReference", balancer(own_id, [front(subnet + "x")])),
        ("InvalidResourceReference", balancer(own_id + "x", inner, (80, 80))),
        ("RulesUseSameBackendPortProtocolAndPool", balancer(own_id, inner, (80, 8080), (81, 8080))),
        ("InvalidParameter", balancer(own_id, inner, (80, 80), interval_in_seconds=1)),
        ("InvalidParameter", balancer(own_id, inner, (80, 80), protocol="Http")),
        ("InvalidParameter", balancer(own_id, inner, (80, 80), request_path="/")),
        ("InvalidParameter", balancer(own_id, inner, (80, 80), port=0)),
        ("InvalidParameter", balancer(own_id, inner, (80, 70_000))),
        ("InvalidParameter", balancer(own_id, inner, sku="Tiny")),
    ]
    for code, body in cases:
        with refused(code):
            sdk.network.load_balancers.begin_create_or_update(group, "lb", body)
    assert list(sdk.network.load_balancers.list(group)) == []


def scale_set(subnet: str, capacity: int, *, pools: tuple[str, ...] = (), nsg: str = "", **profile: Any) -> Any:
    config = c.VirtualMachineScaleSetIPConfiguration(
        name="main",
        subnet=c.ApiEntityReference(id=subnet),
        load_balancer_backend_address_pools=[c.SubResource(id=i) for i in pools] or None,
    )
    nic = c.VirtualMachineScaleSetNetworkConfiguration(
        name="main", primary=True, ip_configurations=[config],
        network_security_group=c.SubResource(id=nsg) if nsg else None,
    )  # fmt: skip
    image = c.ImageReference(publisher="Debian", offer="debian-12", sku="12-gen2", version="latest")
    fields = {
        "os_profile": c.VirtualMachineScaleSetOSProfile(
            computer_name_prefix="vm", admin_username="us", admin_password="Not-4-real-life"
        ),
        "storage_profile": c.VirtualMachineScaleSetStorageProfile(image_reference=image),
        "network_profile": c.VirtualMachineScaleSetNetworkProfile(network_interface_configurations=[nic]),
    } | profile
    return c.VirtualMachineScaleSet(
        location=REGION,
        zones=["1", "2"],
        sku=c.Sku(name="Standard_D2s_v5", capacity=capacity),
        virtual_machine_profile=c.VirtualMachineScaleSetVMProfile(**fields),
    )


def members(sdk: Any, group: str) -> list[tuple[str, str]]:
    rows = sdk.compute.virtual_machine_scale_set_vms.list(group, "set")
    return [(row.instance_id, row.zones[0]) for row in rows]


def test_a_scale_set_keeps_its_size(sdk: Any, group: str, subnet: str) -> None:
    """It takes its time; its machines come and go with the capacity, over its zones; secrets are not given out."""
    sets = sdk.compute.virtual_machine_scale_sets
    first = sets.begin_create_or_update(group, "set", scale_set(subnet, 3), polling=False).result()
    assert first.provisioning_state == "Creating"
    made = sets.begin_create_or_update(group, "set", scale_set(subnet, 3)).result()
    assert made.provisioning_state == "Succeeded"
    assert made.virtual_machine_profile.os_profile.admin_password is None
    assert members(sdk, group) == [("0", "1"), ("1", "2"), ("2", "1")]
    sets.begin_update(group, "set", c.VirtualMachineScaleSetUpdate(sku=c.Sku(capacity=1))).result()
    assert members(sdk, group) == [("0", "1")]
    sets.begin_update(group, "set", c.VirtualMachineScaleSetUpdate(sku=c.Sku(capacity=2))).result()
    assert len(members(sdk, group)) == 2
    with refused("InvalidParameter"):
        sets.begin_update(group, "set", c.VirtualMachineScaleSetUpdate(sku=c.Sku(capacity=1001)))
    sets.begin_delete(group, "set").result()
    assert list(sets.list(group)) == []


def test_what_a_scale_set_uses_does_not_go(sdk: Any, group: str, subnet: str, own_id: str) -> None:
    network = sdk.network
    network.load_balancers.begin_create_or_update(group, "lb", balancer(own_id, [front(subnet)])).result()
    nsg = network.network_security_groups.begin_create_or_update(
        group, "nsg", n.NetworkSecurityGroup(location=REGION)
    ).result()
    body = scale_set(subnet, 2, pools=(f"{own_id}/backendAddressPools/pool",), nsg=nsg.id)
    sdk.compute.virtual_machine_scale_sets.begin_create_or_update(group, "set", body).result()
    (pool,) = network.load_balancers.get(group, "lb").backend_address_pools
    assert len(pool.backend_ip_configurations) == 2
    with refused("LoadBalancerInUseByVirtualMachineScaleSet"):
        network.load_balancers.begin_delete(group, "lb")
    with refused("NetworkSecurityGroupInUseByVirtualMachineScaleSet"):
        network.network_security_groups.begin_delete(group, "nsg")
    with refused("InUseSubnetCannotBeDeleted"):
        network.subnets.begin_delete(group, "net", "a")
    addressed = network.load_balancers.get(group, "lb")
    entry = n.LoadBalancerBackendAddress(
        name="x", ip_address="10.1.0.9", virtual_network=n.SubResource(id=subnet.rsplit("/subnets/", 1)[0])
    )
    addressed.backend_address_pools[0].load_balancer_backend_addresses = [entry]
    with refused("InvalidRequestFormat"):  # members and addresses do not mix
        network.load_balancers.begin_create_or_update(group, "lb", addressed)
    sdk.compute.virtual_machine_scale_sets.begin_delete(group, "set").result()
    for delete, name in ((network.load_balancers, "lb"), (network.network_security_groups, "nsg")):
        delete.begin_delete(group, name).result()


def test_what_a_scale_set_refuses(sdk: Any, group: str, subnet: str, own_id: str) -> None:
    sets = sdk.compute.virtual_machine_scale_sets
    for code, body in (
        ("InvalidResourceReference", scale_set(subnet + "x", 1)),
        ("InvalidResourceReference", scale_set(subnet, 1, pools=(f"{own_id}/backendAddressPools/pool",))),
        ("InvalidParameter", scale_set(subnet, 1, os_profile=None)),
        ("InvalidParameter", scale_set(subnet, 1, network_profile=None)),
        ("InvalidParameter", scale_set(subnet, -1)),
    ):
        with refused(code):
            sets.begin_create_or_update(group, "set", body)


def test_a_nat_gateway_holds_addresses_and_subnets(sdk: Any, group: str, subnet: str) -> None:
    standard = n.PublicIPAddress(
        location=REGION, sku=n.PublicIPAddressSku(name="Standard"), public_ip_allocation_method="Static"
    )
    address = sdk.network.public_ip_addresses.begin_create_or_update(group, "out", standard).result()
    gateway = n.NatGateway(
        location=REGION, sku=n.NatGatewaySku(name="Standard"), public_ip_addresses=[n.SubResource(id=address.id)]
    )
    made = sdk.network.nat_gateways.begin_create_or_update(group, "nat", gateway).result()
    inside = sdk.network.subnets.get(group, "net", "a")
    inside.nat_gateway = n.SubResource(id=made.id)
    sdk.network.subnets.begin_create_or_update(group, "net", "a", inside).result()
    assert [s.id for s in sdk.network.nat_gateways.get(group, "nat").subnets] == [subnet]
    with refused("InUseNatGatewayCannotBeDeleted"):
        sdk.network.nat_gateways.begin_delete(group, "nat")
    with refused("PublicIPAddressCannotBeDeleted"):
        sdk.network.public_ip_addresses.begin_delete(group, "out")
    with refused("PublicIPAddressInUse"):
        sdk.network.nat_gateways.begin_create_or_update(group, "other", gateway)
