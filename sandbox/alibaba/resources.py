"""ResourceCenter 2022-12-01 SearchResources, over all that the sandbox has; and Nas 2017-06-26, one of the rest.

Callers: sandbox/alibaba/server.py. Life's resource center is minutes behind; here it is current. Sources:
SearchResources, and "Services that work with Resource Center" for the types' names; CreateFileSystem of the NAS
reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.state import Ctx, iso, page, tag_rows
from sandbox.alibaba.wire import ApiError

FILE_SYSTEM, TRAIL = "managed_service", "ACS::NAS::FileSystem"
_TYPES = {
    "disk": "ACS::ECS::Disk", "load_balancer": "ACS::SLB::LoadBalancer", "instance_group": "ACS::ESS::ScalingGroup",
    "key": "ACS::KMS::Key", "nat_gateway": "ACS::NAT::NatGateway", "public_ip": "ACS::EIP::EipAddress",
    "certificate": "ACS::YundunCert::Certificate", "audit_trail": "ACS::ActionTrail::Trail",
    "bucket": "ACS::OSS::Bucket", "cache": "ACS::Redis::DBInstance", "managed_service": TRAIL,
}  # fmt: skip
_DATABASES = {"rds": "ACS::RDS::DBInstance", "dds": "ACS::MongoDB::Instance", "polardb": "ACS::PolarDB::DBCluster"}
_FILTERS = ("RegionId", "ResourceType", "ResourceId", "ResourceName")


def _everything(ctx: Ctx) -> Iterator[dict[str, Any]]:
    estate = ctx.estate
    records: list[tuple[str, Any]] = [
        *(("ACS::VPC::VPC", v) for v in estate.vpcs.values()),
        *(("ACS::VPC::VSwitch", s) for s in estate.vswitches.values()),
        *(("ACS::ECS::SecurityGroup", g) for g in estate.groups.values()),
        *(("ACS::ECS::Instance", m) for m in estate.machines.values()),
        *(("ACS::ACK::Cluster", c) for c in estate.clusters.values()),
        *((_DATABASES.get(str(t.values.get("service")), _TYPES.get(t.kind, "")), t) for t in estate.there()),
    ]
    for kind, r in records:
        if kind:
            yield {
                "ResourceType": kind,
                "ResourceId": r.id,
                "ResourceName": r.name,
                "RegionId": r.region or "cn-hangzhou",
                "AccountId": ctx.caller.account.account_id,
                "CreateTime": iso(r.created_s),
                "Tags": [{"Key": k, "Value": v} for k, v in r.tags.items()],
            }


def search_resources(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    rows = sorted(_everything(ctx), key=lambda r: (r["ResourceType"], r["ResourceId"]))
    for entry in p.structs("Filter"):
        key, values = entry.get("Key", ""), [v for k, v in sorted(entry.items()) if k.startswith("Value")]
        if key not in _FILTERS or entry.get("MatchType", "Equals") != "Equals":
            raise ApiError(400, "InvalidParameter.Filter", "The specified Filter is not valid.")
        rows = [row for row in rows if row[key] in values]
    size, start = p.integer("MaxResults", 20, low=1, high=100), p.integer("NextToken", 0)
    following = str(start + size) if start + size < len(rows) else ""
    return {"Resources": rows[start : start + size], "NextToken": following, "MaxResults": size}


# -- file systems --------------------------------------------------------------------------------------------------


def create_file_system(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    if p.require("ProtocolType") not in ("NFS", "SMB", "cpfs"):
        raise ApiError(400, "InvalidProtocolType.NotSupported", "The specified ProtocolType is not supported.")
    made = things.add(
        ctx, FILE_SYSTEM, ctx.cloud.new_id("", 10), p.get("Description"), touched=TRAIL, tags=p.tags(),
        protocol=p.get("ProtocolType"), storage=p.require("StorageType"),
        encryption=p.integer("EncryptType", 0, high=2),
    )  # fmt: skip
    return {"FileSystemId": made.id}


def describe_file_systems(ctx: Ctx) -> dict[str, Any]:
    part, fields = page(ctx, things.living(ctx.estate, FILE_SYSTEM, ctx.region))
    rows = [
        {
            "FileSystemId": t.id,
            "Description": t.name,
            "ProtocolType": t.values["protocol"],
            "StorageType": t.values["storage"],
            "EncryptType": t.values["encryption"],
            "RegionId": t.region,
            "CreateTime": iso(t.created_s),
            "Tags": {"Tag": tag_rows(t.tags, "Key", "Value")},
        }
        for t in part
    ]
    return {"FileSystems": {"FileSystem": rows}, **fields}


def delete_file_system(ctx: Ctx) -> dict[str, Any]:
    found = things.find(
        ctx, FILE_SYSTEM, ctx.params.require("FileSystemId"),
        lambda: ApiError(404, "InvalidFileSystem.NotFound", "The specified file system does not exist."),
    )  # fmt: skip
    things.remove(ctx, found, touched=TRAIL)
    return {}
