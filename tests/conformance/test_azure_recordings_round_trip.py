"""What others recorded of Azure becomes our model and goes back without losing a field: managed ones and all others."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.resources import Kind
from providers.azure import open as open_azure
from providers.azure.names import ArmId
from providers.azure.parts import machine_body, role_of
from providers.azure.rules import plan_rules
from providers.base import Account, Call

pytestmark = pytest.mark.reference
MODELS = {
    "microsoft.compute/virtualmachines": ("azure.mgmt.compute.models", "VirtualMachine"),
    "microsoft.compute/virtualmachinescalesets": ("azure.mgmt.compute.models", "VirtualMachineScaleSet"),
    "microsoft.compute/disks": ("azure.mgmt.compute.models", "Disk"),
    "microsoft.network/networkinterfaces": ("azure.mgmt.network.models", "NetworkInterface"),
    "microsoft.network/networksecuritygroups": ("azure.mgmt.network.models", "NetworkSecurityGroup"),
    "microsoft.network/publicipaddresses": ("azure.mgmt.network.models", "PublicIPAddress"),
    "microsoft.network/loadbalancers": ("azure.mgmt.network.models", "LoadBalancer"),
    "microsoft.network/routetables": ("azure.mgmt.network.models", "RouteTable"),
    "microsoft.containerservice/managedclusters": ("azure.mgmt.containerservice.models", "ManagedCluster"),
    "microsoft.resources/resourcegroups": ("azure.mgmt.resource.resources.models", "ResourceGroup"),
}


def recorded(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(recording, resource) of every resource in every recorded answer."""
    for path in sorted(folder.glob("*.json")):
        for interaction in json.loads(path.read_text(encoding="utf-8"))["interactions"]:
            body = interaction["response"]["body"].get("data")
            for row in (body.get("value") or [body]) if isinstance(body, dict) else ():
                if isinstance(row, dict) and "/" in str(row.get("type")):
                    yield path.stem, row


@pytest.fixture(scope="module")
def resources(clouds_data: Path) -> list[tuple[str, dict[str, Any]]]:
    return list(recorded(clouds_data / "azure" / "recorded_c7n"))


@pytest.fixture(scope="module")
def adapters() -> Iterator[Any]:
    """Kind -> adapter of an account that nothing is sent to."""
    account = Account("a", "azure", "azure", "s", endpoint="http://127.0.0.1:9", secrets={"key_id": "k", "secret": "t"})
    provider: Any = open_azure(account)
    provider._session._zones = {}
    yield provider._adapters
    provider.close()


def model_of(raw: dict[str, Any]) -> Any:
    module, name = MODELS[raw["type"].lower()]
    return getattr(importlib.import_module(module), name)(raw)


def of_type(resources: list[tuple[str, dict[str, Any]]], type_: str) -> list[dict[str, Any]]:
    found = [raw for _, raw in resources if raw["type"].lower() == type_.lower()]
    assert found, type_
    return found


def test_what_the_sdk_reads_it_would_write_back_whole(resources: Any) -> None:
    """Our updates read, change and write: a member that the SDK dropped on the way would be lost at the next update."""
    known = [(name, raw) for name, raw in resources if raw["type"].lower() in MODELS]
    for name, raw in known:
        assert model_of(raw).as_dict() == raw, name
    others = {raw["type"] for _, raw in resources} - {raw["type"] for _, raw in known}
    print(f"reference: {len(known)}/{len(resources)} recorded resources; types of no use to us: {sorted(others)}")
    assert len({raw["type"].lower() for _, raw in known}) >= 8


def test_a_security_group_that_is_wanted_as_it_was_recorded_is_left_as_it_is(resources: Any, adapters: Any) -> None:
    for raw in of_type(resources, "Microsoft.Network/networkSecurityGroups"):
        group = model_of(raw)
        seen = adapters[Kind.FIREWALL_GROUP].observe(group, Call())
        existing = list(group.security_rules or ())
        narrow = [r for r in seen.resource.rules if "(only " in r.description]
        if not narrow:  # a rule that the model cannot say whole is written anew, as the model says it
            assert plan_rules(existing, seen.resource.rules) == existing, raw["name"]


