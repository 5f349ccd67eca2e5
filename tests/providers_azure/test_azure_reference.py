"""The adapter and the sandbox against what others recorded and published: ../shared/data/clouds/azure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from model.resources import Direction, FirewallGroup, Kind, State, Verb
from providers.base import Call

DATA = (
    Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).parents[3] / "shared" / "data") / "clouds" / "azure"
)
pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not DATA.is_dir(), reason="no reference data: ../shared/data/clouds/azure"),
]
SCHEMAS = {
    "Microsoft.Compute": "Microsoft.Compute.2024-11-01.json",
    "Microsoft.ContainerService": "Microsoft.ContainerService.Aks.2026-05-01.json",
    "Microsoft.Network": "Microsoft.Network.2025-07-01.json",
}


# -- bodies that we send -----------------------------------------------------------------------------------------


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DATA / "schemas_arm" / name).read_text(encoding="utf-8"))
    # The published enumeration of VM sizes ends in 2020.
    for definition in document.get("definitions", {}).values():
        if "vmSize" in definition.get("properties", {}):
            definition["properties"]["vmSize"] = {"type": "string"}
    return document


@pytest.fixture(scope="module")
def schemas() -> dict[str, dict[str, Any]]:
    return {namespace: load(name) for namespace, name in SCHEMAS.items()}


@pytest.fixture(scope="module")
def registry(schemas: dict[str, dict[str, Any]]) -> Any:
    documents = [*schemas.values(), load("common.definitions.json")]
    return Registry().with_resources([(d["id"], Resource.from_contents(d, DRAFT4)) for d in documents])


def check(type_: str, name: str, body: dict[str, Any], schemas: Any, registry: Any) -> list[str]:
    """Mistakes of a PUT body: against the schema, and members that the schema does not know."""
    namespace, _, kind = type_.partition("/")
    document = schemas[namespace]
    schema = document["resourceDefinitions"][kind.replace("/", "_")]
    version = schema["properties"]["apiVersion"]["enum"][0]
    full = {"name": name, "type": type_, "apiVersion": version} | body
    validator = jsonschema.Draft4Validator(
        {"$ref": f"{document['id']}/resourceDefinitions/{kind.replace('/', '_')}"}, registry=registry
    )
    mistakes = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in validator.iter_errors(full)]
    return mistakes + [f"unknown member {p}" for p in unknown(document, schema, full, "")]


def unknown(document: Any, schema: Any, value: Any, path: str) -> Iterator[str]:
    """Paths of members that no alternative of the schema names."""
    options = list(alternatives(document, schema))
    if isinstance(value, list):
        items = [o["items"] for o in options if "items" in o]
        for index, entry in enumerate(value):
            yield from unknown(document, {"oneOf": items}, entry, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    if any(isinstance(o.get("additionalProperties"), dict) for o in options):
        return
    known = {k: v for o in options for k, v in o.get("properties", {}).items()}
    for key, inner in value.items():
        if key in known:
            yield from unknown(document, known[key], inner, f"{path}/{key}")
        elif known:
            yield f"{path}/{key}"


def alternatives(document: Any, schema: Any) -> Iterator[Any]:
    if "$ref" in schema:
        if schema["$ref"].startswith("#/definitions/"):
            yield from alternatives(document, document["definitions"][schema["$ref"].rpartition("/")[2]])
        return
    yield schema
    for inner in [*schema.get("oneOf", ()), *schema.get("allOf", ())]:
        yield from alternatives(document, inner)


# Newer than the schemas of this folder, or read-only members that the SDK sends back on an update.
NEWER = {"/properties/securityProfile/kubernetesResourceObjectEncryptionProfile"}


def test_every_body_that_we_put_holds_against_the_schemas(
    rig: Any, make: Any, schemas: Any, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, sent = rig.azure.server.engine, []
    original = engine.put

    async def put(request: Any) -> Any:
        sent.append((request.path.type, request.path.name, request.body))
        return await original(request)

    monkeypatch.setattr(engine, "put", put)
    rig.network(subnets=2)
    machine = rig.make(make.instance())
    cluster = rig.make(make.cluster())
    pool = rig.make(make.pool())
    group = rig.provider.get(rig.address(Kind.FIREWALL_GROUP, "web"), rig.call())
    network = rig.provider.get(rig.address(Kind.NETWORK, "main"), rig.call())
    rig.make(FirewallGroup(name="db", network="main"))
    rig.provider.update(network, replace(network.resource, cidr="10.0.0.0/12"), rig.call())
    rig.provider.update(group, replace(group.resource, rules=(make.rule(8443),)), rig.call())
    rig.provider.update(pool, replace(pool.resource, count=1), rig.call())
    rig.provider.wait_ready(pool.address, rig.call())
    rig.provider.update(cluster, replace(cluster.resource, version="1.36"), rig.call())
    rig.provider.update(machine, replace(machine.resource, firewall_group="db"), rig.call())
    rig.provider.wait_ready(cluster.address, rig.call())
    types = {type_ for type_, _, _ in sent if type_.partition("/")[0] in SCHEMAS}
    assert len(types) == 8
    for type_, name, body in sent:
        if type_.partition("/")[0] in SCHEMAS:
            mistakes = [m for m in check(type_, name, body, schemas, registry) if m.split()[-1] not in NEWER]
            assert not mistakes, (type_, mistakes)
    rig.drop(cluster)


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
