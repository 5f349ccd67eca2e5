"""DNS, Traffic Manager, stores and rights of the sandbox: Azure's rules, through the generic resources client."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

REGION = "chinanorth3"


class Plain:
    """Bodies by path below a group, as ARM's own JSON."""

    def __init__(self, sdk: Any, group: str) -> None:
        self.api, self.root = sdk.resources.resources, f"/subscriptions/{sdk.subscription}"
        self.at = f"{self.root}/resourceGroups/{group}/providers/"

    def put(self, path: str, properties: Mapping[str, Any] | None = None, **body: Any) -> Any:
        whole = {"location": REGION, "properties": dict(properties or {}), **body}
        resource_id = path if path.startswith("/") else self.at + path
        return self.api.begin_create_or_update_by_id(resource_id, whole, api_version="2024-05-01").result()

    def get(self, path: str) -> dict[str, Any]:
        found = self.api.get_by_id(path if path.startswith("/") else self.at + path, api_version="2024-05-01")
        return dict(found.as_dict()["properties"])

    def delete(self, path: str) -> None:
        self.api.begin_delete_by_id(self.at + path, api_version="2024-05-01").result()


@pytest.fixture
def arm(sdk: Any, group: str) -> Plain:
    return Plain(sdk, group)


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(HttpResponseError) as caught:
        yield
    assert caught.value.error is not None
    assert caught.value.error.code == code


# -- names -----------------------------------------------------------------------------------------------------------

ZONE = "Microsoft.Network/dnsZones/shop.example"


def a(*addresses: str, ttl: int = 60) -> dict[str, Any]:
    return {"TTL": ttl, "ARecords": [{"ipv4Address": address} for address in addresses]}


def test_a_zone_has_its_servers_and_records_their_rules(arm: Plain) -> None:
    with refused("LocationNotAvailableForResourceType"):
        arm.put(ZONE)
    arm.put(ZONE, location="global")
    assert arm.get(ZONE)["numberOfRecordSets"] == 2
    arm.put(f"{ZONE}/A/api", a("192.0.2.1", "192.0.2.2"))
    assert arm.get(f"{ZONE}/A/api")["fqdn"] == "api.shop.example."
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("A/x", a("192.0.2.1", "192.0.2.1")), ("A/x", a("2001:db8::1")), ("A/x", a("192.0.2.1", ttl=0)),
        ("A/x", {"TTL": 60}), ("A/x", {**a("192.0.2.1"), "CNAMERecord": {"cname": "y"}}),
        ("CNAME/api", {"TTL": 60, "CNAMERecord": {"cname": "x.example"}}),
        ("CNAME/@", {"TTL": 60, "CNAMERecord": {"cname": "x.example"}}),
        ("TXT/x", {"targetResource": {"id": arm.at + ZONE}}),
    ]  # fmt: skip
    for path, properties in wrong:
        with refused("BadRequest"):
            arm.put(f"{ZONE}/{path}", properties)
    with refused("InvalidParameter"):
        arm.put(f"{ZONE}/A/x", {"ARecords": [{"ipv4Address": "192.0.2.1"}]})
    for path in ("NS/@", "SOA/@"):
        with refused("BadRequest"):
            arm.delete(f"{ZONE}/{path}")
    with refused("ParentResourceNotFound"):
        arm.put("Microsoft.Network/dnsZones/other.example/A/api", a("192.0.2.1"))


def profile(name: str, *weights: int, **more: Any) -> dict[str, Any]:
    endpoints = [
        {"name": str(i), "type": "Microsoft.Network/trafficManagerProfiles/externalEndpoints",
         "properties": {"target": f"192.0.2.{i}", "weight": w}}
        for i, w in enumerate(weights)
    ]  # fmt: skip
    return {
        "trafficRoutingMethod": "Weighted", "dnsConfig": {"relativeName": name, "ttl": 30},
        "monitorConfig": {"protocol": "TCP", "port": 443}, "endpoints": endpoints, **more,
    }  # fmt: skip


