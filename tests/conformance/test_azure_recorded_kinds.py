"""Disks, scale sets, load balancers and addresses that others recorded, into our model and back: no managed field lost.

`back` is what the adapter would send to make, or to change, what it observed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.codec import resource_from_data, to_data
from model.resources import Address, Kind, State
from providers.azure import open as open_azure
from providers.azure.groups import Limits
from providers.azure.listeners import listeners_of, plan_listeners
from providers.base import Account, Call

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def resources(clouds_data: Path) -> dict[str, list[dict[str, Any]]]:
    """Type in lower case -> every resource of it in any recorded answer, each once."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sorted((clouds_data / "azure" / "recorded_c7n").glob("*.json")):
        for interaction in json.loads(path.read_text(encoding="utf-8"))["interactions"]:
            body = interaction["response"]["body"].get("data")
            for row in (body.get("value") or [body]) if isinstance(body, dict) else ():
                if isinstance(row, dict) and "/" in str(row.get("type")):
                    found.setdefault(row["type"].lower(), {})[json.dumps(row, sort_keys=True)] = row
    return {type_: list(rows.values()) for type_, rows in found.items()}


@pytest.fixture(scope="module")
def adapters() -> Iterator[Any]:
    """Kind -> adapter of an account that nothing is sent to."""
    account = Account("a", "azure", "azure", "s", endpoint="http://127.0.0.1:9", secrets={"key_id": "k", "secret": "t"})
    provider: Any = open_azure(account)
    provider._session._zones = {}
    yield provider._adapters
    provider.close()


def stored(resource: Any) -> Any:
    """As the store gives it back."""
    return resource_from_data(json.loads(json.dumps(to_data(resource))))


