"""Everything that has no kind of its own, read only: any type, through the generic resources API.

Callers: provider.py. Resource Manager lists all top-level resources; each is then read with the newest API version that
its provider names. Settings that a table knows are said in the model's words, all others as they were written, below
`native`, without anything that looks like a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from model.errors import InvalidRequest, NotFound
from model.resources import Kind, ManagedService, Observed
from providers.azure.arm import Raw
from providers.azure.names import user_tags
from providers.azure.readers import Reader, public_access, switched, tls
from providers.base import Call

KINDS_OF_THEIR_OWN = frozenset(
    text.lower()
    for text in (
        "Microsoft.Network/virtualNetworks", "Microsoft.Network/networkSecurityGroups",
        "Microsoft.Network/networkInterfaces", "Microsoft.Network/publicIPAddresses", "Microsoft.Network/loadBalancers",
        "Microsoft.Network/natGateways", "Microsoft.Compute/virtualMachines", "Microsoft.Compute/disks",
        "Microsoft.Compute/virtualMachineScaleSets", "Microsoft.ContainerService/managedClusters",
        "Microsoft.ContainerRegistry/registries", "Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults",
        "Microsoft.Web/certificates", "Microsoft.Sql/servers", "Microsoft.Sql/servers/databases",
        "Microsoft.DBforPostgreSQL/flexibleServers", "Microsoft.DBforMySQL/flexibleServers",
        "Microsoft.DocumentDB/databaseAccounts", "Microsoft.Cache/redis", "Microsoft.ServiceBus/namespaces",
        "Microsoft.EventHub/namespaces", "Microsoft.ManagedIdentity/userAssignedIdentities",
    )
)  # fmt: skip
SERVICES: Mapping[str, str] = {
    "microsoft.web/sites": "app", "microsoft.web/serverfarms": "app_plan", "microsoft.cdn/profiles": "cdn",
    "microsoft.apimanagement/service": "api_gateway", "microsoft.network/dnszones": "dns_zone",
    "microsoft.network/privatednszones": "dns_zone", "microsoft.network/trafficmanagerprofiles": "traffic_policy",
    "microsoft.network/applicationgateways": "load_balancer", "microsoft.network/frontdoors": "cdn",
    "microsoft.network/azurefirewalls": "firewall", "microsoft.network/routetables": "route_table",
    "microsoft.network/virtualnetworkgateways": "vpn", "microsoft.network/networkwatchers": "flow_logs",
    "microsoft.operationalinsights/workspaces": "log_store", "microsoft.insights/components": "monitoring",
    "microsoft.insights/autoscalesettings": "autoscaling", "microsoft.logic/workflows": "workflow",
    "microsoft.search/searchservices": "search", "microsoft.cognitiveservices/accounts": "ai",
    "microsoft.machinelearningservices/workspaces": "ai", "microsoft.databricks/workspaces": "analytics",
    "microsoft.synapse/workspaces": "analytics", "microsoft.kusto/clusters": "analytics",
    "microsoft.recoveryservices/vaults": "backup", "microsoft.automation/automationaccounts": "automation",
    "microsoft.netapp/netappaccounts": "file_system", "microsoft.app/containerapps": "container",
    "microsoft.containerinstance/containergroups": "container", "microsoft.eventgrid/topics": "events",
    "microsoft.compute/snapshots": "snapshot", "microsoft.compute/images": "image",
}  # fmt: skip
"""Type in lower case -> its class in the model's words; others are `other`."""
_SECRET = re.compile(
    r"password|secret|connectionstring|instrumentationkey|token|credential|apikey|accesskey|sharedkey|primarykey|"
    r"secondarykey|signature|sasurl|customdata",
    re.IGNORECASE,
)


class ManagedServices(Reader):
    kind = Kind.MANAGED_SERVICE

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        for row in self.session.pages("resources.list", self.session.resources.resources.list, call=call):
            listed = Raw(row.as_dict(), region)
            if listed.type.lower() not in KINDS_OF_THEIR_OWN and listed.location == region:
                yield listed

    def observe(self, raw: Raw, call: Call) -> Observed:
        return self.observed(raw, service_of(self._whole(raw, call), self.address(raw).name))

    def _whole(self, listed: Raw, call: Call) -> Raw:
        """With its properties; as it was listed where its provider does not let it be read."""
        version = self.arm.newest_version(listed.type, call)
        if not version:
            return listed
        try:
            return self.arm.get("resources.get", listed.id, version, call, region=listed.location)
        except (InvalidRequest, NotFound):
            return listed


def service_of(raw: Raw, name: str) -> ManagedService:
    """Pure."""
    service = SERVICES.get(raw.type.lower(), "other")
    if service == "app" and "functionapp" in raw.kind.lower():
        service = "function"
    known = {
        "public": public_access(raw),
        "tls_only": raw.said("httpsOnly"),
        "tls_min": tls(raw.said("minimumTlsVersion") or raw.said("minTlsVersion")) or None,
        "local_auth": None if raw.said("disableLocalAuth") is None else not raw.said("disableLocalAuth"),
        "public_ingestion": switched(raw, "publicNetworkAccessForIngestion"),
    }
    settings: dict[str, Any] = {key: value for key, value in known.items() if value is not None}
    native = {key: raw.data[key] for key in ("sku", "kind") if raw.data.get(key)} | dict(raw.properties)
    return ManagedService(
        name=name,
        tags=user_tags(raw.tags),
        service=service,
        native_type=raw.type,
        settings={**settings, "native": without_secrets(native)},
    )


def without_secrets(value: Any) -> Any:
    """The same with `(hidden)` in place of every member whose name speaks of a secret."""
    if isinstance(value, Mapping):
        return {k: "(hidden)" if _SECRET.search(str(k)) and v else without_secrets(v) for k, v in value.items()}
    return [without_secrets(v) for v in value] if isinstance(value, list) else value
