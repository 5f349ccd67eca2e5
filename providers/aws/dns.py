"""Route 53 records, weighted or not. A record has no tags: whose it is stands in a TXT record beside it.

Callers: provider.py. `A api.example.com` of ours has `_duoyun-a.api.example.com TXT "duoyun fleet=... key=..."`; both
are made and taken away in one change batch, which Route 53 carries out whole or not at all. A record that is there
already is refused by Route 53 itself, so nothing is made twice. Sources: Route 53 API Reference,
ChangeResourceRecordSets, GetChange (PENDING until every server answers alike), ListResourceRecordSets; Developer Guide,
"DNS domain name format" (octal escapes such as \\052 for `*`).
Route 53 is one service per partition: every region that is asked shows the same records.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

from model.errors import Conflict, InvalidRequest, NotFound
from model.resources import TAG_FLEET, TAG_KEY, Address, AnyResource, DnsRecord, Kind, Observed, State, TrafficWeight
from providers.aws.kinds import need_fleet, ours, pick
from providers.aws.listed import Listed
from providers.aws.session import DEFAULT_REGION, Session
from providers.base import Call

_MARK = "_duoyun-"
_HERITAGE = "duoyun"
_MARK_TTL_S = 300
_STRING = 255  # RFC 1035, 3.3: a character-string of a TXT record
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Zone:
    id: str
    name: str


class DnsRecords(Listed):
    """provider_id: ZONE_ID/TYPE FQDN."""

    kind = Kind.DNS_RECORD
    events = r"^ChangeResourceRecordSets$"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._pending: dict[str, str] = {}
        self._lock = threading.Lock()

    # -- reading ----------------------------------------------------------------------------------------------

    def rows(self, region: str, call: Call) -> Iterator[Observed]:
        for zone in self._zones(region, call):
            yield from self._observe(region, zone, list(self._records(region, zone.id, call)), call)

    def find(self, address: Address, call: Call) -> Observed | None:
        return pick(self.session, address, self.candidates(address, call), call)

    def candidates(self, address: Address, call: Call) -> list[Observed]:
        """The records of that type and name in the zones that may hold it."""
        record_type, _, fqdn = address.name.partition(" ")
        found: list[Observed] = []
        for zone in self._zones(address.region, call):
            if fqdn == zone.name or fqdn.endswith(f".{zone.name}"):
                rows = self._at(address.region, zone, record_type, fqdn, call)
                found += self._observe(address.region, zone, rows, call)
        return [o for o in found if o.address.name == address.name]

    def _zones(self, region: str, call: Call) -> list[Zone]:
        """Public ones before private ones of the same name."""
        rows = self.session.pages("route53", region, "list_hosted_zones", "HostedZones", call)
        rows.sort(key=lambda row: (bool((row.get("Config") or {}).get("PrivateZone")), row["Id"]))
        return [Zone(row["Id"].removeprefix("/hostedzone/"), _plain(row["Name"])) for row in rows]

    def _zone(self, address: Address, name: str, call: Call) -> Zone:
        found = [zone for zone in self._zones(address.region, call) if name in (zone.name, zone.id)]
        if not found:
            raise InvalidRequest(
                f"{address} names zone {name!r}, which does not exist",
                address=str(address),
                mend="make the hosted zone first, or correct its name",
            )
        return found[0]

    def _records(self, region: str, zone_id: str, call: Call, **start: str) -> Iterator[dict[str, Any]]:
        """In Route 53's order, from a name and type on."""
        while True:
            page = self.read("route53", region, "ListResourceRecordSets", call, HostedZoneId=zone_id, **start)
            yield from page["ResourceRecordSets"]
            if not page.get("IsTruncated"):
                return
            start = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
            if page.get("NextRecordIdentifier"):
                start["StartRecordIdentifier"] = page["NextRecordIdentifier"]

    def _at(self, region: str, zone: Zone, record_type: str, fqdn: str, call: Call) -> Rows:
        """All sets of one name and type, and what says whose they are."""
        found: Rows = []
        for name, kind in ((fqdn, record_type), (_mark_name(record_type, fqdn), "TXT")):
            for row in self._records(region, zone.id, call, StartRecordName=name, StartRecordType=kind):
                if (_plain(row["Name"]), row["Type"]) != (name, kind):
                    break
                found.append(row)
        return found

    def _observe(self, region: str, zone: Zone, rows: Rows, call: Call) -> list[Observed]:
        marks = {_plain(row["Name"]): _read_mark(row) for row in rows if _is_mark(row)}
        grouped: dict[tuple[str, str], Rows] = {}
        for row in rows:
            if not _is_mark(row):
                grouped.setdefault((row["Type"], _plain(row["Name"])), []).append(row)
        return [
            self._observed(region, zone, sets, marks.get(_mark_name(*key), {}), call) for key, sets in grouped.items()
        ]

    def _observed(self, region: str, zone: Zone, sets: Rows, mark: Mapping[str, str], call: Call) -> Observed:
        record = record_of(zone.name, sets)
        provider_id = f"{zone.id}/{record.name}"
        tags = {TAG_FLEET: mark.get("fleet", ""), TAG_KEY: mark.get("key", "")} if mark else {}
        return self.observed(
            region,
            record,
            provider_id,
            state=self._state(region, provider_id, call),
            raw={
                "tags": tags,
                "zone_id": zone.id,
                "sets": sets,
                "trail": zone.id,
                "trail_match": record.fqdn,
                "trail_region": DEFAULT_REGION[self.session.account.partition],  # global services' events are there
            },
        )

    def _state(self, region: str, provider_id: str, call: Call) -> State:
        """PENDING while a change that we made is not on every server yet; another process's changes are not known."""
        with self._lock:
            change = self._pending.get(provider_id)
        if change is None:
            return State.READY
        if self.read("route53", region, "GetChange", call, Id=change)["ChangeInfo"]["Status"] != "INSYNC":
            return State.PENDING
        with self._lock:
            self._pending.pop(provider_id, None)
        return State.READY

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, DnsRecord)
        need_fleet(call)
        zone = self._zone(address, desired.zone, call)
        _check(address, desired, zone)
        existing = self.own(address, call)
        if existing is not None:
            return existing
        changes = [{"Action": "CREATE", "ResourceRecordSet": row} for row in sets_of(desired)]
        mark = {"Action": "UPSERT", "ResourceRecordSet": _mark(desired, call)}
        try:
            self._change(address.region, zone.id, desired, [*changes, mark], call)
        except Conflict:  # it is there: an earlier try was heard, or somebody was faster
            if self.own(address, call) is None:
                raise
        calls = self.session.calls("route53", address.region)
        return calls.poll("ListResourceRecordSets", lambda: self.own(address, call), call)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """One batch: old sets that have no successor go, the others are put in their place."""
        assert isinstance(desired, DnsRecord)
        before, after = observed.raw["sets"], sets_of(desired)
        known = {row.get("SetIdentifier", "") for row in after}
        changes = [
            {"Action": "DELETE", "ResourceRecordSet": row}
            for row in before
            if row.get("SetIdentifier", "") not in known
        ]
        same = {row.get("SetIdentifier", ""): record_of("", [row]) for row in before}
        changes += [
            {"Action": "UPSERT", "ResourceRecordSet": row}
            for row in after
            if same.get(row.get("SetIdentifier", "")) != record_of("", [row])
        ]
        if changes:
            self._change(observed.address.region, observed.raw["zone_id"], desired, changes, call)
        return self.find(observed.address, call) or observed

    def delete(self, observed: Observed, call: Call) -> None:
        """The sets as they are now, and the mark beside them."""
        record = observed.resource
        assert isinstance(record, DnsRecord)
        zone = Zone(observed.raw["zone_id"], record.zone)
        try:
            rows = self._at(observed.address.region, zone, record.record_type, record.fqdn, call)
        except NotFound:
            call.progress(f"{observed.address}: its zone is gone")
            return
        changes = [{"Action": "DELETE", "ResourceRecordSet": row} for row in rows]
        if not any(not _is_mark(row) for row in rows) and not changes:
            call.progress(f"{observed.address} is gone already")
            return
        self._change(observed.address.region, zone.id, record, changes, call)

    def _change(self, region: str, zone_id: str, record: DnsRecord, changes: Rows, call: Call) -> None:
        batch = {"Comment": f"duoyun {call.fleet}", "Changes": changes}
        answer = self.write(
            "route53", region, "ChangeResourceRecordSets", call, HostedZoneId=zone_id, ChangeBatch=batch
        )
        with self._lock:
            self._pending[f"{zone_id}/{record.name}"] = answer["ChangeInfo"]["Id"]

    def own(self, address: Address, call: Call) -> Observed | None:
        found = self.find(replace(address), replace(call, fleet=""))
        return ours(
            found, address, self.session, call, "choose another name, or take its marker and record away by hand"
        )

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, DnsRecord)
        assert isinstance(desired, DnsRecord)
        return tuple(f for f in ("zone", "fqdn", "record_type") if getattr(before, f) != getattr(desired, f))


