"""Managed databases and caches: Rds 2014-08-15, Dds 2015-12-01 (MongoDB), polardb 2017-08-01, R-kvstore 2015-01-01.

Callers: sandbox/alibaba/server.py. Records only: no engine runs. Each is made with what its reader is asked for, and
has what its service gives where it was not said. Sources: CreateDBInstance and its like, and the Describe actions
beside them. Not here: accounts, backups, scaling, subscription.
"""

from __future__ import annotations

from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.state import Ctx, iso, region_code, tag_rows
from sandbox.alibaba.things import Thing
from sandbox.alibaba.vpc import find_vswitch
from sandbox.alibaba.wire import ApiError

KIND, CACHE = "database", "cache"
_NOT_FOUND = {
    "rds": "InvalidDBInstanceId.NotFound",
    "dds": "InvalidDBInstanceId.NotFound",
    "polardb": "InvalidDBClusterId.NotFound",
    "kvstore": "InvalidInstanceId.NotFound",
}
_TRAILS = {"rds": "ACS::RDS::DBInstance", "dds": "ACS::MongoDB::Instance", "polardb": "ACS::PolarDB::DBCluster",
           "kvstore": "ACS::Redis::DBInstance"}  # fmt: skip


def _add(ctx: Ctx, service: str, prefix: str, name: str, kind: str = KIND, **values: Any) -> Thing:
    p = ctx.params
    switch = find_vswitch(ctx, p.require("VSwitchId"))
    return things.add(
        ctx, kind, ctx.cloud.new_id(f"{prefix}{region_code(ctx.region)}", 14), name, takes="database.create",
        touched=_TRAILS[service], tags=p.tags(), service=service, vswitch=switch.id, vpc=switch.vpc,
        zone=p.get("ZoneId", switch.zone), cidrs=p.get("SecurityIPList", "127.0.0.1"), **values,
    )  # fmt: skip


def _of(ctx: Ctx, service: str, kind: str = KIND) -> list[Thing]:
    return [t for t in things.living(ctx.estate, kind, ctx.region) if t.values["service"] == service]


def _one(ctx: Ctx, service: str, parameter: str = "DBInstanceId", kind: str = KIND) -> Thing:
    wanted = ctx.params.require(parameter)
    found = next((t for t in _of(ctx, service, kind) if t.id == wanted), None)
    if found is None:
        raise ApiError(404, _NOT_FOUND[service], f"The specified {parameter} is not found.")
    return found


def _page(ctx: Ctx, rows: list[Any], total: str) -> tuple[list[Any], dict[str, Any]]:
    number, size = ctx.params.integer("PageNumber", 1, low=1), ctx.params.integer("PageSize", 30, low=1, high=100)
    part = rows[(number - 1) * size : number * size]
    counted = {"PageRecordCount": len(part)} if total == "TotalRecordCount" else {"PageSize": size}
    return part, {"PageNumber": number, total: len(rows), **counted}


def _state(t: Thing, running: str) -> str:
    return "Deleting" if t.leaving else running if t.ready else "Creating"


def _delete(ctx: Ctx, service: str, parameter: str = "DBInstanceId", kind: str = KIND) -> dict[str, Any]:
    found = _one(ctx, service, parameter, kind)
    if found.values.get("protected"):
        raise ApiError(403, "OperationDenied.DeletionProtection", "The instance is protected from deletion.")
    things.remove(ctx, found, takes="database.delete", touched=_TRAILS[service])
    return {}


# -- relational: RDS -----------------------------------------------------------------------------------------------


