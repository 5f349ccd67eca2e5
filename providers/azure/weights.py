"""Weights of a DNS record: a Traffic Manager profile, which an alias record set points to.

Callers: dns.py. Every answer is an external endpoint that is always served: weights decide here, probes elsewhere. An
endpoint's name is its number and label; weight 0 is a disabled endpoint. Sources: learn.microsoft.com/azure/
traffic-manager/traffic-manager-routing-methods (weights 1 to 1000), .../azure/dns/dns-alias (A, AAAA and CNAME only),
.../rest/api/trafficmanager/profiles (alwaysServe since 2022-04-01).
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from model.errors import InvalidRequest
from model.resources import DnsRecord, TrafficWeight
from providers.azure.arm import Arm, Raw
from providers.azure.names import ArmId, parse_id
from providers.base import Call

TYPE = "Microsoft.Network/trafficManagerProfiles"
API = "2022-04-01"
ALIASED = ("A", "AAAA", "CNAME")
_LABEL = re.compile(r"[A-Za-z0-9_-]{0,60}")


class Weights:
    def __init__(self, arm: Arm) -> None:
        self.arm = arm

    def all(self, call: Call) -> dict[str, Raw]:
        """Profiles by id in lower case: one list for all records."""
        return {raw.id.lower(): raw for raw in self.arm.of_type(TYPE, API, "", call)}

    def get(self, profile_id: str, call: Call) -> Raw | None:
        return self.arm.find("network.profiles.get", profile_id, API, call)

    def put(self, profile_id: str, wanted: DnsRecord, tags: dict[str, str], call: Call) -> None:
        """Sends nothing where the profile says so already."""
        raw = self.get(profile_id, call)
        if raw is not None and (answers_of(raw), ttl_of(raw)) == (tuple(sorted(wanted.answers)), wanted.ttl_s):
            return
        body = {
            "location": "global",
            "tags": {**(raw.tags if raw is not None else {}), **tags},
            "properties": {
                "profileStatus": "Enabled",
                "trafficRoutingMethod": "Weighted",
                "dnsConfig": {"relativeName": _relative_name(profile_id), "ttl": wanted.ttl_s},
                "monitorConfig": {"protocol": "TCP", "port": 443},
                "endpoints": [_endpoint(n, answer) for n, answer in enumerate(sorted(wanted.answers), 1)],
            },
        }
        self.arm.put("network.profiles.put", profile_id, body, API, call)

    def delete(self, profile_id: str, call: Call) -> None:
        self.arm.delete("network.profiles.delete", profile_id, API, call)


def check(wanted: DnsRecord) -> None:
    """Raises InvalidRequest where Traffic Manager cannot say it."""
    if wanted.record_type not in ALIASED:
        raise InvalidRequest(
            f"{wanted.name}: Azure has weights for {', '.join(ALIASED)} only", mend="leave the weights out"
        )
    for answer in wanted.answers:
        if not _LABEL.fullmatch(answer.label):
            raise InvalidRequest(
                f"{wanted.name}: label {answer.label!r} is no name of an endpoint",
                mend="use up to 60 letters, digits, `-` and `_`",
            )


def profile_id(zone_id: str, wanted: DnsRecord) -> str:
    """In the zone's resource group; always the same for a record."""
    where: ArmId = parse_id(zone_id)
    readable = re.sub(r"[^a-z0-9]+", "-", wanted.name.lower()).strip("-")[:40].rstrip("-")
    digest = hashlib.sha256(f"{zone_id.lower()} {wanted.name}".encode()).hexdigest()[:10]
    group = zone_id.partition("/providers/")[0]
    assert where.group
    return f"{group}/providers/{TYPE}/{readable}-{digest}"


def _relative_name(profile: str) -> str:
    """The profile's own DNS name; it must be free in the whole cloud."""
    return f"{parse_id(profile).name}-{hashlib.sha256(profile.lower().encode()).hexdigest()[:8]}"


def _endpoint(number: int, answer: TrafficWeight) -> dict[str, Any]:
    return {
        "name": f"{number}-{answer.label}" if answer.label else str(number),
        "type": f"{TYPE}/externalEndpoints",
        "properties": {
            "target": answer.value,
            "weight": max(1, answer.weight),
            "endpointStatus": "Enabled" if answer.weight else "Disabled",
            "alwaysServe": "Enabled",
        },
    }


def answers_of(profile: Raw) -> tuple[TrafficWeight, ...]:
    found = []
    for endpoint in profile.said("endpoints") or ():
        inner = endpoint.get("properties") or {}
        label = str(endpoint.get("name") or "").partition("-")[2]
        weight = 0 if str(inner.get("endpointStatus")) == "Disabled" else int(inner.get("weight") or 1)
        found.append(TrafficWeight(value=str(inner.get("target") or ""), weight=weight, label=label))
    return tuple(sorted(found))


def ttl_of(profile: Raw) -> int:
    return int(profile.said("dnsConfig", "ttl") or 0)