# -- translation: pure -------------------------------------------------------------------------------------------------


def _check(address: Address, desired: DnsRecord, zone: Zone) -> None:
    if desired.name != f"{desired.record_type} {desired.fqdn}":
        raise InvalidRequest(
            f"{address}: a record's name is its type and its full name",
            mend=f"name it {desired.record_type} {desired.fqdn!s}",
            address=str(address),
        )
    if desired.fqdn != zone.name and not desired.fqdn.endswith(f".{zone.name}"):
        raise InvalidRequest(
            f"{address}: {desired.fqdn} is not in the zone {zone.name}",
            mend="name a record of the zone, or the zone of the record",
            address=str(address),
        )


def record_of(zone: str, sets: Iterable[Mapping[str, Any]]) -> DnsRecord:
    """One name and type, from its record sets. An alias is an answer with its target's name and no time to live."""
    rows = list(sets)
    fqdn, record_type = _plain(rows[0]["Name"]), str(rows[0]["Type"])
    answers = [answer for row in rows for answer in _answers(row)]
    return DnsRecord(
        name=f"{record_type} {fqdn}",
        zone=zone,
        fqdn=fqdn,
        record_type=record_type,
        answers=tuple(sorted(answers)),
        ttl_s=int(rows[0].get("TTL") or 0),
    )


