"""DNS records: record sets of public Azure DNS zones; with weights, an alias to a Traffic Manager profile.

Callers: provider.py. The zone is somebody's already: a record names it. Record sets have no tags but metadata, which
holds ours: whose it is, and the region that the fleet counts it to. Others' records are shown in every region that is
asked, as DNS has none. Source: learn.microsoft.com/rest/api/dns (API 2018-05-01).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from model.errors import AlreadyExists, InvalidRequest, NotFound
from model.resources import Address, AnyResource, DnsRecord, Kind, Observed, TrafficWeight
from providers.azure import weights
from providers.azure.adapter import Adapter, visible
from providers.azure.arm import Arm, Raw
from providers.azure.dns_values import body_of, values_of
from providers.azure.names import TAG_REGION, merged_tags, own_tags, owner_of, user_tags
from providers.azure.session import Session
from providers.base import Call

ZONES = "Microsoft.Network/dnsZones"
API = "2018-05-01"


class DnsRecords(Adapter):
    """raw is a Raw whose tags are the record set's metadata, and whose name is ours: `A api.example.com`."""

    kind = Kind.DNS_RECORD
    fixed = ("zone", "fqdn", "record_type")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.arm = Arm(session)
        self.weights = weights.Weights(self.arm)

    # -- reading -----------------------------------------------------------------------------------------------

    def zones(self, call: Call) -> dict[str, str]:
        """Name of a zone -> its ARM id."""
        return {raw.name.lower(): raw.id for raw in self.arm.of_type(ZONES, API, "", call)}

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        for zone in self.arm.of_type(ZONES, API, region, call):
            try:
                for raw in self.arm.rows("network.dns.list", f"{zone.id}/recordsets", API, call):
                    yield _record(raw, region)
            except NotFound:  # the zone went between the two lists
                continue

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        profiles: Mapping[str, Raw] | None = None
        for raw in self.read_all(region, call):
            if raw.location == region and (fleet is None or owner_of(raw.tags) == fleet):
                if _target(raw) and profiles is None:
                    profiles = self.weights.all(call)
                yield self._observed(raw, (profiles or {}).get(_target(raw).lower()))

    def find(self, address: Address, call: Call, *, own: bool = False) -> Raw:
        """By zone and name: the longest zone that its name ends with. Raises NotFound."""
        type_, _, fqdn = address.name.partition(" ")
        for zone_id in _zones_of(fqdn, self.zones(call)):
            raw = self.arm.find("network.dns.get", _record_id(zone_id, type_, fqdn), API, call)
            if raw is not None:
                record = _record(raw, address.region)
                if record.location == address.region and visible(record.tags, call, own=own):
                    return record
        raise NotFound(f"{address} is not there", address=str(address))

    def address(self, raw: Raw) -> Address:
        return Address(self.account.partition, self.account.account_id, raw.location, self.kind, raw.name)

    def observe(self, raw: Raw, call: Call) -> Observed:
        return self._observed(raw, self.weights.get(_target(raw), call) if _is_profile(_target(raw)) else None)

    def _observed(self, raw: Raw, profile: Raw | None) -> Observed:
        type_, _, fqdn = raw.name.partition(" ")
        answers = tuple(TrafficWeight(value=value) for value in values_of(type_, raw.properties))
        ttl = int(raw.said("TTL") or raw.said("ttl") or 0)
        if profile is not None:
            answers, ttl = weights.answers_of(profile), weights.ttl_of(profile)
        elif _target(raw):
            answers = (TrafficWeight(value=_target(raw)),)
        resource = DnsRecord(
            name=raw.name,
            tags=user_tags(raw.tags),
            zone=raw.id.partition("/dns")[2].split("/")[1] if "/dns" in raw.id else "",
            fqdn=fqdn,
            record_type=type_,
            answers=tuple(sorted(answers)),
            ttl_s=ttl,
        )
        return self.observed(raw, resource)

    # -- writing -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        wanted = cast(DnsRecord, desired)
        zone_id = self._zone_id(address, wanted, call)
        record_id = _record_id(zone_id, wanted.record_type, wanted.fqdn)
        there = self.arm.find("network.dns.get", record_id, API, call)
        if there is None:
            tags = own_tags(address, wanted.tags, call, **{TAG_REGION: address.region})
            self._put(zone_id, record_id, wanted, tags, call)
            there = self.arm.get("network.dns.get", record_id, API, call)
        raw = _record(there, address.region)
        if owner_of(raw.tags) != call.fleet or raw.location != address.region:
            raise AlreadyExists(
                f"{wanted.name} exists and is not of fleet {call.fleet} in {address.region}",
                mend="reference or adopt it, or choose another name in the fleet",
                address=str(address),
            )
        return self.observe(raw, call)

    def _zone_id(self, address: Address, wanted: DnsRecord, call: Call) -> str:
        found = self.zones(call).get(wanted.zone.lower())
        if found is None:
            raise InvalidRequest(
                f"{address} names DNS zone {wanted.zone!r}, which is not in this subscription",
                mend="create the zone first, or correct its name in the fleet",
                address=str(address),
            )
        if not _inside(wanted.fqdn, wanted.zone):
            raise InvalidRequest(f"{wanted.fqdn} is not in zone {wanted.zone}", mend="correct fqdn or zone")
        if wanted.weighted:
            weights.check(wanted)
        else:
            body_of(wanted.record_type, [answer.value for answer in wanted.answers])
        return found

    def _put(
        self, zone_id: str, record_id: str, wanted: DnsRecord, tags: dict[str, str], call: Call, **headers: str
    ) -> None:
        properties: dict[str, Any] = {"metadata": tags, "TTL": wanted.ttl_s}
        if wanted.weighted:
            profile = weights.profile_id(zone_id, wanted)
            self.weights.put(profile, wanted, tags, call)
            properties["targetResource"] = {"id": profile}
        else:
            properties |= body_of(wanted.record_type, [answer.value for answer in sorted(wanted.answers)])
        more = {"headers": headers} if headers else {}
        self.arm.put("network.dns.put", record_id, {"properties": properties}, API, call, **more)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Answers, weights, time to live, tags."""
        wanted = cast(DnsRecord, desired)
        zone_id = self._zone_id(observed.address, wanted, call)
        profile = weights.profile_id(zone_id, wanted)

        def change() -> None:
            raw = _record(self.arm.get("network.dns.get", observed.provider_id, API, call), observed.address.region)
            now = cast(DnsRecord, self.observe(raw, call).resource)
            tags = merged_tags(raw.tags, wanted.tags)
            same = (now.answers, now.ttl_s) == (tuple(sorted(wanted.answers)), wanted.ttl_s)
            if same and tags == raw.tags:
                return
            if wanted.weighted and _target(raw).lower() == profile.lower() and tags == raw.tags:
                self.weights.put(profile, wanted, tags, call)
                return
            match = {"If-Match": raw.etag} if raw.etag else {}
            self._put(zone_id, observed.provider_id, wanted, tags, call, **match)
            if not wanted.weighted and _is_profile(_target(raw)):
                self.weights.delete(_target(raw), call)

        self.settled(change)
        raw = self.arm.get("network.dns.get", observed.provider_id, API, call)
        return self.observe(_record(raw, observed.address.region), call)

    def delete(self, observed: Observed, call: Call) -> None:
        """The record, then the profile that its weights were in, so that no name is left that points to nothing."""
        raw = self.arm.find("network.dns.get", observed.provider_id, API, call)
        self.arm.delete("network.dns.delete", observed.provider_id, API, call)
        profile = _target(raw) if raw is not None else ""
        if not profile:
            zone_id = observed.provider_id.rsplit("/", 2)[0]
            profile = weights.profile_id(zone_id, cast(DnsRecord, observed.resource))
        found = self.weights.get(profile, call) if _is_profile(profile) else None
        if found is not None and owner_of(found.tags) and owner_of(found.tags) == observed.owner:
            self.weights.delete(profile, call)

    def wait_gone(self, address: Address, call: Call) -> None:
        def gone() -> bool | None:
            try:
                self.find(address, call, own=True)
            except NotFound:
                return True
            return None

        self.session.calls.poll("azure.dns_record.wait_gone", gone, call)


def _record(raw: Raw, region: str) -> Raw:
    """A record set under our name, counted to the region that its metadata says, else to the one that is asked."""
    metadata = {str(k): str(v) for k, v in (raw.said("metadata") or {}).items()}
    type_ = raw.type.rpartition("/")[2] or raw.id.split("/")[-2]
    zone = raw.id.split("/")[-3]
    found = Raw({**raw.data, "tags": metadata}, metadata.get(TAG_REGION, "") or region)
    found.location = metadata.get(TAG_REGION, "") or region
    found.name = f"{type_.upper()} {zone if raw.name == '@' else f'{raw.name}.{zone}'}"
    return found


def _record_id(zone_id: str, type_: str, fqdn: str) -> str:
    zone = zone_id.rsplit("/", 1)[-1]
    name = "@" if fqdn.lower() == zone.lower() else fqdn[: -len(zone) - 1]
    return f"{zone_id}/{type_}/{name}"


def _inside(fqdn: str, zone: str) -> bool:
    return fqdn.lower() == zone.lower() or fqdn.lower().endswith(f".{zone.lower()}")


def _zones_of(fqdn: str, zones: Mapping[str, str]) -> list[str]:
    """Ids of the zones that a name may lie in, the most exact first."""
    return [zones[name] for name in sorted(zones, key=len, reverse=True) if _inside(fqdn, name)]


def _target(raw: Raw) -> str:
    return str(raw.said("targetResource", "id") or "")


def _is_profile(resource_id: str) -> bool:
    return "/trafficmanagerprofiles/" in resource_id.lower()
