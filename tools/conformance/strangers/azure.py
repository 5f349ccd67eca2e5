"""Azure: what the contract of the further kinds has to know of it, and somebody who makes things with bare HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import httpx

from model.resources import Grant, Kind
from providers.base import Account
from sandbox.threaded import Running
from tools.conformance.more import More

GROUP = "theirs"


def send(account: Account, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One request as `mallory`; the answer's body."""
    answer = httpx.request(
        method,
        f"{account.endpoint}{path}",
        params={"api-version": "2024-05-01"},
        json=body,
        headers={"Authorization": f"Bearer {account.secrets['secret']}~mallory"},
        timeout=10.0,
        trust_env=False,
    ).raise_for_status()
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found


def put(account: Account, region: str, type_: str, *names: str, scope: str = "", **body: Any) -> str:
    """Made in the group `theirs`, or below scope, and settled; its id."""
    if not scope:
        scope = f"/subscriptions/{account.account_id}/resourceGroups/{GROUP}"
        send(account, "PUT", scope, {"location": region})
    namespace, *types = type_.split("/")
    path = f"{scope}/providers/{namespace}" + "".join(f"/{t}/{n}" for t, n in zip(types, names, strict=True))
    send(account, "PUT", path, body)
    deadline = time.monotonic() + 10
    while str(send(account, "GET", path)["properties"].get("provisioningState", "Succeeded")) != "Succeeded":
        assert time.monotonic() < deadline, path
        time.sleep(0.02)
    return path


def dns_zone(account: Account, region: str, name: str) -> None:
    put(account, region, "Microsoft.Network/dnsZones", name, location="global")


def page_size(running: Running, rows: int) -> int:
    engine: Any = running.sandbox.servers["azure"].engine  # type: ignore[attr-defined]
    usual, engine.page_size = engine.page_size, rows
    return int(usual)


def _bucket(account: Account, region: str, name: str) -> dict[str, Any]:
    """A container that anybody may read, in an account with versions."""
    storage, shown = "Microsoft.Storage/storageAccounts", name.replace("-", "")
    scope = put(
        account, region, storage, shown, location=region, sku={"name": "Standard_GRS"}, kind="StorageV2",
        properties={"allowBlobPublicAccess": True, "minimumTlsVersion": "TLS1_2"},
    )  # fmt: skip
    put(
        account, region, f"{storage}/blobServices", shown, "default",
        properties={"isVersioningEnabled": True, "deleteRetentionPolicy": {"enabled": True, "days": 9}},
    )  # fmt: skip
    send(account, "PUT", f"{scope}/blobServices/default/containers/open", {"properties": {"publicAccess": "Blob"}})
    send(account, "PUT", f"{scope}/blobServices/default/containers/shut", {"properties": {}})
    return {
        "name": f"{shown}/open", "public": True, "public_access_blocked": False, "sse": "cloud", "versioning": True,
        "tls_only": True, "tls_min": "1.2", "soft_delete_days": 9, "redundancy": "GRS", "access_logs": False,
    }  # fmt: skip


def _key(account: Account, region: str, name: str) -> dict[str, Any]:
    """A key of a hardware module in a vault that is closed to the world."""
    vault = put(
        account, region, "Microsoft.KeyVault/vaults", name, location=region,
        properties={
            "tenantId": account.account_id, "sku": {"family": "A", "name": "premium"}, "enablePurgeProtection": True,
            "softDeleteRetentionInDays": 30, "networkAcls": {"defaultAction": "Deny"},
        },
    )  # fmt: skip
    body = {"location": region, "properties": {"kty": "RSA-HSM", "attributes": {"enabled": True, "exp": 1893456000}}}
    send(account, "PUT", f"{vault}/keys/seal", body)
    send(account, "PUT", f"{vault}/secrets/word", {"location": region, "properties": {"value": "not to be seen"}})
    return {"name": f"{name}/seal", "family": "key", "enabled": True, "expires": True, "hsm": True}


