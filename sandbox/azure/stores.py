"""Storage, vaults, databases, caches, queues, registries and other services of the Azure sandbox, by one table.

Callers: server.py. No data is kept: what is served is what Resource Manager says of them. Sources: learn.microsoft.com/
azure/azure-resource-manager/management/resource-name-rules (names), learn.microsoft.com/rest/api/<service> (required
members, choices, defaults).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.azure.arm_types import VAULT
from sandbox.azure.kinds import Put, ResourceKind
from sandbox.azure.store import Record, timestamp
from sandbox.azure.wire import ArmError, same

STORAGE = "Microsoft.Storage/storageAccounts"
BLOBS, CONTAINERS = f"{STORAGE}/blobServices", f"{STORAGE}/blobServices/containers"
REGISTRY = "Microsoft.ContainerRegistry/registries"
SQL = "Microsoft.Sql/servers"
POSTGRES, MYSQL = "Microsoft.DBforPostgreSQL/flexibleServers", "Microsoft.DBforMySQL/flexibleServers"
COSMOS = "Microsoft.DocumentDB/databaseAccounts"
SERVICE_BUS, EVENT_HUB = "Microsoft.ServiceBus/namespaces", "Microsoft.EventHub/namespaces"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a type asks of a PUT. Paths are dotted, from the body's top.

    name: pattern. needed: paths. choices: path -> values. usual: properties where the body says none. hidden:
    properties that are taken and never given out. stateless: no provisioningState in its answers. unique: code where
    another one in the cloud has the name. shown: further properties of an answer, from record and domain.
    """

    name: str
    needed: tuple[str, ...] = ()
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    usual: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    unique: str = ""
    extras: tuple[str, ...] = ()
    tracked: bool = True
    everywhere: bool = False
    stateless: bool = False
    etag: str = ""
    timing: str = "store"
    shown: Callable[[Record, str], dict[str, Any]] = lambda _record, _domain: {}


_TLS = ("TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3")
_ON_OFF = ("Enabled", "Disabled")
_SERVER = r"[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])"
_CHILD = r"[A-Za-z0-9_.-]{1,128}"
_FLEXIBLE = Rules(
    _SERVER,
    stateless=True,
    needed=("sku.name", "sku.tier"),
    choices={"sku.tier": ("Burstable", "GeneralPurpose", "MemoryOptimized")},
    usual={
        "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled"},
        "highAvailability": {"mode": "Disabled"}, "network": {"publicNetworkAccess": "Enabled"},
    },
    hidden=("administratorLoginPassword",),
    unique="ServerNameAlreadyExists", extras=("sku", "identity"), timing="database",
    shown=lambda r, d: {"state": "Ready", "fullyQualifiedDomainName": f"{r.name}.{r.type.split('/')[0][14:].lower()}.database.{d}"},  # noqa: E501
)  # fmt: skip
_NAMESPACE = Rules(
    r"[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]",
    choices={"sku.name": ("Basic", "Standard", "Premium"), "properties.minimumTlsVersion": ("1.0", "1.1", "1.2")},
    usual={
        "minimumTlsVersion": "1.2", "publicNetworkAccess": "Enabled", "disableLocalAuth": False,
        "zoneRedundant": False,
    },
    unique="NamespaceUnavailable", extras=("sku", "identity"), timing="queue",
    shown=lambda r, d: {"status": "Active", "serviceBusEndpoint": f"https://{r.name}.servicebus.{d}:443/"},
)  # fmt: skip
_PLAIN_CHILD = Rules(_CHILD, tracked=False, stateless=True)

