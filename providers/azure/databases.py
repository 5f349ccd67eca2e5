"""Databases, read only: Azure SQL, PostgreSQL and MySQL flexible servers, Cosmos DB.

Callers: provider.py. A SQL server is one, and so is each of its databases but `master`, with the server's access.
Sources: learn.microsoft.com/rest/api/sql, .../postgresql, .../mysql, .../cosmos-db-resource-provider; storage of
flexible servers and Cosmos DB is always encrypted (their security pages).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model.resources import Database, Kind, Observed
from providers.azure.arm import Raw
from providers.azure.names import user_tags
from providers.azure.readers import Reader, inverse, ranges, switched, tls
from providers.base import Call

SQL, SQL_API = "Microsoft.Sql/servers", "2021-11-01"
POSTGRES, POSTGRES_API = "Microsoft.DBforPostgreSQL/flexibleServers", "2022-12-01"
MYSQL, MYSQL_API = "Microsoft.DBforMySQL/flexibleServers", "2023-12-30"
COSMOS, COSMOS_API = "Microsoft.DocumentDB/databaseAccounts", "2024-05-15"


class Databases(Reader):
    """raw of what has a list of who may connect carries it as `allowed`."""

    kind = Kind.DATABASE

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        for type_, version in ((SQL, SQL_API), (POSTGRES, POSTGRES_API), (MYSQL, MYSQL_API)):
            for server in self.here(type_, version, region, call):
                rules = self.inside(server, "firewallRules", version, call)
                allowed = [c for r in rules for c in ranges(r.said("startIpAddress"), r.said("endIpAddress"))]
                yield Raw({**server.data, "allowed": allowed}, region)
                if type_ == SQL:
                    for child in self.inside(server, "databases", version, call):
                        if not child.name.endswith("/master"):
                            data = {**child.data, "name": child.name, "above": server.data, "allowed": allowed}
                            yield Raw({**data, "tags": child.tags}, region)
        yield from self.here(COSMOS, COSMOS_API, region, call)

    def observe(self, raw: Raw, _call: Call) -> Observed:
        type_ = "/".join([raw.type.partition("/")[0], raw.type.partition("/")[2].partition("/")[0]]).lower()
        make = _MADE[type_]
        resource = Database(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            allowed_cidrs=tuple(sorted(raw.data.get("allowed") or _ip_rules(raw))),
            **make(raw),
        )
        host = str(raw.said("fullyQualifiedDomainName") or raw.said("documentEndpoint") or "")
        return self.observed(raw, resource, endpoints=(host,) if host else ())


def _ip_rules(raw: Raw) -> list[str]:
    texts = [str(rule.get("ipAddressOrRange") or "") for rule in raw.said("ipRules") or ()]
    return [t if "/" in t else f"{t}/32" for t in texts if t]


def _sql(raw: Raw) -> dict[str, Any]:
    """Of a server, or of a database with its server's access."""
    server = Raw(raw.data["above"]) if "above" in raw.data else raw
    redundancy = raw.said("requestedBackupStorageRedundancy")
    return {
        "family": "relational",
        "engine": "sqlserver",
        "version": str(server.said("version") or ""),
        "public": switched(server, "publicNetworkAccess"),
        "key": str(server.said("keyId") or ""),
        "tls_required": tls(server.said("minimalTlsVersion")) != "" or None,
        "tls_min": tls(server.said("minimalTlsVersion")),
        "geo_backup": None if redundancy is None else str(redundancy).startswith("Geo"),
        "multi_zone": raw.said("zoneRedundant"),
        "iam_auth": server.said("administrators") is not None,
        "local_auth": inverse(server.said("administrators", "azureADOnlyAuthentication")),
    }


def _flexible(raw: Raw) -> dict[str, Any]:
    days = raw.said("backup", "backupRetentionDays")
    mode = raw.said("highAvailability", "mode")
    return {
        "family": "relational",
        "engine": "postgres" if "postgresql" in raw.type.lower() else "mysql",
        "version": str(raw.said("version") or ""),
        "public": switched(raw, "network", "publicNetworkAccess"),
        "encrypted": True,
        "key": str(raw.said("dataEncryption", "primaryKeyURI") or raw.said("dataEncryption", "primaryKeyUri") or ""),
        "backup_days": days,
        "point_in_time": None if days is None else days > 0,
        "geo_backup": switched(raw, "backup", "geoRedundantBackup"),
        "multi_zone": None if mode is None else str(mode) == "ZoneRedundant",
        "iam_auth": switched(raw, "authConfig", "activeDirectoryAuth"),
        "local_auth": switched(raw, "authConfig", "passwordAuth"),
    }


def _cosmos(raw: Raw) -> dict[str, Any]:
    policy = raw.said("backupPolicy") or {}
    periodic = policy.get("periodicModeProperties") or {}
    hours = periodic.get("backupRetentionIntervalInHours")
    redundancy = periodic.get("backupStorageRedundancy")
    zones = [bool(place.get("isZoneRedundant")) for place in raw.said("locations") or ()]
    return {
        "family": "document",
        "engine": "mongodb" if raw.kind == "MongoDB" else "cosmosdb",
        "public": switched(raw, "publicNetworkAccess"),
        "encrypted": True,
        "key": str(raw.said("keyVaultKeyUri") or ""),
        "tls_required": True,
        "tls_min": tls(raw.said("minimalTlsVersion")),
        "backup_days": None if hours is None else int(hours) // 24,
        "point_in_time": policy.get("type") == "Continuous" if policy else None,
        "geo_backup": None if redundancy is None else str(redundancy) == "Geo",
        "multi_zone": any(zones) if zones else None,
        "local_auth": inverse(raw.said("disableLocalAuth")),
    }


_MADE: Mapping[str, Callable[[Raw], dict[str, Any]]] = {
    SQL.lower(): _sql, POSTGRES.lower(): _flexible, MYSQL.lower(): _flexible, COSMOS.lower(): _cosmos,
}  # fmt: skip