def of(resources: Any, type_: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = resources[type_.lower()]
    assert rows
    return rows


def body_sent(monkeypatch: pytest.MonkeyPatch, adapter: Any) -> list[Any]:
    """Bodies that the adapter would send, as JSON."""
    sent: list[Any] = []
    monkeypatch.setattr(
        adapter.session, "begin", lambda _operation, _method, *args, **_kw: sent.append(args[-1].as_dict())
    )
    return sent


def test_recorded_disks(resources: Any, adapters: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.mgmt.compute.models import Disk

    adapter = adapters[Kind.DISK]
    sent = body_sent(monkeypatch, adapter)
    for raw in of(resources, "Microsoft.Compute/disks"):
        seen = adapter.observe(Disk(raw), Call())
        disk = stored(seen.resource)
        assert disk == seen.resource
        assert seen.state is State.READY
        assert adapter._difference(Disk(raw), disk) is None, raw["name"]
        adapter._make(replace(seen.address, region=raw["location"]), disk, Call())
        body = sent.pop()
        assert body["location"] == raw["location"]
        assert body["sku"]["name"] == raw["sku"]["name"]
        assert body["properties"]["diskSizeGB"] == raw["properties"]["diskSizeGB"]
        assert body.get("zones") == raw.get("zones")
        assert {k: v for k, v in body["tags"].items() if not k.startswith("duoyun-")} == (raw.get("tags") or {})
        assert disk.attached_to == str(raw.get("managedBy") or "").rsplit("/", 1)[-1]


def test_recorded_scale_sets(resources: Any, adapters: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from azure.mgmt.compute.models import VirtualMachineScaleSet

    adapter = adapters[Kind.INSTANCE_GROUP]
    for raw in of(resources, "Microsoft.Compute/virtualMachineScaleSets"):
        seen = adapter._observed(VirtualMachineScaleSet(raw), Limits(), Call(), ())
        group = stored(seen.resource)
        assert group == seen.resource
        config = raw["properties"]["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"][0]
        subnet = config["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"]
        monkeypatch.setattr(adapter.subnets, "named", lambda _of, _name, _call, i=subnet: SimpleNamespace(id=i))
        assert adapter._difference(seen.address, VirtualMachineScaleSet(raw), group, Call()) is None
        sent = body_sent(monkeypatch, adapter)
        wanted = replace(group, disk_gib=group.disk_gib or 30)  # a recorded set that names no size takes the image's
        adapter._make(seen.address, wanted, Call())
        (body,) = sent
        assert body["sku"] == raw["sku"]
        assert body["location"] == raw["location"]
        assert body.get("zones", []) == raw.get("zones", [])
        ours, theirs = (b["properties"]["virtualMachineProfile"] for b in (body, raw))
        assert ours["storageProfile"]["imageReference"] == theirs["storageProfile"]["imageReference"]
        made = ours["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]["ipConfigurations"][0]
        assert made["properties"]["subnet"]["id"] == subnet


def test_recorded_load_balancers(resources: Any, adapters: Any) -> None:
    """Every rule with its ports and probe, where it lies, what is behind it; and back as the same rules and probes."""
    from azure.mgmt.network.models import LoadBalancer

    adapter, number = adapters[Kind.LOAD_BALANCER], 0
    for raw in of(resources, "Microsoft.Network/loadBalancers"):
        seen = adapter._observed(LoadBalancer(raw), {}, {})
        balancer = stored(seen.resource)
        assert balancer == seen.resource
        inner = raw["properties"]
        fronts = [f["properties"] for f in inner["frontendIPConfigurations"]]
        assert balancer.public is any("publicIPAddress" in f for f in fronts)
        assert list(balancer.subnets) == [f["subnet"]["id"].rsplit("/", 1)[-1] for f in fronts if "subnet" in f]
        assert len(balancer.listeners) == len(inner["loadBalancingRules"])
        for rule in (r["properties"] for r in inner["loadBalancingRules"]):
            (line,) = [x for x in balancer.listeners if x.port == rule["frontendPort"]]
            assert (line.protocol, line.target_port) == (rule["protocol"].lower(), rule["backendPort"])
            probe = next((p["properties"] for p in inner["probes"] if p["id"] == rule.get("probe", {}).get("id")), None)
            if probe is not None:
                check = line.health_check
                assert check.interval_s == probe["intervalInSeconds"]
                assert check.unhealthy_threshold == probe.get("probeThreshold", probe["numberOfProbes"])
                assert (check.port or line.target_port) == probe["port"]
                assert check.path == probe.get("requestPath", "")
            number += 1
        members = {
            c["id"].split("/")[8]
            for pool in inner["backendAddressPools"]
            for c in pool["properties"].get("backendIPConfigurations") or ()
            if "virtualMachineScaleSets" not in c["id"]
        }
        assert set(balancer.targets) == members
        anew = LoadBalancer(raw)
        anew.load_balancing_rules = anew.probes = []
        plan_listeners(raw["id"], anew, balancer.listeners, f"{raw['id']}/frontendIPConfigurations/main", "main")
        for rule in anew.load_balancing_rules:
            rule.probe.id = next(p.id or p.name for p in anew.probes if rule.probe.id.endswith(f"/probes/{p.name}"))
        for probe in anew.probes:
            probe["id"] = probe.name
        assert [repr(x) for x in listeners_of(anew)] == [repr(x) for x in balancer.listeners], raw["name"]
    assert number >= 2


def test_a_recorded_load_balancer_wanted_as_it_is_keeps_rules_and_probes(resources: Any, adapters: Any) -> None:
    from azure.mgmt.network.models import LoadBalancer

    adapter = adapters[Kind.LOAD_BALANCER]
    for raw in of(resources, "Microsoft.Network/loadBalancers"):
        body = LoadBalancer(raw)
        listeners = adapter._observed(LoadBalancer(raw), {}, {}).resource.listeners
        if any("probe" not in r["properties"] for r in raw["properties"]["loadBalancingRules"]):
            continue  # a rule without a probe gets one: ours always have
        plan_listeners(raw["id"], body, listeners, "front", "main")
        named = {r["name"]: r for r in body.as_dict()["properties"]["loadBalancingRules"]}
        assert named == {r["name"]: r for r in raw["properties"]["loadBalancingRules"]}
        used = {r["properties"]["probe"]["id"] for r in raw["properties"]["loadBalancingRules"]}
        kept = {p["id"] for p in body.as_dict()["properties"]["probes"]}
        assert kept == used


def test_recorded_addresses(resources: Any, adapters: Any) -> None:
    from azure.mgmt.network.models import PublicIPAddress

    adapter = adapters[Kind.PUBLIC_IP]
    for raw in of(resources, "Microsoft.Network/publicIPAddresses"):
        seen = adapter.observe(PublicIPAddress(raw), Call())
        assert stored(seen.resource) == seen.resource
        assert seen.resource.address == raw["properties"].get("ipAddress", "")
        assert dict(seen.resource.tags) == (raw.get("tags") or {})
        user = raw["properties"].get("ipConfiguration", {}).get("id", "")
        assert (user.split("/")[8] if user else "") == seen.resource.attached_to.rpartition(" ")[2]
        assert seen.address == Address("azure", "s", raw["location"], Kind.PUBLIC_IP, raw["name"])


def test_other_types_are_read_whole(resources: Any) -> None:
    """A route table has no kind of its own: its settings are kept as they were recorded."""
    from providers.azure.arm import Raw
    from providers.azure.services import service_of

    for raw in of(resources, "Microsoft.Network/routeTables"):
        service = service_of(Raw(raw), raw["name"])
        assert (service.service, service.native_type) == ("route_table", raw["type"])
        assert service.settings["native"] == raw["properties"]
        assert stored(service) == service