def test_an_alias_points_to_a_profile_until_that_goes(arm: Plain) -> None:
    path, name = "Microsoft.Network/trafficManagerProfiles/weights", f"w{uuid.uuid4().hex[:8]}"
    arm.put(path, profile(name, 9, 1), location="global")
    assert arm.get(path)["dnsConfig"]["fqdn"] == f"{name}.trafficmanager.cn"
    with refused("Conflict"):
        arm.put(path + "-2", profile(name, 1), location="global")
    for bad in (
        profile("a1", 0), profile("a1", 1001), profile("a1", 1, trafficRoutingMethod="Fair"),
        profile("a1", 1, monitorConfig={"protocol": "ICMP", "port": 1}),
    ):  # fmt: skip
        with refused("BadRequest"):
            arm.put(path + "-2", bad, location="global")
    arm.put(ZONE, location="global")
    arm.put(f"{ZONE}/A/api", {"targetResource": {"id": arm.at + path}})
    assert arm.get(f"{ZONE}/A/api")["targetResource"] == {"id": arm.at + path}
    arm.delete(path)
    assert arm.get(f"{ZONE}/A/api")["targetResource"] == {}
    with refused("InvalidResourceReference"):
        arm.put(f"{ZONE}/A/api", {"targetResource": {"id": arm.at + path}})


# -- stores ----------------------------------------------------------------------------------------------------------


def test_storage_has_names_skus_and_a_switch_for_public_access(arm: Plain) -> None:
    name = f"s{uuid.uuid4().hex[:10]}"
    path, lrs = f"Microsoft.Storage/storageAccounts/{name}", {"name": "Standard_LRS"}
    with refused("AccountNameInvalid"):
        arm.put("Microsoft.Storage/storageAccounts/No-Good", sku=lrs, kind="StorageV2")
    with refused("InvalidRequestContent"):
        arm.put(path, kind="StorageV2")
    with refused("InvalidRequestPropertyValue"):
        arm.put(path, {"minimumTlsVersion": "TLS9"}, sku=lrs, kind="StorageV2")
    arm.put(path, sku=lrs, kind="StorageV2")
    assert arm.get(path)["primaryEndpoints"] == {"blob": f"https://{name}.blob.core.chinacloudapi.cn/"}
    containers = f"{path}/blobServices/default/containers"
    with refused("PublicAccessNotPermitted"):
        arm.put(f"{containers}/open", {"publicAccess": "Blob"})
    arm.put(f"{containers}/shut")
    assert arm.get(f"{containers}/shut")["publicAccess"] == "None"


def test_names_in_the_clouds_own_dns_are_taken_once(arm: Plain, sdk_for: Any) -> None:
    """Also by another subscription."""
    from azure.mgmt.resource.resources.models import ResourceGroup

    other = sdk_for("azure")
    group = f"rg-{uuid.uuid4().hex[:8]}"
    other.resources.resource_groups.create_or_update(group, ResourceGroup(location="westeurope"))
    theirs, name = Plain(other, group), f"r{uuid.uuid4().hex[:10]}"
    arm.put(f"Microsoft.ContainerRegistry/registries/{name}", sku={"name": "Basic"})
    with refused("AlreadyInUse"):
        theirs.put(f"Microsoft.ContainerRegistry/registries/{name}", sku={"name": "Basic"}, location="westeurope")
    with refused("UnsupportedPropertyForSKU"):
        arm.put(
            f"Microsoft.ContainerRegistry/registries/{name}x", {"anonymousPullEnabled": True}, sku={"name": "Basic"}
        )