_ENTITY = Rules(
    r"[A-Za-z0-9._/-]{1,260}", tracked=False, stateless=True, shown=lambda _record, _domain: {"status": "Active"}
)
RULES: Mapping[str, Rules] = {
    STORAGE: Rules(
        r"[a-z0-9]{3,24}",
        needed=("sku.name", "kind"),
        choices={
            "sku.name": ("Standard_LRS", "Standard_GRS", "Standard_RAGRS", "Standard_ZRS", "Standard_GZRS",
                         "Standard_RAGZRS", "Premium_LRS", "Premium_ZRS"),
            "kind": ("Storage", "StorageV2", "BlobStorage", "FileStorage", "BlockBlobStorage"),
            "properties.minimumTlsVersion": _TLS,
        },
        usual={
            "supportsHttpsTrafficOnly": True, "allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_0",
            "encryption": {
                "keySource": "Microsoft.Storage", "services": {"blob": {"enabled": True, "keyType": "Account"}},
            },
        },
        unique="StorageAccountAlreadyTaken", extras=("sku", "kind", "identity"), timing="bucket",
        shown=lambda r, d: {
            "primaryEndpoints": {"blob": f"https://{r.name}.blob.core.{d}/"}, "primaryLocation": r.location,
            "statusOfPrimary": "available", "creationTime": timestamp(r.created_at_s),
        },
    ),
    BLOBS: Rules(r"default", stateless=True, usual={"isVersioningEnabled": False, "deleteRetentionPolicy": {"enabled": False}}, tracked=False),  # noqa: E501
    CONTAINERS: Rules(
        r"(?!.*--)[a-z0-9$][a-z0-9-]{2,62}", stateless=True,
        choices={"properties.publicAccess": ("None", "Blob", "Container")},
        usual={"publicAccess": "None"}, tracked=False, etag="etag",
    ),
    VAULT: Rules(
        r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]",
        needed=("properties.tenantId", "properties.sku.name", "properties.sku.family"),
        choices={"properties.sku.name": ("standard", "premium"), "properties.sku.family": ("A",)},
        usual={"enableSoftDelete": True, "softDeleteRetentionInDays": 90, "accessPolicies": [],
               "enableRbacAuthorization": False, "publicNetworkAccess": "Enabled"},
        unique="VaultAlreadyExists", timing="key",
        shown=lambda r, d: {"vaultUri": f"https://{r.name}.vault.{d}/"},
    ),
    f"{VAULT}/keys": Rules(
        r"[A-Za-z0-9-]{1,127}", stateless=True, choices={"properties.kty": ("EC", "EC-HSM", "RSA", "RSA-HSM")},
        needed=("properties.kty",), usual={"attributes": {"enabled": True, "exportable": False}},
        shown=lambda r, d: {"keyUri": f"https://{r.id.split('/')[8]}.vault.{d}/keys/{r.name}"},
    ),
    f"{VAULT}/secrets": Rules(
        r"[A-Za-z0-9-]{1,127}", stateless=True, usual={"attributes": {"enabled": True}}, hidden=("value",),
        shown=lambda r, d: {"secretUri": f"https://{r.id.split('/')[8]}.vault.{d}/secrets/{r.name}"},
    ),
    REGISTRY: Rules(
        r"[A-Za-z0-9]{5,50}", needed=("sku.name",), choices={"sku.name": ("Basic", "Standard", "Premium")},
        usual={"adminUserEnabled": False, "anonymousPullEnabled": False, "publicNetworkAccess": "Enabled",
               "encryption": {"status": "disabled"}, "zoneRedundancy": "Disabled",
               "policies": {"retentionPolicy": {"days": 7, "status": "disabled"}}},
        unique="AlreadyInUse", extras=("sku", "identity"), timing="registry",
        shown=lambda r, d: {"loginServer": f"{r.name.lower()}.azurecr.{'cn' if d.endswith('.cn') else 'io'}",
                            "creationDate": timestamp(r.created_at_s)},
    ),
    SQL: Rules(
        _SERVER, stateless=True, needed=("properties.administratorLogin",),
        choices={"properties.minimalTlsVersion": ("None", "1.0", "1.1", "1.2", "1.3"),
                 "properties.publicNetworkAccess": (*_ON_OFF, "SecuredByPerimeter")},
        usual={"version": "12.0", "minimalTlsVersion": "1.2", "publicNetworkAccess": "Enabled"},
        hidden=("administratorLoginPassword",), unique="NameAlreadyExists", extras=("identity",), timing="database",
        shown=lambda r, d: {"state": "Ready", "fullyQualifiedDomainName": f"{r.name}.database.{d}"},
    ),
    f"{SQL}/databases": Rules(
        _CHILD, stateless=True, usual={"zoneRedundant": False, "requestedBackupStorageRedundancy": "Geo"},
        extras=("sku",), timing="database",
        shown=lambda r, _d: {"status": "Online", "databaseId": r.guid, "creationDate": timestamp(r.created_at_s)},
    ),
    f"{SQL}/firewallRules": Rules(_CHILD, stateless=True, needed=("properties.startIpAddress", "properties.endIpAddress"), tracked=False),  # noqa: E501
    POSTGRES: _FLEXIBLE,
    f"{POSTGRES}/firewallRules": _PLAIN_CHILD,
    MYSQL: _FLEXIBLE,
    f"{MYSQL}/firewallRules": _PLAIN_CHILD,
    COSMOS: Rules(
        r"[a-z0-9-]{3,44}", needed=("properties.databaseAccountOfferType", "properties.locations"),
        choices={
            "properties.databaseAccountOfferType": ("Standard",), "kind": ("GlobalDocumentDB", "MongoDB", "Parse"),
        },
        usual={"publicNetworkAccess": "Enabled", "disableLocalAuth": False, "minimalTlsVersion": "Tls12", "ipRules": [],
               "backupPolicy": {"type": "Periodic", "periodicModeProperties": {
                   "backupIntervalInMinutes": 240, "backupRetentionIntervalInHours": 8,
                   "backupStorageRedundancy": "Geo"}}},
        unique="DatabaseAccountAlreadyExists", extras=("kind", "identity"), timing="database",
        shown=lambda r, d: {"documentEndpoint": f"https://{r.name}.documents.{d}:443/"},
    ),
    "Microsoft.Cache/redis": Rules(
        r"[A-Za-z0-9](?!.*--)[A-Za-z0-9-]{0,61}[A-Za-z0-9]",
        needed=("properties.sku.name", "properties.sku.family", "properties.sku.capacity"),
        choices={"properties.sku.name": ("Basic", "Standard", "Premium"), "properties.sku.family": ("C", "P"),
                 "properties.minimumTlsVersion": ("1.0", "1.1", "1.2")},
        usual={"enableNonSslPort": False, "redisVersion": "6.0", "publicNetworkAccess": "Enabled",
               "redisConfiguration": {}},
        unique="NameNotAvailable", extras=("zones", "identity"), timing="cache",
        shown=lambda r, d: {"hostName": f"{r.name}.redis.cache.{d}", "port": 6379, "sslPort": 6380},
    ),
    SERVICE_BUS: _NAMESPACE,
    f"{SERVICE_BUS}/queues": _ENTITY,
    f"{SERVICE_BUS}/topics": _ENTITY,
    EVENT_HUB: _NAMESPACE,
    f"{EVENT_HUB}/eventhubs": Rules(r"[A-Za-z0-9._-]{1,256}", stateless=True, usual={"partitionCount": 4, "messageRetentionInDays": 1}, tracked=False),  # noqa: E501
    IDENTITY: Rules(
        r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}", stateless=True, timing="identity",
        shown=lambda r, _d: {"principalId": r.guid, "clientId": r.guid[::-1].replace("-", "")[:8] + r.guid[8:],
                             "tenantId": r.id.split("/")[2][:-1] + "f"},
    ),
    "Microsoft.Web/certificates": Rules(
        r"[^/]{1,260}", stateless=True, needed=(), hidden=("password", "pfxBlob"), timing="certificate",
        shown=lambda r, _d: {"thumbprint": r.guid.replace("-", "").upper()},
    ),
    "Microsoft.Web/sites": Rules(
        r"[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]", stateless=True, choices={"properties.clientCertMode": ("Required", "Optional", "OptionalInteractiveUser")},  # noqa: E501
        usual={"enabled": True, "httpsOnly": False, "publicNetworkAccess": "Enabled"}, unique="Conflict",
        extras=("kind", "identity"), shown=lambda r, _d: {"state": "Running", "hostNames": [f"{r.name}.azurewebsites.net"]},  # noqa: E501
    ),
    "Microsoft.OperationalInsights/workspaces": Rules(
        r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
        usual={"sku": {"name": "PerGB2018"}, "retentionInDays": 30, "publicNetworkAccessForIngestion": "Enabled"},
        etag="etag", shown=lambda r, _d: {"customerId": r.guid},
    ),
}  # fmt: skip
_DOMAINS = {"azure": "windows.net", "azure-cn": "chinacloudapi.cn"}


