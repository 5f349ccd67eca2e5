"""Public DNS zones, their record sets, and Traffic Manager profiles of the Azure sandbox. Nothing is resolved.

Callers: server.py. Rules: learn.microsoft.com/rest/api/dns (API 2018-05-01), .../azure/dns/dns-alias,
.../rest/api/trafficmanager/profiles.
"""

from __future__ import annotations

import copy
import ipaddress
import re
from typing import Any

from sandbox.azure.arm_types import DNS_ZONE, PROFILE
from sandbox.azure.kinds import Put, ResourceKind, required
from sandbox.azure.store import Record
from sandbox.azure.wire import ArmError, ArmPath, reference, same

RECORD_TYPES = {
    "A": "ARecords", "AAAA": "AAAARecords", "CAA": "caaRecords", "CNAME": "CNAMERecord", "MX": "MXRecords",
    "NS": "NSRecords", "PTR": "PTRRecords", "SOA": "SOARecord", "SRV": "SRVRecords", "TXT": "TXTRecords",
}  # fmt: skip
_DOMAIN = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})+")
_SERVERS = {"azure": "azure-dns.com.", "azure-cn": "azure-dns.cn."}
_SUFFIX = {"azure": "trafficmanager.net", "azure-cn": "trafficmanager.cn"}


def bad(message: str, target: str = "") -> ArmError:
    """How the DNS and Traffic Manager providers refuse."""
    return ArmError(400, "BadRequest", message, target=target)


class DnsZones(ResourceKind):
    type = DNS_ZONE
    has_state = False
    everywhere = True
    timing = "dns"

    def properties(self, put: Put) -> dict[str, Any]:
        if not _DOMAIN.fullmatch(put.path.name):
            raise bad(f"The zone name '{put.path.name}' is not a valid domain name.")
        return {"zoneType": "Public"} | dict(put.properties)

    def prepare(self, record: Record, put: Put) -> None:
        """A new zone has its servers and its authority."""
        if put.before is not None:
            return
        suffix = _SERVERS[put.principal.partition]
        record.hidden["servers"] = servers = [f"ns{n}-01.{suffix}" for n in range(1, 5)]
        authority = {
            "email": "azuredns-hostmaster.microsoft.com", "expireTime": 2419200, "host": servers[0],
            "minimumTTL": 300, "refreshTime": 3600, "retryTime": 300, "serialNumber": 1,
        }  # fmt: skip
        for type_, body in (
            ("NS", {"TTL": 172800, "NSRecords": [{"nsdname": s} for s in servers]}),
            ("SOA", {"TTL": 3600, "SOARecord": authority}),
        ):
            self.store.put(
                Record(
                    id=f"{record.id}/{type_}/@", type=f"{DNS_ZONE}/{type_}", name="@", location=record.location,
                    properties={"metadata": {}, **body},
                )
            )  # fmt: skip

    def view(self, record: Record) -> dict[str, Any]:
        return record.properties | {
            "maxNumberOfRecordSets": 10000,
            "numberOfRecordSets": len(record_sets(self, record.id)),
            "nameServers": record.hidden.get("servers", []),
        }


def record_sets(kind: ResourceKind, zone_id: str) -> list[Record]:
    return [r for type_ in RECORD_TYPES for r in kind.store.children(zone_id, f"{DNS_ZONE}/{type_}")]


class RecordSetLists(ResourceKind):
    """`.../recordsets` and `.../all`: lists over all types; nothing is of these types."""

    writable = False
    patchable = False

    def __init__(self, engine: Any, word: str) -> None:
        super().__init__(engine)
        self.type = f"{DNS_ZONE}/{word}"

    def listed(self, path: ArmPath, _found: list[Record]) -> list[Record]:
        return record_sets(self, path.parent_id)


