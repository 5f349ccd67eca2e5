"""Alidns 2015-01-09: domains and their records, with weights (DNS SLB).

Callers: sandbox/alibaba/server.py. A domain and its records belong to the account, not to a region. Nothing is
resolved. Sources: AddDomainRecord, UpdateDNSSLBWeight, SetDNSSLBStatus of the Alidns reference; the plan is one that
lets a TTL be a second. Not here: lines by country or carrier (`default` alone), URL forwarding, DNSSEC.
"""

from __future__ import annotations

import re
import time
from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.state import Ctx, page
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import ApiError

KIND, TRAIL, DOMAIN = "dns_record", "ACS::Alidns::Domain", "_domain"
_TYPES = ("A", "AAAA", "CNAME", "NS", "MX", "SRV", "TXT", "CAA")
_WEIGHTED = ("A", "AAAA", "CNAME")
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.ASCII)
_REMARK = re.compile(r"[\w\-,.，。]{0,50}")


def add_domain(ctx: Ctx) -> dict[str, Any]:
    name = ctx.params.require("DomainName").lower()
    if not _NAME.fullmatch(name):
        raise ApiError(400, "InvalidDomainName.Format", "The domain name format is invalid.")
    if any(t.name == name for t in things.living(ctx.estate, DOMAIN)):
        raise ApiError(400, "InvalidDomainName.Duplicate", "The domain name is duplicate.")
    number = ctx.cloud.new_id("", 32, "0123456789abcdef")
    made = things.add(ctx, DOMAIN, number, name, touched=TRAIL, everywhere=True, open=[])
    return {"DomainId": made.id, "DomainName": name, "DnsServers": {"DnsServer": ["dns9.hichina.com"]}}


def _domain(ctx: Ctx, name: str) -> Thing:
    found = next((t for t in things.living(ctx.estate, DOMAIN) if t.name == name.lower()), None)
    if found is None:
        raise ApiError(404, "InvalidDomainName.NoExist", "The specified domain name does not exist. Refresh the page.")
    return found


def delete_domain(ctx: Ctx) -> dict[str, Any]:
    domain = _domain(ctx, ctx.params.require("DomainName"))
    for record in _records(ctx, domain):
        things.remove(ctx, record)
    things.remove(ctx, domain, touched=TRAIL)
    return {"DomainName": domain.name}


def describe_domains(ctx: Ctx) -> dict[str, Any]:
    word = ctx.params.get("KeyWord")
    exact = ctx.params.get("SearchMode") == "EXACT"
    rows = [t for t in things.living(ctx.estate, DOMAIN) if not word or (t.name == word if exact else word in t.name)]
    part, fields = page(ctx, rows, default=20)
    shown = [
        {
            "DomainId": t.id,
            "DomainName": t.name,
            "PunyCode": t.name,
            "AliDomain": True,
            "RecordCount": len(_records(ctx, t)),
            "VersionCode": "version_enterprise_advanced",
            "CreateTimestamp": int(t.created_s * 1000),
            "DnsServers": {"DnsServer": ["dns9.hichina.com"]},
        }
        for t in part
    ]
    return {"Domains": {"Domain": shown}, **fields}


# -- records -------------------------------------------------------------------------------------------------------


def _records(ctx: Ctx, domain: Thing) -> list[Thing]:
    return [t for t in things.living(ctx.estate, KIND) if t.values["domain"] == domain.name]


def _record(ctx: Ctx) -> Thing:
    """What is not there is told like what is somebody else's."""
    message = "The domain record does not belong to this user."
    found = things.find(
        ctx, KIND, ctx.params.require("RecordId"), lambda: ApiError(400, "DomainRecordNotBelongToUser", message),
        everywhere=True,
    )  # fmt: skip
    ctx.touched.append((TRAIL, found.id))
    ctx.touched.append((TRAIL, found.name))
    return found


def _checked(ctx: Ctx, domain: Thing, besides: str = "") -> dict[str, Any]:
    """What a record is to say. Raises what the cloud says of records that cannot be, or not beside the others."""
    p = ctx.params
    rr, kind, value = p.require("RR").lower(), p.require("Type").upper(), p.require("Value")
    if kind not in _TYPES:
        raise ApiError(400, "InvalidRecordType", f"The record type {kind} is not supported.")
    ttl = p.integer("TTL", 600, low=1, high=86400)
    others = [t for t in _records(ctx, domain) if t.id != besides and t.values["rr"] == rr]
    if any((t.values["type"], t.values["value"]) == (kind, value) for t in others):
        raise ApiError(400, "DomainRecordDuplicate", "The DNS record already exists.")
    if any((t.values["type"] == "CNAME") != (kind == "CNAME") for t in others):
        raise ApiError(400, "DomainRecordConflict", "The DNS record conflicts with other records.")
    return {"rr": rr, "type": kind, "value": value, "ttl": ttl}