def member(body: Mapping[str, Any], path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


class Services(ResourceKind):
    """One row of the table."""

    def __init__(self, engine: Any, type_: str) -> None:
        super().__init__(engine)
        self.type, self.rules = type_, RULES[type_]
        rules = self.rules
        self.tracked, self.everywhere, self.extras = rules.tracked, rules.everywhere, rules.extras
        self.etag_member, self.timing, self.has_state = rules.etag, rules.timing, not rules.stateless

    def properties(self, put: Put) -> dict[str, Any]:
        rules = self.rules
        if not re.fullmatch(rules.name, put.path.name):
            code = "AccountNameInvalid" if self.type == STORAGE else "InvalidResourceName"
            raise ArmError(400, code, f"{put.path.name} is not a valid name for {self.type}.", target="name")
        for path in rules.needed:
            if put.before is None and member(put.body, path) in (None, "", []):
                raise ArmError(400, "InvalidRequestContent", f"The request must have a value for {path}.", target=path)
        for path, values in rules.choices.items():
            value = member(put.body, path)
            if value is not None and value not in values:
                allowed = ", ".join(map(str, values))
                raise ArmError(
                    400, "InvalidRequestPropertyValue", f"The value '{value}' of {path} is none of {allowed}.",
                    target=path,
                )  # fmt: skip
        self._free(put)
        properties = copy.deepcopy(dict(rules.usual)) | copy.deepcopy(put.properties)
        CHECKS.get(self.type, _nothing)(self, put, properties)
        return properties

    def _free(self, put: Put) -> None:
        """Names that are part of the cloud's own DNS are taken once for all subscriptions."""
        if self.rules.unique and put.before is None:
            for other in self.store.of_type(self.type):
                if same(other.name, put.path.name):
                    raise ArmError(409, self.rules.unique, f"The name {put.path.name} is already taken.")

    def prepare(self, record: Record, put: Put) -> None:
        record.hidden["domain"] = _DOMAINS[put.principal.partition]
        if self.type == STORAGE and put.before is None:
            self.store.put(
                Record(
                    id=f"{record.id}/blobServices/default", type=BLOBS, name="default", location=record.location,
                    properties=copy.deepcopy(dict(RULES[BLOBS].usual)), hidden={"domain": record.hidden["domain"]},
                )
            )  # fmt: skip

    def patch(self, record: Record, body: dict[str, Any]) -> None:
        change = copy.deepcopy(body.get("properties") or {})
        for path, values in self.rules.choices.items():
            value = member({**body, "properties": change}, path)
            if value is not None and value not in values:
                raise ArmError(400, "InvalidRequestPropertyValue", f"The value '{value}' of {path} is not supported.")
        record.properties |= change
        record.body |= {k: body[k] for k in self.rules.extras if body.get(k) is not None}

    def view(self, record: Record) -> dict[str, Any]:
        shown = {k: copy.deepcopy(v) for k, v in record.properties.items() if k not in self.rules.hidden}
        return shown | self.rules.shown(record, record.hidden.get("domain", ""))

    def check_delete(self, record: Record) -> None:
        if self.type == VAULT and record.properties.get("enablePurgeProtection"):
            return  # it goes, and stays recoverable
        if self.type == BLOBS:
            raise ArmError(405, "MethodNotAllowed", "The blob service of a storage account cannot be deleted.")


def _nothing(_kind: Services, _put: Put, _properties: dict[str, Any]) -> None:
    """No further rule."""


def _container(kind: Services, put: Put, properties: dict[str, Any]) -> None:
    account = kind.store.get("/".join(put.path.id.split("/")[:9]))
    if properties["publicAccess"] != "None" and account and not account.properties["allowBlobPublicAccess"]:
        raise ArmError(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")


def _vault(_kind: Services, put: Put, properties: dict[str, Any]) -> None:
    days = properties["softDeleteRetentionInDays"]
    if not isinstance(days, int) or not 7 <= days <= 90:
        raise ArmError(400, "BadRequest", "softDeleteRetentionInDays must be between 7 and 90.")
    protected = bool(put.before and put.before.properties.get("enablePurgeProtection"))
    if properties.get("enablePurgeProtection") is False or (protected and not properties.get("enablePurgeProtection")):
        raise ArmError(
            400, "BadRequest", 'The property "enablePurgeProtection" cannot be set to false: it cannot be undone.'
        )


def _registry(_kind: Services, put: Put, properties: dict[str, Any]) -> None:
    sku = put.body["sku"]["name"] if put.body.get("sku") else "Standard"
    if properties["anonymousPullEnabled"] and sku == "Basic":
        raise ArmError(400, "UnsupportedPropertyForSKU", "Anonymous pull is not supported for the SKU Basic.")
    if properties["publicNetworkAccess"] == "Disabled" and sku != "Premium":
        raise ArmError(400, "UnsupportedPropertyForSKU", f"publicNetworkAccess is not supported for the SKU {sku}.")


CHECKS: Mapping[str, Callable[[Services, Put, dict[str, Any]], None]] = {
    CONTAINERS: _container, VAULT: _vault, REGISTRY: _registry,
}  # fmt: skip