class RecordSets(ResourceKind):
    """One type of record."""

    tracked = False
    timing = "dns"

    def __init__(self, engine: Any, record_type: str) -> None:
        super().__init__(engine)
        self.record_type, self.member = record_type, RECORD_TYPES[record_type]
        self.type = f"{DNS_ZONE}/{record_type}"

    def properties(self, put: Put) -> dict[str, Any]:
        properties = {k: copy.deepcopy(v) for k, v in put.properties.items() if v not in (None, {}, [])}
        properties.setdefault("metadata", {})
        target = reference(properties.get("targetResource"))
        values = properties.get(self.member)
        if bool(target) == bool(values):
            raise bad(f"The record set must have exactly one of {self.member} and targetResource.", self.member)
        others = set(RECORD_TYPES.values()) - {self.member}
        if others & set(properties):
            raise bad(f"A record set of type {self.record_type} cannot have {', '.join(others & set(properties))}.")
        if target:
            self._alias(put, target)
        else:
            ttl = required(properties, "TTL")
            if not isinstance(ttl, int) or not 1 <= ttl <= 2_147_483_647:
                raise bad("The TTL must be between 1 and 2147483647.", "TTL")
            self._values(values)
        self._alone(put)
        return properties

    def _alias(self, put: Put, target: str) -> None:
        if self.record_type not in ("A", "AAAA", "CNAME"):
            raise bad(f"Record sets of type {self.record_type} cannot be aliases.", "targetResource")
        self.referenced(target, put.path.id)

    def _values(self, values: Any) -> None:
        rows = values if isinstance(values, list) else [values]
        versions = {"A": ("ipv4Address", 4), "AAAA": ("ipv6Address", 6)}
        if self.record_type in versions:
            name, version = versions[self.record_type]
            texts = [str(row.get(name) or "") for row in rows]
            for text in texts:
                try:
                    good = ipaddress.ip_address(text).version == version
                except ValueError:
                    good = False
                if not good:
                    raise bad(f"The value '{text}' is not a valid {name}.", self.member)
            if len(set(texts)) != len(texts):
                raise bad("The record set has duplicate records.", self.member)
        if self.record_type == "CNAME" and not rows[0].get("cname"):
            raise bad("A CNAME record needs a cname.", self.member)
        if len(rows) > 20:
            raise bad("A record set has at most 20 records.", self.member)

    def _alone(self, put: Put) -> None:
        """A CNAME stands beside nothing, and never at the top of a zone."""
        here = [
            r
            for r in record_sets(self, put.path.parent_id)
            if same(r.name, put.path.name) and not same(r.type, self.type)
        ]
        if self.record_type == "CNAME" and put.path.name == "@":
            raise bad("A CNAME record set cannot be at the zone apex.")
        if any(self.record_type == "CNAME" or r.type.endswith("/CNAME") for r in here):
            raise bad(f"The record set {put.path.name} conflicts with a CNAME record set of that name.")

    def view(self, record: Record) -> dict[str, Any]:
        zone = record.id.split("/")[-3]
        shown = copy.deepcopy(record.properties)
        target = reference(shown.get("targetResource"))
        if not target or self.store.get(target) is None:  # what an alias pointed to is gone: it is empty
            shown["targetResource"] = {}
        name = zone if record.name == "@" else f"{record.name}.{zone}"
        return {"fqdn": f"{name}.", "TTL": 3600} | shown

    def patch(self, record: Record, body: dict[str, Any]) -> None:
        record.properties |= body.get("properties") or {}

    def check_delete(self, record: Record) -> None:
        if record.name == "@" and self.record_type in ("NS", "SOA"):
            raise bad(f"The {self.record_type} record set at the zone apex cannot be deleted.")


class Profiles(ResourceKind):
    type = PROFILE
    everywhere = True
    has_state = False
    timing = "dns"
    etag_member = ""

    def properties(self, put: Put) -> dict[str, Any]:
        properties = copy.deepcopy(put.properties)
        method = required(properties, "trafficRoutingMethod")
        if method not in ("Performance", "Priority", "Weighted", "Geographic", "MultiValue", "Subnet"):
            raise bad(f"The traffic routing method '{method}' is not supported.", "trafficRoutingMethod")
        config = required(properties, "dnsConfig")
        name = str(required(config, "relativeName", "dnsConfig"))
        ttl = config.get("ttl")
        if not isinstance(ttl, int) or not 0 <= ttl <= 2_147_483_647:
            raise bad("The TTL must be between 0 and 2147483647.", "dnsConfig.ttl")
        for other in self.store.of_type(PROFILE):
            if not same(other.id, put.path.id) and same(other.properties["dnsConfig"]["relativeName"], name):
                raise ArmError(
                    409, "Conflict", f"Domain name {name} already exists. Please choose a different DNS prefix."
                )
        monitor = required(properties, "monitorConfig")
        if str(required(monitor, "protocol", "monitorConfig")) not in ("HTTP", "HTTPS", "TCP"):
            raise bad("The monitor's protocol must be HTTP, HTTPS or TCP.", "monitorConfig.protocol")
        required(monitor, "port", "monitorConfig")
        names = set[str]()
        for endpoint in properties.setdefault("endpoints", []):
            self._endpoint(endpoint, method, names)
        properties.setdefault("profileStatus", "Enabled")
        return properties

    def _endpoint(self, endpoint: dict[str, Any], method: str, names: set[str]) -> None:
        name = str(endpoint.get("name") or "").lower()
        if not name or name in names:
            raise bad("Endpoints need names, each of its own.", "endpoints")
        names.add(name)
        kind = str(endpoint.get("type") or "").rpartition("/")[2]
        if kind not in ("externalEndpoints", "azureEndpoints", "nestedEndpoints"):
            raise bad(f"The endpoint type '{endpoint.get('type')}' is not supported.", "endpoints.type")
        inner = endpoint.setdefault("properties", {})
        if kind == "externalEndpoints" and not inner.get("target"):
            raise bad(f"The endpoint {name} needs a target.", "endpoints.target")
        weight = inner.setdefault("weight", 1)
        if method == "Weighted" and (not isinstance(weight, int) or not 1 <= weight <= 1000):
            raise bad(f"The weight of endpoint {name} must be between 1 and 1000.", "endpoints.weight")
        if inner.setdefault("endpointStatus", "Enabled") not in ("Enabled", "Disabled"):
            raise bad("The endpoint status must be Enabled or Disabled.", "endpoints.endpointStatus")

    def prepare(self, record: Record, put: Put) -> None:
        record.hidden["suffix"] = _SUFFIX[put.principal.partition]

    def view(self, record: Record) -> dict[str, Any]:
        shown = copy.deepcopy(record.properties)
        shown["dnsConfig"]["fqdn"] = f"{shown['dnsConfig']['relativeName']}.{record.hidden['suffix']}"
        for endpoint in shown["endpoints"]:
            endpoint["id"] = f"{record.id}/{endpoint['type'].rpartition('/')[2]}/{endpoint['name']}"
            endpoint["properties"]["endpointMonitorStatus"] = "Online"
        return shown