def test_secrets_go_in_and_never_come_out(arm: Plain, azure: Any) -> None:
    vault, word = f"v{uuid.uuid4().hex[:8]}", f"hush-{uuid.uuid4().hex}"
    path = f"Microsoft.KeyVault/vaults/{vault}"
    sku = {"tenantId": "t", "sku": {"family": "A", "name": "standard"}}
    with refused("BadRequest"):
        arm.put(path, {**sku, "softDeleteRetentionInDays": 5})
    arm.put(path, {**sku, "enablePurgeProtection": True})
    with refused("BadRequest"):  # it cannot be taken back
        arm.put(path, {**sku, "enablePurgeProtection": False})
    answer = arm.put(f"{path}/secrets/word", {"value": word})
    server = arm.put(
        f"Microsoft.Sql/servers/db-{vault}", {"administratorLogin": "us", "administratorLoginPassword": word}
    )
    told = [answer.as_dict(), server.as_dict(), arm.get(f"{path}/secrets/word"), azure.server.inventory()]
    assert word not in str(told)
    assert arm.get(f"{path}/secrets/word")["attributes"] == {"enabled": True}


# -- rights ----------------------------------------------------------------------------------------------------------


def test_roles_are_given_once_and_go_when_nobody_has_them(arm: Plain, sdk: Any) -> None:
    rights = f"{arm.root}/providers/Microsoft.Authorization"
    role = f"{rights}/roleDefinitions/{uuid.uuid4()}"
    permission = {"actions": ["Microsoft.Network/*/read"], "notActions": []}
    body = {"roleName": f"looker {role[-6:]}", "permissions": [permission], "assignableScopes": [arm.root]}
    arm.put(role, body)
    given = {"roleDefinitionId": role, "principalId": str(uuid.uuid4())}
    path = f"Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    arm.put(path, given)
    with refused("RoleAssignmentExists"):
        arm.put(f"Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", given)
    with refused("RoleAssignmentUpdateNotPermitted"):
        arm.put(path, {**given, "principalId": str(uuid.uuid4())})
    with refused("RoleDefinitionHasAssignments"):
        sdk.resources.resources.begin_delete_by_id(role, api_version="2022-04-01")
    for code, wrong in (
        ("PrincipalNotFound", {**given, "principalId": "me"}),
        ("RoleDefinitionDoesNotExist", {**given, "roleDefinitionId": f"{rights}/roleDefinitions/{uuid.uuid4()}"}),
    ):
        with refused(code):
            arm.put(f"Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", wrong)
    arm.delete(path)
    sdk.resources.resources.begin_delete_by_id(role, api_version="2022-04-01").result()
    assert arm.get(f"{rights}/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7")["roleName"] == "Reader"


def test_a_trail_needs_somewhere_to_go(arm: Plain) -> None:
    path = f"{arm.root}/providers/Microsoft.Insights/diagnosticSettings/trail-{uuid.uuid4().hex[:6]}"
    with refused("BadRequest"):
        arm.put(path, {"logs": [{"category": "Security", "enabled": True}]})
    with refused("BadRequest"):
        arm.put(path, {"workspaceId": "w", "logs": [{"enabled": True}]})
    arm.put(path, {"workspaceId": "w", "logs": [{"category": "Security", "enabled": True}]})
    assert arm.get(path)["workspaceId"] == "w"


def test_limits_bring_a_scale_set_inside(arm: Plain) -> None:
    arm.put("Microsoft.Compute/virtualMachineScaleSets/set", sku={"name": "Standard_D2s_v5", "capacity": 9})
    target = f"{arm.at}Microsoft.Compute/virtualMachineScaleSets/set"

    def setting(low: int, usual: int, high: int) -> dict[str, Any]:
        capacity = {"minimum": str(low), "default": str(usual), "maximum": str(high)}
        return {"targetResourceUri": target, "profiles": [{"name": "p", "rules": [], "capacity": capacity}]}

    with refused("InvalidAutoscaleSetting"):
        arm.put("Microsoft.Insights/autoscaleSettings/scale", setting(3, 2, 4))
    with refused("InvalidResourceReference"):
        arm.put("Microsoft.Insights/autoscaleSettings/scale", {**setting(1, 2, 4), "targetResourceUri": target + "x"})
    arm.put("Microsoft.Insights/autoscaleSettings/scale", setting(1, 2, 4))
    found = arm.api.get_by_id(target, api_version="2024-05-01")
    assert found.sku.capacity == 4