def create_rds(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    engine = p.require("Engine")
    if engine not in ("MySQL", "PostgreSQL", "SQLServer", "MariaDB"):
        raise ApiError(400, "InvalidEngine.Malformed", f"The specified Engine {engine} is not valid.")
    for name in ("EngineVersion", "DBInstanceClass", "DBInstanceStorage", "DBInstanceNetType", "PayType"):
        p.require(name)
    made = _add(
        ctx, "rds", "rm-", p.get("DBInstanceDescription"), engine=engine, version=p.get("EngineVersion"),
        cls=p.get("DBInstanceClass"), storage=p.integer("DBInstanceStorage", 20, low=20), key=p.get("EncryptionKey"),
        public=p.get("DBInstanceNetType") == "Internet", category=p.get("Category", "Basic"),
        slave=p.get("ZoneIdSlave1"), upgrades=p.get("AutoUpgradeMinorVersion", "Auto"),
        protected=p.flag("DeletionProtection"), ssl=False,
    )  # fmt: skip
    return {"DBInstanceId": made.id, "ConnectionString": f"{made.id}.mysql.rds.aliyuncs.com", "Port": "3306"}


def _rds_row(t: Thing) -> dict[str, Any]:
    values = t.values
    return {
        "DBInstanceId": t.id,
        "DBInstanceDescription": t.name,
        "DBInstanceStatus": _state(t, "Running"),
        "DBInstanceClass": values["cls"],
        "DBInstanceType": "Primary",
        "DBInstanceNetType": "Internet" if values["public"] else "Intranet",
        "Engine": values["engine"],
        "EngineVersion": values["version"],
        "Category": values["category"],
        "DeletionProtection": values["protected"],
        "RegionId": t.region,
        "ZoneId": values["zone"],
        "VpcId": values["vpc"],
        "VSwitchId": values["vswitch"],
        "PayType": "Postpaid",
    }


def describe_rds(ctx: Ctx) -> dict[str, Any]:
    part, fields = _page(ctx, _of(ctx, "rds"), "TotalRecordCount")
    return {"Items": {"DBInstance": [{**_rds_row(t), "CreateTime": iso(t.created_s)} for t in part]}, **fields}


def describe_rds_attribute(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "rds")
    more = {
        "CreationTime": iso(t.created_s),
        "DBInstanceStorage": t.values["storage"],
        "SecurityIPList": t.values["cidrs"],
        "AutoUpgradeMinorVersion": t.values["upgrades"],
        "ConnectionString": f"{t.id}.mysql.rds.aliyuncs.com",
        "Port": "3306",
        "SlaveZones": {"SlaveZone": [{"ZoneId": t.values["slave"]}] if t.values["slave"] else []},
    }
    return {"Items": {"DBInstanceAttribute": [{**_rds_row(t), **more}]}}


def describe_rds_net_info(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "rds")
    kinds = ["Private", *(["Public"] if t.values["public"] else [])]
    rows = [{"ConnectionString": f"{t.id}.{k.lower()}", "IPType": k, "Port": "3306"} for k in kinds]
    return {"InstanceNetworkType": "VPC", "DBInstanceNetInfos": {"DBInstanceNetInfo": rows}}


def describe_rds_backup_policy(ctx: Ctx) -> dict[str, Any]:
    _one(ctx, "rds")
    return {"BackupRetentionPeriod": 7, "EnableBackupLog": "1", "PreferredBackupTime": "18:00Z-19:00Z"}


def modify_rds_ssl(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "rds")
    t.values["ssl"] = ctx.params.integer("SSLEnabled", 1) > 0
    ctx.touched.append((_TRAILS["rds"], t.id))
    return {}


def describe_rds_ssl(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "rds")
    if not t.values["ssl"]:
        return {"SSLEnabled": "No", "ForceEncryption": "0"}
    return {"SSLEnabled": "Yes", "ForceEncryption": "0", "TlsVersion": "1.2,1.3"}


def describe_rds_key(ctx: Ctx) -> dict[str, Any]:
    return {"EncryptionKey": _one(ctx, "rds").values["key"]}


def list_rds_tags(ctx: Ctx) -> dict[str, Any]:
    if ctx.params.require("ResourceType") != "INSTANCE":
        raise ApiError(400, "InvalidParameter.ResourceType", "ResourceType is INSTANCE.")
    ids = ctx.params.repeated("ResourceId")
    rows = [
        {"ResourceId": t.id, "ResourceType": "INSTANCE", "TagKey": k, "TagValue": v}
        for t in _of(ctx, "rds")
        for k, v in t.tags.items()
        if not ids or t.id in ids
    ]
    return {"TagResources": {"TagResource": rows}, "NextToken": ""}


def delete_rds(ctx: Ctx) -> dict[str, Any]:
    return {**_delete(ctx, "rds"), "RegionId": ctx.region}


# -- documents: MongoDB --------------------------------------------------------------------------------------------


def create_dds(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    for name in ("EngineVersion", "DBInstanceClass", "DBInstanceStorage"):
        p.require(name)
    made = _add(
        ctx, "dds", "dds-", p.get("DBInstanceDescription"), version=p.get("EngineVersion"),
        cls=p.get("DBInstanceClass"), storage=p.integer("DBInstanceStorage", 10, low=10),
        encrypted=p.flag("Encrypted"), key=p.get("EncryptionKey"), second=p.get("SecondaryZoneId"), protected=False,
    )  # fmt: skip
    return {"DBInstanceId": made.id, "OrderId": ""}


def _dds_row(t: Thing) -> dict[str, Any]:
    values = t.values
    return {
        "DBInstanceId": t.id,
        "DBInstanceDescription": t.name,
        "DBInstanceStatus": _state(t, "Running"),
        "DBInstanceType": "replicate",
        "DBInstanceClass": values["cls"],
        "DBInstanceStorage": values["storage"],
        "Engine": "MongoDB",
        "EngineVersion": values["version"],
        "NetworkType": "VPC",
        "RegionId": t.region,
        "ZoneId": values["zone"],
        "SecondaryZoneId": values["second"],
        "CreationTime": iso(t.created_s, seconds=False),
        "Tags": {"Tag": tag_rows(t.tags, "Key", "Value")},
    }


def describe_dds(ctx: Ctx) -> dict[str, Any]:
    part, fields = _page(ctx, _of(ctx, "dds"), "TotalCount")
    return {"DBInstances": {"DBInstance": [_dds_row(t) for t in part]}, **fields}


def describe_dds_attribute(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "dds")
    more = {
        "Encrypted": t.values["encrypted"],
        "EncryptionKey": t.values["key"],
        "DBInstanceReleaseProtection": t.values["protected"],
        "VPCId": t.values["vpc"],
        "VSwitchId": t.values["vswitch"],
        "VpcAuthMode": "Open",
        "ReplicaSets": {"ReplicaSet": [{"NetworkType": "VPC", "ReplicaSetRole": "Primary", "ConnectionPort": "3717"}]},
    }
    return {"DBInstances": {"DBInstance": [{**_dds_row(t), **more}]}}


def describe_dds_ips(ctx: Ctx) -> dict[str, Any]:
    return {"SecurityIps": _one(ctx, "dds").values["cidrs"]}


def describe_dds_backup_policy(ctx: Ctx) -> dict[str, Any]:
    _one(ctx, "dds")
    return {"BackupRetentionPeriod": "7", "EnableBackupLog": 0, "PreferredBackupTime": "18:00Z-19:00Z"}


def delete_dds(ctx: Ctx) -> dict[str, Any]:
    return _delete(ctx, "dds")


# -- PolarDB -------------------------------------------------------------------------------------------------------


def create_polardb(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    for name in ("DBType", "DBVersion", "DBNodeClass", "PayType"):
        p.require(name)
    made = _add(
        ctx, "polardb", "pc-", p.get("DBClusterDescription"), engine=p.get("DBType"), version=p.get("DBVersion"),
        cls=p.get("DBNodeClass"), tde=p.flag("TDEStatus"), standby=p.get("HotStandbyCluster", "ON"), protected=False,
    )  # fmt: skip
    return {"DBClusterId": made.id, "OrderId": "", "ResourceGroupId": "rg-default"}


def describe_polardb(ctx: Ctx) -> dict[str, Any]:
    part, fields = _page(ctx, _of(ctx, "polardb"), "TotalRecordCount")
    rows = [
        {
            "DBClusterId": t.id,
            "DBClusterDescription": t.name,
            "DBClusterStatus": _state(t, "Running"),
            "DBType": t.values["engine"],
            "DBVersion": t.values["version"],
            "Engine": "POLARDB",
            "DBNodeClass": t.values["cls"],
            "HotStandbyCluster": t.values["standby"],
            "DeletionLock": int(t.values["protected"]),
            "RegionId": t.region,
            "ZoneId": t.values["zone"],
            "VpcId": t.values["vpc"],
            "VswitchId": t.values["vswitch"],
            "CreateTime": iso(t.created_s),
            "Tags": {"Tag": tag_rows(t.tags, "Key", "Value")},
        }
        for t in part
    ]
    return {"Items": {"DBCluster": rows}, **fields}


def describe_polardb_whitelist(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "polardb", "DBClusterId")
    rows = [{"DBClusterIPArrayName": "default", "DBClusterIPArrayAttribute": "", "SecurityIps": t.values["cidrs"]}]
    return {"Items": {"DBClusterIPArray": rows}, "DBClusterSecurityGroups": {"DBClusterSecurityGroup": []}}


def describe_polardb_tde(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "polardb", "DBClusterId")
    return {"DBClusterId": t.id, "TDEStatus": "Enabled" if t.values["tde"] else "Disabled"}


def describe_polardb_endpoints(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "polardb", "DBClusterId")
    address = {"NetType": "Private", "ConnectionString": f"{t.id}.mysql.polardb.rds.aliyuncs.com", "Port": "3306"}
    return {"Items": [{"DBEndpointId": f"pe-{t.id[3:]}", "EndpointType": "Cluster", "AddressItems": [address]}]}


def delete_polardb(ctx: Ctx) -> dict[str, Any]:
    return _delete(ctx, "polardb", "DBClusterId")


# -- caches: Redis / Tair ------------------------------------------------------------------------------------------


def create_kvstore(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    made = _add(
        ctx, "kvstore", "r-", p.get("InstanceName"), CACHE, version=p.get("EngineVersion", "5.0"),
        cls=p.require("InstanceClass"), kind_=p.get("InstanceType", "Redis"), second=p.get("SecondaryZoneId"),
        open=bool(p.get("Password")),
    )  # fmt: skip
    return {"InstanceId": made.id, "InstanceName": made.name, "InstanceStatus": "Creating", "RegionId": ctx.region}


def _kv_row(t: Thing) -> dict[str, Any]:
    values = t.values
    return {
        "InstanceId": t.id,
        "InstanceName": t.name,
        "InstanceStatus": "Released" if t.leaving else "Normal" if t.ready else "Creating",
        "InstanceClass": values["cls"],
        "InstanceType": values["kind_"],
        "EngineVersion": values["version"],
        "NetworkType": "VPC",
        "RegionId": t.region,
        "ZoneId": values["zone"],
        "SecondaryZoneId": values["second"],
        "VpcId": values["vpc"],
        "VSwitchId": values["vswitch"],
        "CreateTime": iso(t.created_s),
        "Tags": {"Tag": tag_rows(t.tags, "Key", "Value")},
    }


def describe_kvstores(ctx: Ctx) -> dict[str, Any]:
    part, fields = _page(ctx, _of(ctx, "kvstore", CACHE), "TotalCount")
    return {"Instances": {"KVStoreInstance": [_kv_row(t) for t in part]}, **fields}


def describe_kvstore_attribute(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "kvstore", "InstanceId", CACHE)
    more = {
        "Engine": t.values["kind_"],
        "SecurityIPList": t.values["cidrs"],
        "VpcAuthMode": "Open",
        "InstanceReleaseProtection": False,
    }
    return {"Instances": {"DBInstanceAttribute": [{**_kv_row(t), **more}]}}


def describe_kvstore_ssl(ctx: Ctx) -> dict[str, Any]:
    return {"InstanceId": _one(ctx, "kvstore", "InstanceId", CACHE).id, "SSLEnabled": "Disable"}


def describe_kvstore_net_info(ctx: Ctx) -> dict[str, Any]:
    t = _one(ctx, "kvstore", "InstanceId", CACHE)
    row = {"ConnectionString": f"{t.id}.redis.rds.aliyuncs.com", "IPType": "Private", "Port": "6379"}
    return {"InstanceNetworkType": "VPC", "NetInfoItems": {"InstanceNetInfo": [row]}}


def describe_kvstore_backup_policy(ctx: Ctx) -> dict[str, Any]:
    _one(ctx, "kvstore", "InstanceId", CACHE)
    return {"BackupRetentionPeriod": "7", "EnableBackupLog": 0, "PreferredBackupTime": "18:00Z-19:00Z"}


def delete_kvstore(ctx: Ctx) -> dict[str, Any]:
    return _delete(ctx, "kvstore", "InstanceId", CACHE)