def _answers(row: Mapping[str, Any]) -> Iterator[TrafficWeight]:
    weight, identifier = int(row.get("Weight", 1)), str(row.get("SetIdentifier", ""))
    alias = row.get("AliasTarget") or {}
    values = [alias["DNSName"].rstrip(".")] if alias else [r["Value"] for r in row.get("ResourceRecords") or ()]
    for value in values:
        yield TrafficWeight(value=value, weight=weight, label="" if identifier == value else identifier)


def sets_of(record: DnsRecord) -> Rows:
    """Record sets as Route 53 takes them: one for a plain record, one for each share of a weighted one."""
    common: dict[str, Any] = {"Name": f"{record.fqdn}.", "Type": record.record_type, "TTL": record.ttl_s}
    if not record.weighted:
        return [common | {"ResourceRecords": [{"Value": answer.value} for answer in sorted(record.answers)]}]
    return [
        common
        | {
            "SetIdentifier": answer.label or answer.value,
            "Weight": answer.weight,
            "ResourceRecords": [{"Value": answer.value}],
        }
        for answer in sorted(record.answers)
    ]


def _plain(name: str) -> str:
    """Without the last dot and the octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), name).rstrip(".")


def _mark_name(record_type: str, fqdn: str) -> str:
    return f"{_MARK}{record_type.lower()}.{fqdn.replace('*', '_any', 1) if fqdn.startswith('*') else fqdn}"


def _is_mark(row: Mapping[str, Any]) -> bool:
    return row["Type"] == "TXT" and str(row["Name"]).startswith(_MARK)


def _mark(record: DnsRecord, call: Call) -> dict[str, Any]:
    text = f"{_HERITAGE} fleet={quote(call.fleet)} key={quote(call.key)}"
    strings = [text[i : i + _STRING] for i in range(0, len(text), _STRING)]
    value = " ".join(f'"{part}"' for part in strings)
    name = f"{_mark_name(record.record_type, record.fqdn)}."
    return {"Name": name, "Type": "TXT", "TTL": _MARK_TTL_S, "ResourceRecords": [{"Value": value}]}


def _read_mark(row: Mapping[str, Any]) -> dict[str, str]:
    """fleet and key; {} where it is not one of ours after all."""
    text = "".join(re.findall(r'"([^"]*)"', " ".join(r["Value"] for r in row.get("ResourceRecords") or ())))
    words = text.split(" ")
    if words[:1] != [_HERITAGE]:
        return {}
    return {key: unquote(value) for key, _, value in (word.partition("=") for word in words[1:])}