def add_domain_record(ctx: Ctx) -> dict[str, Any]:
    domain = _domain(ctx, ctx.params.require("DomainName"))
    values = _checked(ctx, domain)
    name = domain.name if values["rr"] == "@" else f"{values['rr']}.{domain.name}"
    made = things.add(
        ctx, KIND, ctx.cloud.new_id("", 18, "0123456789"), name, touched=TRAIL, everywhere=True,
        domain=domain.name, remark="", weight=1, enabled=True, **values,
    )  # fmt: skip
    ctx.touched.append((TRAIL, name))
    return {"RecordId": made.id}


def update_domain_record(ctx: Ctx) -> dict[str, Any]:
    record = _record(ctx)
    domain = _domain(ctx, record.values["domain"])
    values = _checked(ctx, domain, record.id)
    if all(record.values[k] == v for k, v in values.items()):
        raise ApiError(400, "DomainRecordDuplicate", "The DNS record already exists.")
    record.values.update(values)
    record.name = domain.name if values["rr"] == "@" else f"{values['rr']}.{domain.name}"
    return {"RecordId": record.id}


def update_remark(ctx: Ctx) -> dict[str, Any]:
    record, remark = _record(ctx), ctx.params.get("Remark")
    if not _REMARK.fullmatch(remark):
        raise ApiError(400, "InvalidRemark.Format", "A remark has at most 50 letters, digits and -_,. characters.")
    record.values["remark"] = remark
    return {}


def set_status(ctx: Ctx) -> dict[str, Any]:
    record, wanted = _record(ctx), ctx.params.require("Status")
    if wanted not in ("Enable", "Disable"):
        raise ApiError(400, "InvalidStatus", "The specified Status is not valid.")
    record.values["enabled"] = wanted == "Enable"
    return {"RecordId": record.id, "Status": wanted}


def delete_domain_record(ctx: Ctx) -> dict[str, Any]:
    record = _record(ctx)
    things.remove(ctx, record)
    return {"RecordId": record.id}


def _is_open(ctx: Ctx, record: Thing) -> bool:
    """Weights hold while their switch is on and there are two to choose from."""
    domain = _domain(ctx, record.values["domain"])
    return [record.name, record.values["type"]] in domain.values["open"]


def set_dnsslb_status(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    sub, kind = p.require("SubDomain").lower(), p.get("Type", "A").upper()
    found = [t for t in things.living(ctx.estate, KIND) if (t.name, t.values["type"]) == (sub, kind)]
    if len(found) < 2 or kind not in _WEIGHTED:
        raise ApiError(400, "SubDomainInvalid.Value", "Weights need at least two A, AAAA or CNAME records of one name.")
    opened = _domain(ctx, found[0].values["domain"]).values["open"]
    wanted = p.flag("Open", True)
    if [sub, kind] in opened:
        opened.remove([sub, kind])
    if wanted:
        opened.append([sub, kind])
    ctx.touched.append((TRAIL, sub))
    return {"Open": wanted, "RecordCount": len(found)}


def update_dnsslb_weight(ctx: Ctx) -> dict[str, Any]:
    record = _record(ctx)
    text = ctx.params.require("Weight")
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise ApiError(400, "InvalidWeigth", "The weigth value is invalid.")  # the cloud's own spelling
    if not record.values["enabled"]:
        raise ApiError(400, "DomainRecordDisable", "The domain record is disable.")
    if not _is_open(ctx, record):
        raise ApiError(400, "DisableDNSSLB", "The subdomain's DNS SLB status is closed.")
    record.values["weight"] = int(text)
    return {"RecordId": record.id, "Weight": int(text)}


def describe_domain_records(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    domain = _domain(ctx, p.require("DomainName"))
    rr, kind = p.get("RRKeyWord").lower(), p.get("Type").upper()
    rows = [t for t in _records(ctx, domain) if rr in t.values["rr"] and kind in ("", t.values["type"])]
    part, fields = page(ctx, rows, default=20, limit=500)
    return {"DomainRecords": {"Record": [_row(ctx, t) for t in part]}, **fields}


def _row(ctx: Ctx, t: Thing) -> dict[str, Any]:
    values = t.values
    shown = {
        "RecordId": t.id,
        "DomainName": values["domain"],
        "RR": values["rr"],
        "Type": values["type"],
        "Value": values["value"],
        "TTL": values["ttl"],
        "Line": "default",
        "Status": "ENABLE" if values["enabled"] else "DISABLE",
        "Locked": False,
        "LbaStatus": _is_open(ctx, t),
        "CreateTimestamp": int(t.created_s * 1000),
        "UpdateTimestamp": int(time.time() * 1000),
    }
    if values["remark"]:
        shown["Remark"] = values["remark"]
    return {**shown, "Weight": values["weight"]} if _is_open(ctx, t) else shown
