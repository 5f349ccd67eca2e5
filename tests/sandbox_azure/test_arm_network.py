"""Networks, subnets, security groups and interfaces, as the real SDK meets them."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.network import models as m

REGION = "chinanorth3"


def make_network(sdk: Any, group: str, *subnets: str) -> Any:
    body = m.VirtualNetwork(
        location=REGION,
        tags={"team": "shop"},
        address_space=m.AddressSpace(address_prefixes=["10.1.0.0/16"]),
        subnets=[m.Subnet(name=f"s{i}", address_prefix=cidr) for i, cidr in enumerate(subnets)],
    )
    return sdk.network.virtual_networks.begin_create_or_update(group, "main", body).result()


def rule(name: str, port: str = "22", priority: int = 100, **kwargs: Any) -> Any:
    fields: dict[str, Any] = {
        "protocol": "Tcp",
        "access": "Allow",
        "direction": "Inbound",
        "source_address_prefix": "*",
        "destination_address_prefix": "*",
        "source_port_range": "*",
        "destination_port_range": port,
        "priority": priority,
    }
    return m.SecurityRule(name=name, **(fields | kwargs))


def refused(code: str) -> Any:
    return pytest.raises(HttpResponseError, check=lambda e: e.error is not None and e.error.code == code)


def test_a_network_and_its_subnets_live_and_die(sdk: Any, group: str) -> None:
    made = make_network(sdk, group, "10.1.0.0/24")
    assert made.provisioning_state == "Succeeded"
    assert made.tags == {"team": "shop"}
    assert [s.name for s in made.subnets] == ["s0"]
    sdk.network.subnets.begin_create_or_update(group, "main", "s1", m.Subnet(address_prefix="10.1.1.0/24")).result()
    assert {s.name for s in sdk.network.subnets.list(group, "main")} == {"s0", "s1"}
    kept = sdk.network.virtual_networks.begin_create_or_update(
        group,
        "main",
        m.VirtualNetwork(
            location=REGION, address_space=m.AddressSpace(address_prefixes=["10.1.0.0/16", "10.2.0.0/16"])
        ),
    ).result()
    assert len(kept.subnets) == 2  # a PUT without subnets leaves them
    sdk.network.subnets.begin_delete(group, "main", "s0").result()
    sdk.network.virtual_networks.begin_delete(group, "MAIN").result()
    with pytest.raises(ResourceNotFoundError):
        sdk.network.virtual_networks.get(group, "main")
    sdk.network.virtual_networks.begin_delete(group, "main").result()  # 204


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("10.9.0.0/24", "NetcfgInvalidSubnet"),
        ("10.1.0.128/25", "NetcfgSubnetRangesOverlap"),
        ("10.1.1.1/24", "InvalidCIDRNotation"),
        ("ten", "InvalidAddressPrefixFormat"),
    ],
)
def test_a_subnet_that_does_not_fit_is_refused(sdk: Any, group: str, cidr: str, code: str) -> None:
    make_network(sdk, group, "10.1.0.0/24")
    with refused(code):
        sdk.network.subnets.begin_create_or_update(group, "main", "bad", m.Subnet(address_prefix=cidr))


def test_a_group_has_default_rules_and_refuses_conflicts(sdk: Any, group: str) -> None:
    body = m.NetworkSecurityGroup(location=REGION, security_rules=[rule("ssh"), rule("web", "443", 110)])
    made = sdk.network.network_security_groups.begin_create_or_update(group, "web", body).result()
    assert {r.name for r in made.security_rules} == {"ssh", "web"}
    assert sorted(r.priority for r in made.default_security_rules) == [65000, 65000, 65001, 65001, 65500, 65500]
    with refused("SecurityRuleConflict"):
        sdk.network.security_rules.begin_create_or_update(group, "web", "dns", rule("dns", "53", 110))
    with refused("SecurityRuleInvalidPriority"):
        sdk.network.security_rules.begin_create_or_update(group, "web", "dns", rule("dns", "53", 99))
    with refused("SecurityRuleInvalidPortRange"):
        sdk.network.security_rules.begin_create_or_update(group, "web", "dns", rule("dns", "70000", 120))
    sdk.network.security_rules.begin_create_or_update(group, "web", "dns", rule("dns", "53", 120)).result()
    sdk.network.security_rules.begin_delete(group, "web", "ssh").result()
    assert {r.name for r in sdk.network.security_rules.list(group, "web")} == {"web", "dns"}


def test_what_is_in_use_cannot_go(sdk: Any, group: str) -> None:
    vnet = make_network(sdk, group, "10.1.0.0/24")
    nsg = sdk.network.network_security_groups.begin_create_or_update(
        group, "web", m.NetworkSecurityGroup(location=REGION)
    ).result()
    public = sdk.network.public_ip_addresses.begin_create_or_update(
        group,
        "front",
        m.PublicIPAddress(
            location=REGION, sku=m.PublicIPAddressSku(name="Standard"), public_ip_allocation_method="Static"
        ),
    ).result()
    nic = sdk.network.network_interfaces.begin_create_or_update(
        group,
        "nic",
        m.NetworkInterface(
            location=REGION,
            network_security_group=m.NetworkSecurityGroup(id=nsg.id),
            ip_configurations=[
                m.NetworkInterfaceIPConfiguration(
                    name="one",
                    subnet=m.Subnet(id=vnet.subnets[0].id),
                    public_ip_address=m.PublicIPAddress(id=public.id),
                )
            ],
        ),
    ).result()
    assert nic.ip_configurations[0].private_ip_address == "10.1.0.4"
    with refused("InUseSubnetCannotBeDeleted"):
        sdk.network.subnets.begin_delete(group, "main", "s0")
    with refused("InUseSubnetCannotBeDeleted"):
        sdk.network.virtual_networks.begin_delete(group, "main")
    with refused("InUseNetworkSecurityGroupCannotBeDeleted"):
        sdk.network.network_security_groups.begin_delete(group, "web")
    with refused("PublicIPAddressCannotBeDeleted"):
        sdk.network.public_ip_addresses.begin_delete(group, "front")
    sdk.network.network_interfaces.begin_delete(group, "nic").result()
    sdk.network.subnets.begin_delete(group, "main", "s0").result()
    sdk.network.network_security_groups.begin_delete(group, "web").result()


def test_an_etag_guards_a_write(sdk: Any, group: str) -> None:
    body = m.NetworkSecurityGroup(location=REGION)
    made = sdk.network.network_security_groups.begin_create_or_update(group, "web", body).result()
    sdk.network.security_rules.begin_create_or_update(group, "web", "dns", rule("dns", "53", 120)).result()
    with refused("PreconditionFailed"):
        sdk.network.network_security_groups.begin_create_or_update(group, "web", body, headers={"If-Match": made.etag})
    fresh = sdk.network.network_security_groups.get(group, "web")
    assert fresh.etag != made.etag
    sdk.network.network_security_groups.begin_create_or_update(group, "web", body, headers={"If-Match": fresh.etag})


def test_a_missing_reference_is_named(sdk: Any, group: str) -> None:
    with refused("InvalidResourceReference"):
        sdk.network.network_interfaces.begin_create_or_update(
            group,
            "nic",
            m.NetworkInterface(
                location=REGION,
                ip_configurations=[
                    m.NetworkInterfaceIPConfiguration(name="one", subnet=m.Subnet(id="/subscriptions/x"))
                ],
            ),
        )