def test_recorded_rules_made_anew_say_the_same(resources: Any, adapters: Any) -> None:
    """Through the model into new rules of ours, and read again: direction, protocol, ports, peer, verb and priority."""
    number = 0
    for raw in of_type(resources, "Microsoft.Network/networkSecurityGroups"):
        adapter = adapters[Kind.FIREWALL_GROUP]
        seen = adapter.observe(model_of(raw), Call())
        made = plan_rules((), seen.resource.rules)
        assert all(rule.name.startswith("duoyun-") for rule in made)
        anew = model_of(raw)
        anew.security_rules = made
        assert adapter.observe(anew, Call()).resource == seen.resource
        number += len(made)
    assert number > 10


def test_recorded_machines_asked_for_anew_are_the_same(resources: Any, adapters: Any) -> None:
    """The body that our adapter would PUT for what it observed has every managed member as it was recorded."""
    adapter = adapters[Kind.INSTANCE]
    for raw in of_type(resources, "Microsoft.Compute/virtualMachines"):
        found = model_of(raw)
        seen = adapter._observed(found, None, {}, ())
        machine = seen.resource
        zone = next(iter(raw.get("zones") or ()), "")
        nic = raw["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
        place = ArmId("g", raw["name"])
        body = machine_body(adapter.account, place, raw["location"], zone, machine, nic, dict(raw.get("tags") or {}))
        again = body.as_dict()
        assert again["properties"]["hardwareProfile"]["vmSize"] == raw["properties"]["hardwareProfile"]["vmSize"]
        assert again.get("zones", []) == raw.get("zones", [])
        assert again["tags"] == (raw.get("tags") or {})
        assert again["location"] == raw["location"]
        ours, theirs = (b["properties"]["storageProfile"] for b in (again, raw))
        image = SimpleNamespace(
            **{"publisher": "", "offer": "", "sku": "", "version": "", "id": "", **theirs["imageReference"]}
        )
        assert machine.machine_image == role_of(image)
        for name in ("publisher", "offer", "sku", "version"):
            assert ours["imageReference"].get(name) == theirs["imageReference"].get(name)
        size = theirs["osDisk"].get("diskSizeGB")  # a stopped machine does not tell it
        assert size is None or ours["osDisk"]["diskSizeGB"] == size
        assert again["properties"]["networkProfile"]["networkInterfaces"][0]["id"] == nic
        assert adapter._observed(body_as_found(body, raw), None, {}, ()).resource == replace(machine)


def body_as_found(body: Any, raw: dict[str, Any]) -> Any:
    """What Azure would answer to that PUT: with id, name and state."""
    return type(body)({**body.as_dict(), **{k: raw[k] for k in ("id", "name", "type")}})


def test_a_recorded_cluster_changed_by_us_keeps_the_rest(
    resources: Any, adapters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update of tags alone: everything else of the cluster goes back as it was recorded."""
    adapter = adapters[Kind.CLUSTER]
    monkeypatch.setattr(adapter.audit, "enabled", lambda *_: True)
    for raw in of_type(resources, "Microsoft.ContainerService/managedClusters"):
        sent: list[Any] = []
        monkeypatch.setattr(adapter, "read", lambda *_, raw=raw: model_of(raw))
        monkeypatch.setattr(adapter, "_put", lambda _where, body, _call, sent=sent: sent.append(body.as_dict()))
        seen = adapter.observe(model_of(raw), Call())
        wanted = replace(seen.resource, tags={**seen.resource.tags, "team": "pay"})
        adapter.update(seen, wanted, Call())
        (body,) = sent
        assert body.pop("tags")["team"] == "pay"
        assert body == {k: v for k, v in raw.items() if k != "tags"}