def _certificate(account: Account, region: str, name: str) -> dict[str, Any]:
    put(
        account, region, "Microsoft.Web/certificates", name, location=region,
        properties={
            "hostNames": ["b.example", "a.example"], "canonicalName": "a.example",
            "expirationDate": "2030-01-01T00:00:00Z",
        },
    )  # fmt: skip
    return {"domains": ("a.example", "b.example"), "expires_s": 1893456000.0, "renews": True}


def _address(account: Account, region: str, name: str) -> str:
    return put(
        account, region, "Microsoft.Network/publicIPAddresses", name, location=region, sku={"name": "Standard"},
        properties={"publicIPAllocationMethod": "Static", "ddosSettings": {"protectionMode": "Enabled"}},
    )  # fmt: skip


def _nat_gateway(account: Account, region: str, name: str) -> dict[str, Any]:
    address = _address(account, region, f"{name}-ip")
    gateway = put(
        account, region, "Microsoft.Network/natGateways", name, location=region, sku={"name": "Standard"},
        properties={"publicIpAddresses": [{"id": address}]},
    )  # fmt: skip
    put(
        account, region, "Microsoft.Network/virtualNetworks", f"{name}-net", location=region,
        properties={
            "addressSpace": {"addressPrefixes": ["10.78.0.0/16"]},
            "subnets": [
                {"name": "out", "properties": {"addressPrefix": "10.78.0.0/24", "natGateway": {"id": gateway}}},
            ],
        },
    )  # fmt: skip
    leaves = send(account, "GET", address)["properties"]["ipAddress"]
    return {"network": f"{name}-net", "subnet": "out", "public_ips": (leaves,)}


def _public_ip(account: Account, region: str, name: str) -> dict[str, Any]:
    address = _address(account, region, name)
    front = {"name": "front", "properties": {"publicIPAddress": {"id": address}}}
    put(
        account, region, "Microsoft.Network/loadBalancers", f"{name}-lb", location=region, sku={"name": "Standard"},
        properties={"frontendIPConfigurations": [front]},
    )  # fmt: skip
    shown = send(account, "GET", address)["properties"]["ipAddress"]
    return {"address": shown, "attached_to": f"load_balancer {name}-lb", "ddos_protection": True}


def _database(account: Account, region: str, name: str) -> dict[str, Any]:
    """A PostgreSQL that the office may reach; and, beside it, the other services' databases."""
    server = put(
        account, region, "Microsoft.DBforPostgreSQL/flexibleServers", name, location=region,
        sku={"name": "Standard_D2s_v3", "tier": "GeneralPurpose"},
        properties={
            "version": "16", "administratorLogin": "us", "administratorLoginPassword": "Not-4-real-life",
            "backup": {"backupRetentionDays": 14, "geoRedundantBackup": "Enabled"},
            "highAvailability": {"mode": "ZoneRedundant"},
            "authConfig": {"activeDirectoryAuth": "Enabled", "passwordAuth": "Disabled"},
        },
    )  # fmt: skip
    rule = {"startIpAddress": "203.0.113.0", "endIpAddress": "203.0.113.255"}
    send(account, "PUT", f"{server}/firewallRules/office", {"properties": rule})
    return {
        "family": "relational", "engine": "postgres", "version": "16", "public": True, "encrypted": True,
        "allowed_cidrs": ("203.0.113.0/24",), "backup_days": 14, "point_in_time": True, "geo_backup": True,
        "multi_zone": True, "iam_auth": True, "local_auth": False,
    }  # fmt: skip


def _cache(account: Account, region: str, name: str) -> dict[str, Any]:
    put(
        account, region, "Microsoft.Cache/redis", name, location=region, zones=["1", "2"],
        properties={
            "sku": {"name": "Premium", "family": "P", "capacity": 1}, "enableNonSslPort": True,
            "minimumTlsVersion": "1.2", "publicNetworkAccess": "Disabled",
        },
    )  # fmt: skip
    return {
        "engine": "redis", "version": "6.0", "public": False, "tls_required": False, "tls_min": "1.2", "auth": True,
        "multi_zone": True,
    }  # fmt: skip


