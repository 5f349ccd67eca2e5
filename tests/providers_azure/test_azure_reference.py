"""The adapter and the sandbox against what others recorded: ../shared/data/clouds/azure. Schemas: tests/conformance."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.resources import Direction, Kind, State, Verb
from providers.base import Call

DATA = (
    Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).parents[3] / "shared" / "data") / "clouds" / "azure"
)
pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not DATA.is_dir(), reason="no reference data: ../shared/data/clouds/azure"),
]


# -- answers that others recorded --------------------------------------------------------------------------------


def recorded(name: str) -> Iterator[dict[str, Any]]:
    """Resources in the answers of one recording."""
    document = json.loads((DATA / "recorded_c7n" / name).read_text(encoding="utf-8"))
    for interaction in document["interactions"]:
        body = interaction["response"]["body"].get("data")
        if isinstance(body, dict):
            yield from body.get("value") or [body]


def firewall_groups(rig: Any) -> Any:
    return rig.provider._adapters[Kind.FIREWALL_GROUP]


def test_recorded_security_groups_become_rules(rig: Any) -> None:
    from azure.mgmt.network.models import NetworkSecurityGroup

    raws = [
        r
        for r in recorded("NetworkSecurityGroupTest.test_allow_single_port.json")
        if "networkSecurityGroups" in r["type"]
    ]
    seen = firewall_groups(rig).observe(NetworkSecurityGroup(raws[0]), Call())
    assert (seen.address.name, seen.state, seen.owner) == ("c7n-nsg", State.READY, "")
    ingress = [r for r in seen.resource.rules if r.direction is Direction.INGRESS]
    told = {(r.protocol, r.port_from, r.port_to, r.cidr, r.action, r.priority) for r in ingress}
    assert ("any", 80, 80, "0.0.0.0/0", Verb.ALLOW, 300) in told
    assert ("any", 8080, 8084, "::/0", Verb.ALLOW, 310) in told
    assert ("any", 8086, 8086, "0.0.0.0/0", Verb.DENY, 290) in told


@pytest.mark.parametrize(
    "name",
    [
        "NetworkSecurityGroupTest.test_allow_single_port.json",
        "NetworkSecurityGroupTest.test_cidr_and_ingress_match.json",
        "NetworkSecurityGroupTest.test_icmp_protocol.json",
        "NetworkSecurityGroupTest.test_open_ports.json",
    ],
)
def test_no_recorded_rule_is_lost(rig: Any, name: str) -> None:
    from azure.mgmt.network.models import NetworkSecurityGroup

    groups = [r for r in recorded(name) if r.get("type") == "Microsoft.Network/networkSecurityGroups"]
    assert groups
    for raw in groups:
        seen = firewall_groups(rig).observe(NetworkSecurityGroup(raw), Call()).resource
        for rule in raw["properties"]["securityRules"]:
            inner = rule["properties"]
            ports = inner.get("destinationPortRanges") or [inner.get("destinationPortRange")]
            for port in ports:
                low = 0 if port == "*" else int(port.partition("-")[0])
                assert any(
                    r.port_from == low and (r.action is Verb.ALLOW) == (inner["access"] == "Allow") for r in seen.rules
                ), rule["name"]


def test_recorded_machines_are_read_whole(rig: Any) -> None:
    from azure.mgmt.compute.models import VirtualMachine
    from azure.mgmt.network.models import NetworkInterface

    found = list(recorded("VMTest.virtual_machine_interface.json"))
    machine = next(r for r in found if r.get("name") == "cctestvm")
    nic = next(r for r in found if r.get("name") == "myVMNic")
    adapter = rig.provider._adapters[Kind.INSTANCE]
    seen = adapter._observed(VirtualMachine(machine), NetworkInterface(nic), {}, ())
    wanted = {
        "name": "cctestvm", "zone": "southcentralus-1", "subnet": "Subnet", "instance_type": "Standard_A1_v2",
        "machine_image": "Canonical:UbuntuServer:16.04.0-LTS:latest", "disk_gib": 30, "public_ip": True,
    }  # fmt: skip
    assert {k: getattr(seen.resource, k) for k in wanted} == wanted
    assert (seen.private_ip, seen.state) == ("10.0.0.4", State.READY)
    assert seen.resource.tags["testtag"] == "testvalue"


def test_a_recorded_cluster_is_read(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.mgmt.containerservice.models import ManagedCluster

    adapter = rig.provider._adapters[Kind.CLUSTER]
    monkeypatch.setattr(adapter.audit, "enabled", lambda *_: False)
    raw = next(recorded("AksTest.test_find_aks_by_name.json"))
    seen = adapter.observe(ManagedCluster(raw), Call())
    assert (seen.resource.name, seen.resource.version, seen.state) == ("cctestaks", "1.12", State.PENDING)
    assert (seen.resource.network, seen.resource.subnets, seen.resource.public_endpoint) == ("", (), True)


# -- the sandbox's answers against recorded ones -----------------------------------------------------------------

# Members that a recording has because of what that resource was configured with, or that the sandbox leaves out.
OPTIONAL = {
    "Microsoft.Compute/virtualMachines": {
        "/resources", "/zones", "/plan", "/identity", "/properties/diagnosticsProfile", "/properties/availabilitySet",
        "/properties/osProfile/windowsConfiguration", "/properties/osProfile/requireGuestProvisionSignal",
        "/properties/osProfile/linuxConfiguration", "/properties/storageProfile/imageReference/exactVersion",
        "/properties/storageProfile/osDisk/encryptionSettings", "/properties/storageProfile/osDisk/vhd",
        "/properties/licenseType", "/properties/storageProfile/dataDisks",
        "/properties/priority", "/properties/evictionPolicy", "/properties/billingProfile",
        "/properties/additionalCapabilities", "/properties/instanceView", "/properties/securityProfile",
    },
    "Microsoft.Network/networkInterfaces": {
        "/properties/enableAcceleratedNetworking", "/properties/enableIPForwarding", "/properties/tapConfigurations",
        "/properties/dnsSettings/internalDomainNameSuffix", "/properties/networkSecurityGroup", "/kind",
    },
    "Microsoft.Network/publicIPAddresses": {
        "/properties/dnsSettings", "/properties/ipConfiguration", "/properties/publicIPPrefix", "/zones",
        "/properties/ddosSettings",
    },
    "Microsoft.Network/networkSecurityGroups": {
        "/properties/subnets", "/properties/networkInterfaces", "/properties/flowLogs",
        "/properties/securityRules/properties/description",
    },
}  # fmt: skip
RECORDED = {
    "Microsoft.Compute/virtualMachines": "VMTest.virtual_machine_interface.json",
    "Microsoft.Network/networkInterfaces": "VMTest.virtual_machine_interface.json",
    "Microsoft.Network/publicIPAddresses": "PublicIpAddressTest.test_find_by_name.json",
    "Microsoft.Network/networkSecurityGroups": "NetworkSecurityGroupTest.test_allow_single_port.json",
}


def members(value: Any, path: str = "") -> Iterator[str]:
    """Paths of all members, list entries together; tags and other free maps are not looked into."""
    if isinstance(value, list):
        for entry in value:
            yield from members(entry, path)
    elif isinstance(value, dict) and not path.endswith("/tags"):
        for key, inner in value.items():
            yield f"{path}/{key}"
            yield from members(inner, f"{path}/{key}")


def test_the_sandbox_answers_what_azure_answered(rig: Any, make: Any) -> None:
    rig.network(subnets=1)
    rig.make(make.instance())
    engine = rig.azure.server.engine
    live = [r for r in engine.store.records.values() if rig.fleet in r.id]
    for type_, name in RECORDED.items():
        ours = set(members(engine.render(next(r for r in live if r.type == type_))))
        theirs = [r for r in recorded(name) if str(r.get("type", "")).lower() == type_.lower()]
        assert theirs, type_
        for raw in theirs:
            missing = {
                p for p in members(raw)
                if p not in ours and not any(p == o or p.startswith(f"{o}/") for o in OPTIONAL[type_])
            }  # fmt: skip
            assert not missing, (type_, raw["name"], sorted(missing))
