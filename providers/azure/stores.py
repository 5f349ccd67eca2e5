"""Buckets, caches and queues, read only: storage accounts with their containers, Redis, Service Bus, Event Hubs.

Callers: provider.py. A storage account is a bucket, and so is each of its containers, with the account's settings.
Sources: learn.microsoft.com/rest/api/storagerp, .../redis, .../servicebus, .../eventhub; both message services speak
TLS only and always encrypt (learn.microsoft.com/azure/service-bus-messaging/configure-customer-managed-key).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from model.resources import Bucket, Cache, Kind, Observed, Queue
from providers.azure.arm import Raw
from providers.azure.names import user_tags
from providers.azure.readers import Reader, inverse, public_access, switched, tls
from providers.base import Call

STORAGE, STORAGE_API = "Microsoft.Storage/storageAccounts", "2023-05-01"
REDIS, REDIS_API = "Microsoft.Cache/redis", "2023-08-01"
SERVICE_BUS, SERVICE_BUS_API = "Microsoft.ServiceBus/namespaces", "2021-11-01"
EVENT_HUB, EVENT_HUB_API = "Microsoft.EventHub/namespaces", "2024-01-01"
_DIAGNOSTICS_API = "2021-05-01-preview"


Rows = Sequence[Raw]


class Buckets(Reader):
    kind = Kind.BUCKET

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        for account in self.here(STORAGE, STORAGE_API, region, call):
            yield account
            yield from self.inside(account, "blobServices/default/containers", STORAGE_API, call)

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        """An account's settings are read once for all of its containers."""
        for account in self.here(STORAGE, STORAGE_API, region, call):
            containers = tuple(self.inside(account, "blobServices/default/containers", STORAGE_API, call))
            for raw, bucket in self._buckets(account, containers, call):
                seen = self.observed(raw, bucket)
                if fleet is None or seen.owner == fleet:
                    yield seen

    def observe(self, raw: Raw, call: Call) -> Observed:
        account = self.arm.get("storage.accounts.get", "/".join(raw.id.split("/")[:9]), STORAGE_API, call)
        containers = tuple(self.inside(account, "blobServices/default/containers", STORAGE_API, call))
        found = {r.id: bucket for r, bucket in self._buckets(account, containers, call)}
        return self.observed(raw, found[raw.id])

    def _buckets(self, account: Raw, containers: Rows, call: Call) -> Iterator[tuple[Raw, Bucket]]:
        blobs = self.arm.find("storage.blobservices.get", f"{account.id}/blobServices/default", STORAGE_API, call)
        whole = bucket_of(account, blobs, [str(c.said("publicAccess") or "None") for c in containers])
        logged = self._logged(account, call)
        whole = replace(whole, name=self.address(account).name, access_logs=logged)
        yield account, whole
        for raw in containers:
            public = bool(whole.public) and str(raw.said("publicAccess") or "None") != "None"
            yield raw, replace(whole, name=self.address(raw).name, public=public, tags=user_tags(raw.tags))

    def _logged(self, account: Raw, call: Call) -> bool:
        path = f"{account.id}/blobServices/default/providers/Microsoft.Insights/diagnosticSettings"
        rows = self.arm.rows("insights.settings.list", path, _DIAGNOSTICS_API, call)
        return any(log.get("enabled") for row in rows for log in row.said("logs") or ())


def bucket_of(account: Raw, blobs: Raw | None, containers: list[str]) -> Bucket:
    """containers: public access of each of them. Pure."""
    allowed = account.said("allowBlobPublicAccess")
    by_key = str(account.said("encryption", "keySource") or "").lower() == "microsoft.keyvault"
    # Storage spells these members in lower case, older answers do not.
    key = account.said("encryption", "keyvaultproperties") or account.said("encryption", "keyVaultProperties") or {}
    named = {str(k).lower(): v for k, v in key.items()}
    retention = (blobs.said("deleteRetentionPolicy") if blobs is not None else None) or {}
    secondary = str(account.said("secondaryLocation") or "")
    return Bucket(
        name=account.name,
        tags=user_tags(account.tags),
        public=False if allowed is False else any(access != "None" for access in containers),
        public_access_blocked=inverse(allowed),
        sse="key" if by_key else "cloud",
        key=f"{str(named['keyvaulturi']).rstrip('/')}/keys/{named.get('keyname')}" if named.get("keyvaulturi") else "",
        versioning=bool(blobs.said("isVersioningEnabled")) if blobs is not None else None,
        tls_only=account.said("supportsHttpsTrafficOnly"),
        tls_min=tls(account.said("minimumTlsVersion")),
        soft_delete_days=int(retention.get("days") or 0) if retention.get("enabled") else 0,
        replicas=(secondary,) if secondary else (),
        redundancy=account.sku.rpartition("_")[2],
    )


class Caches(Reader):
    kind = Kind.CACHE

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        return self.here(REDIS, REDIS_API, region, call)

    def observe(self, raw: Raw, _call: Call) -> Observed:
        open_without = str(raw.said("redisConfiguration", "authnotrequired") or "false").lower() == "true"
        resource = Cache(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            engine="redis",
            version=str(raw.said("redisVersion") or ""),
            public=switched(raw, "publicNetworkAccess"),
            tls_required=inverse(raw.said("enableNonSslPort")),
            tls_min=tls(raw.said("minimumTlsVersion")),
            auth=not open_without,
            multi_zone=len(raw.data.get("zones") or ()) > 1,
            auto_minor_upgrades=True,  # Azure's to do (azure-cache-for-redis/cache-administration)
        )
        return self.observed(raw, resource, endpoints=_endpoint(raw, "hostName", 6380))


class Queues(Reader):
    """Namespaces (family broker), and in them queues, topics and event hubs (streams)."""

    kind = Kind.QUEUE

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        for type_, version, parts in (
            (SERVICE_BUS, SERVICE_BUS_API, ("queues", "topics")),
            (EVENT_HUB, EVENT_HUB_API, ("eventhubs",)),
        ):
            for namespace in self.here(type_, version, region, call):
                yield namespace
                for part in parts:
                    for child in self.inside(namespace, part, version, call):
                        yield Raw({**child.data, "above": namespace.data, "name": child.name}, region)

    def observe(self, raw: Raw, _call: Call) -> Observed:
        above = Raw(raw.data.get("above") or raw.data, raw.location)
        encryption = above.said("encryption") or {}
        keys = encryption.get("keyVaultProperties") or [{}]
        uri = str(keys[0].get("keyVaultUri") or "").rstrip("/")
        resource = Queue(
            name=self.address(raw).name,
            tags=user_tags(above.tags),
            family=_FAMILIES.get(raw.id.split("/")[-2].lower(), "broker"),
            public=public_access(above),
            encrypted=True,
            key=f"{uri}/keys/{keys[0].get('keyName')}" if uri else "",
            tls_required=True,
            tls_min=tls(above.said("minimumTlsVersion")),
            local_auth=inverse(above.said("disableLocalAuth")),
        )
        return replace(self.observed(raw, resource), owner=above.tags.get("duoyun-fleet", ""))


_FAMILIES = {"queues": "queue", "topics": "topic", "eventhubs": "stream"}


def _endpoint(raw: Raw, member: str, port: int) -> tuple[str, ...]:
    host = str(raw.said(member) or "")
    return (f"{host}:{port}",) if host else ()