def _queue(account: Account, region: str, name: str) -> dict[str, Any]:
    """A queue in a namespace without passwords, and an event hub beside it."""
    body = {"location": region, "sku": {"name": "Premium"}, "properties": {"disableLocalAuth": True}}
    namespace = put(account, region, "Microsoft.ServiceBus/namespaces", name, **body)
    send(account, "PUT", f"{namespace}/queues/orders", {"properties": {}})
    hubs = put(account, region, "Microsoft.EventHub/namespaces", f"{name}-hubs", **body)
    send(account, "PUT", f"{hubs}/eventhubs/clicks", {"properties": {}})
    return {
        "name": f"{name}/orders", "family": "queue", "public": True, "encrypted": True, "tls_required": True,
        "tls_min": "1.2", "local_auth": False,
    }  # fmt: skip


def _audit_trail(account: Account, region: str, name: str) -> dict[str, Any]:
    store = put(
        account, region, "Microsoft.OperationalInsights/workspaces", f"{name}-logs", location=region, properties={}
    )
    logs = [{"category": c, "enabled": True} for c in ("Administrative", "Security", "Alert", "Policy")]
    put(
        account, region, "Microsoft.Insights/diagnosticSettings", name, scope=f"/subscriptions/{account.account_id}",
        properties={"workspaceId": store, "logs": logs},
    )  # fmt: skip
    return {"enabled": True, "all_regions": True, "all_events": True, "destination": store}


def _identity(account: Account, region: str, name: str) -> dict[str, Any]:
    """A managed identity that may read the subscription."""
    made = put(
        account, region, "Microsoft.ManagedIdentity/userAssignedIdentities", name, location=region, properties={}
    )
    principal = send(account, "GET", made)["properties"]["principalId"]
    scope = f"/subscriptions/{account.account_id}"
    role = f"{scope}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    put(
        account, region, "Microsoft.Authorization/roleAssignments", str(uuid.uuid5(uuid.NAMESPACE_URL, made)),
        scope=scope, properties={"roleDefinitionId": role, "principalId": principal},
    )  # fmt: skip
    grant = Grant(actions=("*/read",), resources=(scope,))
    return {"family": "managed_identity", "grants": (grant,), "long_lived_keys": False}


def _managed_service(account: Account, region: str, name: str) -> dict[str, Any]:
    put(
        account, region, "Microsoft.Web/sites", name, location=region, kind="functionapp,linux",
        properties={"httpsOnly": True, "publicNetworkAccess": "Disabled"},
    )  # fmt: skip
    return {"service": "function", "native_type": "Microsoft.Web/sites"}


MORE = More(
    creates={
        Kind.INSTANCE_GROUP: "PUT Microsoft.Compute/virtualMachineScaleSets",
        Kind.DISK: "PUT Microsoft.Compute/disks",
        Kind.LOAD_BALANCER: "PUT Microsoft.Network/loadBalancers",
        Kind.DNS_RECORD: "PUT Microsoft.Network/dnsZones/A",
        Kind.REGISTRY: "PUT Microsoft.ContainerRegistry/registries",
    },
    dns_zone=dns_zone,
    page_size=page_size,
    strangers={
        Kind.BUCKET: _bucket,
        Kind.KEY: _key,
        Kind.CERTIFICATE: _certificate,
        Kind.NAT_GATEWAY: _nat_gateway,
        Kind.PUBLIC_IP: _public_ip,
        Kind.DATABASE: _database,
        Kind.CACHE: _cache,
        Kind.QUEUE: _queue,
        Kind.AUDIT_TRAIL: _audit_trail,
        Kind.IDENTITY: _identity,
        Kind.MANAGED_SERVICE: _managed_service,
    },
)
