"""Slb 2014-05-15: load balancers (CLB) and their default server groups; listeners in slb_listeners.py.

Callers: sandbox/alibaba/server.py; ess.py puts a group's instances behind one. Nothing is forwarded: an address is an
address. Sources: CreateLoadBalancer, CreateLoadBalancerTCPListener and its like, AddBackendServers and the common error
codes of the CLB reference. Not here: vServer groups, access lists, forwarding rules, subscription.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.catalogue import zones
from sandbox.alibaba.state import Ctx, iso, page, region_code, tag_rows
from sandbox.alibaba.things import Thing
from sandbox.alibaba.vpc import usable_vswitch
from sandbox.alibaba.wire import ApiError

KIND, TRAIL = "load_balancer", "ACS::SLB::LoadBalancer"
_SERVERS_PER_CALL = 20


def create_load_balancer(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    where, switch_id = p.get("AddressType", "internet"), p.get("VSwitchId")
    if where not in ("internet", "intranet"):
        raise ApiError(400, "InvalidParameter", f"The specified AddressType {where} is not valid.")
    switch = usable_vswitch(ctx, switch_id) if switch_id else None
    if switch is not None and where == "internet":
        raise ApiError(400, "InvalidParameter", "A VSwitchId is for intranet instances only.")
    if switch is not None and p.get("VpcId", switch.vpc) != switch.vpc:
        raise ApiError(400, "InvalidParameter", "The specified VpcId and VSwitchId do not match.")
    master, slave = p.get("MasterZoneId", switch.zone if switch else zones(ctx.region)[0]), p.get("SlaveZoneId")
    for zone in (master, slave):
        if zone and zone not in zones(ctx.region):
            raise ApiError(400, "InvalidParameter", "The site is not exist.")
    made = things.add(
        ctx, KIND, ctx.cloud.new_id(f"lb-{region_code(ctx.region)}", 17), p.get("LoadBalancerName"),
        touched=TRAIL, tags=p.tags(),
        address_type=where, address="", vpc=switch.vpc if switch else "", vswitch=switch_id, master=master, slave=slave,
        protected=p.get("DeleteProtection", "off"), spec=p.get("LoadBalancerSpec"), listeners=[], servers=[],
    )  # fmt: skip
    made.name = made.name or made.id
    made.values["address"] = _address(ctx, switch.cidr if switch else "198.18.0.0/16")
    return {
        "LoadBalancerId": made.id,
        "LoadBalancerName": made.name,
        "Address": made.values["address"],
        "AddressIPVersion": "ipv4",
        "NetworkType": "vpc" if switch else "classic",
        "VpcId": made.values["vpc"],
        "VSwitchId": switch_id,
        "ResourceGroupId": "rg-default",
        "OrderId": 0,
    }


def _address(ctx: Ctx, cidr: str) -> str:
    """From the end of the block, where machines are last."""
    taken = {t.values["address"] for t in things.living(ctx.estate, KIND)}
    taken |= {m.private_ip for m in ctx.estate.machines.values()}
    net = ipaddress.IPv4Network(cidr)
    last = int(net.broadcast_address) - 4
    return next(str(ipaddress.IPv4Address(n)) for n in range(last, 0, -1) if str(ipaddress.IPv4Address(n)) not in taken)


def find_balancer(ctx: Ctx, balancer_id: str) -> Thing:
    return things.find(
        ctx, KIND, balancer_id,
        lambda: ApiError(404, "InvalidLoadBalancerId.NotFound", "The specified LoadBalancerId does not exist."),
    )  # fmt: skip


def asked(ctx: Ctx, *, write: bool = True) -> Thing:
    found = find_balancer(ctx, ctx.params.require("LoadBalancerId"))
    if write:
        ctx.touched.append((TRAIL, found.id))
    return found


def describe_load_balancers(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    ids = [i for i in p.get("LoadBalancerId").split(",") if i]
    rows = [
        t
        for t in things.with_tags(things.living(ctx.estate, KIND, ctx.region), p.structs("Tag"))
        if (not ids or t.id in ids)
        and p.get("LoadBalancerName", t.name) == t.name
        and p.get("VpcId", t.values["vpc"]) == t.values["vpc"]
        and p.get("AddressType", t.values["address_type"]) == t.values["address_type"]
    ]
    part, fields = page(ctx, rows, default=50)
    return {"LoadBalancers": {"LoadBalancer": [_row(t) for t in part]}, **fields}


def _row(t: Thing) -> dict[str, Any]:
    values = t.values
    return {
        "LoadBalancerId": t.id,
        "LoadBalancerName": t.name,
        "LoadBalancerStatus": "active",
        "Address": values["address"],
        "AddressType": values["address_type"],
        "AddressIPVersion": "ipv4",
        "RegionId": t.region,
        "MasterZoneId": values["master"],
        "SlaveZoneId": values["slave"],
        "VpcId": values["vpc"],
        "VSwitchId": values["vswitch"],
        "NetworkType": "vpc" if values["vpc"] else "classic",
        "DeleteProtection": values["protected"],
        "InternetChargeType": "paybytraffic",
        "InstanceChargeType": "PayByCLCU",
        "PayType": "PayOnDemand",
        "CreateTime": iso(t.created_s, seconds=False),
        "CreateTimeStamp": int(t.created_s * 1000),
        "ResourceGroupId": "rg-default",
        "Tags": {"Tag": tag_rows(t.tags)},
    }


def describe_attribute(ctx: Ctx) -> dict[str, Any]:
    found = asked(ctx, write=False)
    lines = found.values["listeners"]
    servers = [{**s, "Description": "", "ServerIp": ""} for s in found.values["servers"]]
    return {
        **_row(found),
        "BackendServers": {"BackendServer": servers},
        "ListenerPorts": {"ListenerPort": [line["port"] for line in lines]},
        "ListenerPortsAndProtocol": {
            "ListenerPortAndProtocol": [
                {"ListenerPort": line["port"], "ListenerProtocol": line["protocol"], "Description": ""}
                for line in lines
            ]
        },
    }


def delete_load_balancer(ctx: Ctx) -> dict[str, Any]:
    found = asked(ctx)
    if found.values["protected"] == "on":
        message = "The loadbalancer can't be deleted due to DeleteProtection is enabled."
        raise ApiError(400, "OperationDenied.DeleteProtectionIsOn", message)
    things.remove(ctx, found, takes="loadbalancer.delete")
    return {}


def set_name(ctx: Ctx) -> dict[str, Any]:
    asked(ctx).name = ctx.params.require("LoadBalancerName")
    return {}


def set_delete_protection(ctx: Ctx) -> dict[str, Any]:
    found, wanted = asked(ctx), ctx.params.require("DeleteProtection")
    if wanted not in ("on", "off"):
        raise ApiError(400, "InvalidParameter", "The specified DeleteProtection is not valid.")
    found.values["protected"] = wanted
    return {}


# -- servers -------------------------------------------------------------------------------------------------------


def _servers(ctx: Ctx) -> list[dict[str, Any]]:
    text = ctx.params.require("BackendServers")
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as exc:
        raise ApiError(400, "InvalidParameter", "The RsList is illegal.") from exc
    if not isinstance(rows, list) or not 1 <= len(rows) <= _SERVERS_PER_CALL:
        raise ApiError(400, "InvalidParameter", "The RsList is illegal.")
    return rows


def add_backend_servers(ctx: Ctx) -> dict[str, Any]:
    found = asked(ctx)
    for row in _servers(ctx):
        put_behind(ctx, found, str(row.get("ServerId", "")), int(row.get("Weight", 100)))
    rows = [{**s, "Weight": str(s["Weight"])} for s in found.values["servers"]]
    return {"LoadBalancerId": found.id, "BackendServers": {"BackendServer": rows}}


def put_behind(ctx: Ctx, found: Thing, server_id: str, weight: int) -> None:
    """One that is there already gets the weight."""
    machine = ctx.estate.machines.get(server_id)
    if machine is None or machine.region != found.region or machine.status == "Deleting":
        message = "The specified BackendServers is invalid; some of the specified backend servers do not exist."
        raise ApiError(400, "ObtainIpFail", message)
    if found.values["vpc"] and machine.vpc != found.values["vpc"]:
        message = "The specified load balancer does not support the network type of the ECS instance."
        raise ApiError(400, "InvalidParameter", message)
    for server in found.values["servers"]:
        if server["ServerId"] == server_id:
            server["Weight"] = weight
            return
    found.values["servers"].append({"ServerId": server_id, "Weight": weight, "Type": "ecs"})


def take_away(found: Thing, server_ids: set[str]) -> None:
    found.values["servers"] = [s for s in found.values["servers"] if s["ServerId"] not in server_ids]


def remove_backend_servers(ctx: Ctx) -> dict[str, Any]:
    found = asked(ctx)
    rows = _servers(ctx)
    take_away(found, {str(row.get("ServerId") if isinstance(row, dict) else row) for row in rows})
    return {"LoadBalancerId": found.id, "BackendServers": {"BackendServer": list(found.values["servers"])}}


def describe_access_logs(ctx: Ctx) -> dict[str, Any]:
    """Nobody writes access logs here."""
    part, fields = page(ctx, [], default=50)
    return {"LogsDownloadAttributes": {"LogsDownloadAttribute": part}, **fields}


# -- tags ----------------------------------------------------------------------------------------------------------


def tag_resources(ctx: Ctx) -> dict[str, Any]:
    _instances_only(ctx)
    for balancer_id in ctx.params.repeated("ResourceId"):
        find_balancer(ctx, balancer_id).tags.update(ctx.params.tags())
        ctx.touched.append((TRAIL, balancer_id))
    return {}


def untag_resources(ctx: Ctx) -> dict[str, Any]:
    _instances_only(ctx)
    keys = ctx.params.repeated("TagKey")
    for balancer_id in ctx.params.repeated("ResourceId"):
        found = find_balancer(ctx, balancer_id)
        found.tags = {} if ctx.params.flag("All") else {k: v for k, v in found.tags.items() if k not in keys}
        ctx.touched.append((TRAIL, balancer_id))
    return {}


def _instances_only(ctx: Ctx) -> None:
    if ctx.params.require("ResourceType") != "instance":
        raise ApiError(400, "InvalidParameter", "The sandbox tags load balancers (instance) only.")
