"""DNS_RECORD (Alidns): Alidns 2015-01-09. One resource is all records of a name and type on the default line.

Callers: provider.py. Domains belong to the account, so every region shows the same. Records have no tags: whose they
are, and the weight that was wanted, stands in their remarks (dns_remarks.py); tags are not wanted of them. A record's
creation takes no token; the cloud refuses a second one with the same value.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from model.errors import AlreadyExists, InvalidRequest, NotFound
from model.resources import TAG_FLEET, TAG_NAME, Address, DnsRecord, Kind, Observed, State, TrafficWeight
from providers.alibaba.common import Adapter, Identified, Row, gone_is_fine
from providers.alibaba.dns_remarks import Remark, cloud_weights, read_remark, shown_weights, write_remark
from providers.base import Call

WEIGHTED_TYPES = ("A", "AAAA", "CNAME")
HALF_MADE_S = 600.0
"""So long a record without a remark, of just the wanted value, counts as ours: we died before its remark."""


class DnsRecords(Adapter):
    KIND = Kind.DNS_RECORD
    HAS_TOKEN = False

    # -- reading -----------------------------------------------------------------------------------------------

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        """Records grouped by name and type; the records of one name where it is asked for by name."""
        kind, _, fqdn = ((tags or {}).get(TAG_NAME) or name).partition(" ")
        for domain in self._domains(region, call):
            if not fqdn:
                yield from self._groups(region, domain, call, {})
            elif fqdn == domain or fqdn.endswith(f".{domain}"):
                asked = {"RRKeyWord": _rr(fqdn, domain), "Type": kind}
                found = self._groups(region, domain, call, asked)
                yield from (row for row in found if (row["type"], row["fqdn"]) == (kind, fqdn))

    def _domains(self, region: str, call: Call) -> list[str]:
        found = self.session.pages("Alidns", "DescribeDomains", region, call, ("Domains", "Domain"), {})
        return [str(row["DomainName"]) for row in found]

    def _groups(self, region: str, domain: str, call: Call, asked: Mapping[str, Any]) -> Iterator[Row]:
        where = ("DomainRecords", "Record")
        params = {"DomainName": domain, **asked}
        groups: dict[tuple[str, str], list[Row]] = {}
        for record in self.session.pages("Alidns", "DescribeDomainRecords", region, call, where, params):
            if record.get("Line", "default") == "default":
                groups.setdefault((str(record["RR"]), str(record["Type"])), []).append(record)
        for (rr, kind), records in groups.items():
            fqdn = domain if rr == "@" else f"{rr}.{domain}"
            yield {"zone": domain, "rr": rr, "fqdn": fqdn, "type": kind, "records": records}

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        domain, kind, fqdn = provider_id.split("/", 2)
        asked = {"RRKeyWord": _rr(fqdn, domain), "Type": kind}
        try:
            found = list(self._groups(region, domain, call, asked))
        except NotFound:
            return None  # the domain itself is gone
        return next((row for row in found if (row["type"], row["fqdn"]) == (kind, fqdn)), None)

    def identify(self, row: Row) -> Identified:
        name = f"{row['type']} {row['fqdn']}"
        fleets = {r.fleet for r in map(_remark, row["records"]) if r.fleet}
        tags = {TAG_FLEET: min(fleets), TAG_NAME: name} if fleets else {}
        return Identified(f"{row['zone']}/{row['type']}/{row['fqdn']}", name, tags)

    def observe(self, region: str, row: Row, call: Call) -> Observed:  # noqa: ARG002  (the same for every kind)
        who, records = self.identify(row), row["records"]
        weights = shown_weights(records)
        answers = [
            TrafficWeight(value=str(r["Value"]), weight=weight, label=_remark(r).label)
            for r, weight in zip(records, weights, strict=True)
            if weight is not None
        ]
        record = DnsRecord(
            name=who.name,
            zone=row["zone"],
            fqdn=row["fqdn"],
            record_type=row["type"],
            answers=tuple(sorted(answers)),
            ttl_s=min((int(r.get("TTL") or 600) for r in records), default=600),
        )
        return Observed(
            address=self.address(region, who.name),
            resource=record,
            provider_id=who.id,
            state=State.READY,
            owner=who.tags.get(TAG_FLEET, ""),
            raw={"record_ids": tuple(str(r["RecordId"]) for r in records)},
        )

    def trail_names(self, observed: Observed) -> tuple[str, ...]:
        return tuple(observed.raw.get("record_ids", ()))

    # -- writing -----------------------------------------------------------------------------------------------

    def make(self, address: Address, desired: DnsRecord, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:
        del token  # AddDomainRecord has none
        _check(address, desired, call)
        if desired.zone not in self._domains(address.region, call):
            raise InvalidRequest(
                f"{address} names the zone {desired.zone!r}, which Alidns does not have",
                mend="add the domain to Alidns first, or correct the zone in the fleet",
                address=str(address),
            )
        provider_id = f"{desired.zone}/{desired.record_type}/{desired.fqdn}"
        there = self.by_id(address.region, provider_id, call)
        if there is not None and not _half_made(there["records"], desired):
            raise AlreadyExists(
                f"{address} has records that are not this fleet's",
                detail=", ".join(str(r["Value"]) for r in there["records"]),
                mend="remove them, or adopt the name",
                address=str(address),
            )
        self._bring(address.region, desired, there["records"] if there else [], call)
        return provider_id

    def create(self, address: Address, desired: Any, call: Call) -> Observed:
        made = super().create(address, desired, call)
        if made.resource == desired:
            return made
        self.update(made, desired, call)  # what an earlier attempt left half made
        row = self.by_id(address.region, made.provider_id, call)
        return self.observe(address.region, row, call) if row is not None else made

    def update(self, observed: Observed, desired: DnsRecord, call: Call) -> None:
        _check(observed.address, desired, call)
        row = self.by_id(observed.address.region, observed.provider_id, call)
        if row is None:
            raise NotFound(f"{observed.address} is gone", address=str(observed.address))
        self._bring(observed.address.region, desired, row["records"], call, observed.owner or call.fleet)

    def _bring(self, region: str, desired: DnsRecord, there: Sequence[Row], call: Call, fleet: str = "") -> None:
        """Changes values in place as long as there are records to change, so that the name never goes silent."""
        wanted = {answer.value: answer for answer in desired.answers}
        weighted = desired.weighted and len(wanted) > 1
        if any(r.get("LbaStatus") for r in there) and not weighted:
            self._switch(region, desired, call, on=False)
        records = {str(r["Value"]): r for r in there}
        missing = [value for value in wanted if value not in records]
        for surplus in [value for value in records if value not in wanted]:
            record = records.pop(surplus)
            if missing:
                value = missing.pop(0)
                self._change(region, desired, record, value, call)
                records[value] = {**record, "Value": value, "TTL": desired.ttl_s}
            else:
                self._send(region, "DeleteDomainRecord", {"RecordId": record["RecordId"]}, call)
        for value in missing:
            record_id = self._add(region, desired, value, call)
            records[value] = {"RecordId": record_id, "Value": value, "TTL": desired.ttl_s, "Status": "ENABLE"}
        for value, record in records.items():
            if int(record.get("TTL") or 0) != desired.ttl_s:
                self._change(region, desired, record, value, call)
            remark = write_remark(Remark(fleet or call.fleet, wanted[value].weight, wanted[value].label))
            if str(record.get("Remark") or "") != remark:
                sent = {"RecordId": record["RecordId"], "Remark": remark}
                self._send(region, "UpdateDomainRecordRemark", sent, call)
        self._weigh(region, desired, records, weighted, call)

    def _weigh(self, region: str, desired: DnsRecord, records: Mapping[str, Row], weighted: bool, call: Call) -> None:
        """Alidns knows weights of 1 to 100: a share of nothing is a record that is switched off."""
        shares = cloud_weights({a.value: a.weight for a in desired.answers} if weighted else dict.fromkeys(records, 1))
        for value, record in records.items():
            status = "Enable" if shares[value] else "Disable"
            if str(record.get("Status", "ENABLE")).upper() != status.upper():
                self._send(region, "SetDomainRecordStatus", {"RecordId": record["RecordId"], "Status": status}, call)
        if not weighted:
            return
        opened = all(r.get("LbaStatus") for r in records.values())
        if not opened:
            self._switch(region, desired, call, on=True)
        for value, record in records.items():
            now = int(record.get("Weight") or 1) if opened else 0
            if shares[value] and shares[value] != now:
                sent = {"RecordId": record["RecordId"], "Weight": shares[value]}
                self._send(region, "UpdateDNSSLBWeight", sent, call)

    def _switch(self, region: str, desired: DnsRecord, call: Call, *, on: bool) -> None:
        where = {"DomainName": desired.zone, "SubDomain": desired.fqdn, "Type": desired.record_type}
        self._send(region, "SetDNSSLBStatus", {**where, "Open": on}, call)

    def _add(self, region: str, desired: DnsRecord, value: str, call: Call) -> str:
        params = {"DomainName": desired.zone, **_content(desired, value)}
        try:
            return str(self._send(region, "AddDomainRecord", params, call)["RecordId"])
        except AlreadyExists:
            # It was not there a moment ago: the first answer was lost, and this was the second attempt.
            row = self.by_id(region, f"{desired.zone}/{desired.record_type}/{desired.fqdn}", call)
            for record in row["records"] if row else ():
                if record["Value"] == value and not _remark(record).fleet:
                    return str(record["RecordId"])
            raise

    def _change(self, region: str, desired: DnsRecord, record: Row, value: str, call: Call) -> None:
        params = {"RecordId": record["RecordId"], **_content(desired, value)}
        self._send(region, "UpdateDomainRecord", params, call)

    def _send(self, region: str, action: str, params: Mapping[str, Any], call: Call) -> dict[str, Any]:
        return self.session.rpc("Alidns", action, region, call, params, write=True)

    def delete(self, observed: Observed, call: Call) -> None:
        region = observed.address.region
        row = self.by_id(region, observed.provider_id, call)
        for record in row["records"] if row else ():
            if observed.owner and _remark(record).fleet not in ("", observed.owner):
                continue
            params = {"RecordId": record["RecordId"]}
            gone_is_fine(lambda p=params: self._send(region, "DeleteDomainRecord", p, call))  # type: ignore[misc]

    def fixed_fields(self) -> tuple[str, ...]:
        return ("zone", "fqdn", "record_type")


def _rr(fqdn: str, domain: str) -> str:
    return "@" if fqdn == domain else fqdn.removesuffix(f".{domain}")


def _content(desired: DnsRecord, value: str) -> dict[str, Any]:
    rr = _rr(desired.fqdn, desired.zone)
    content = {"RR": rr, "Type": desired.record_type, "Value": value, "TTL": desired.ttl_s}
    return {**content, "Priority": 10} if desired.record_type == "MX" else content


def _remark(record: Row) -> Remark:
    return read_remark(str(record.get("Remark") or ""))


def _half_made(records: Sequence[Row], desired: DnsRecord) -> bool:
    """Only values that are wanted, none with a remark, all of them new."""
    wanted = {a.value for a in desired.answers}
    since_ms = (time.time() - HALF_MADE_S) * 1000
    return all(
        r["Value"] in wanted and not r.get("Remark") and int(r.get("CreateTimestamp") or 0) >= since_ms for r in records
    )


def _check(address: Address, desired: DnsRecord, call: Call) -> None:
    """Raises InvalidRequest for what Alidns cannot say."""
    problem = ""
    if desired.tags:
        problem = "Alidns records have no tags"
    elif desired.fqdn != desired.zone and not desired.fqdn.endswith(f".{desired.zone}"):
        problem = f"{desired.fqdn} is not in the zone {desired.zone}"
    elif not desired.answers or len({a.value for a in desired.answers}) != len(desired.answers):
        problem = "a record needs at least one answer, and each value once"
    elif desired.weighted and desired.record_type not in WEIGHTED_TYPES:
        problem = f"Alidns weighs {', '.join(WEIGHTED_TYPES)} records only"
    elif desired.weighted and not any(a.weight for a in desired.answers):
        problem = "at least one weight must be above 0"
    for answer in desired.answers:
        problem = problem or write_remark(Remark(call.fleet, answer.weight, answer.label), problem_only=True)
    if problem:
        raise InvalidRequest(f"{address}: {problem}", mend="change the record in the fleet", address=str(address))
