"""Vpc 2016-04-28: NAT gateways and elastic addresses. Callers: sandbox/alibaba/server.py. Nothing is translated.

Sources: CreateNatGateway, AllocateEipAddress, AssociateEipAddress and ReleaseEipAddress of the VPC reference.
"""

from __future__ import annotations

from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.machines import find_machine
from sandbox.alibaba.state import Ctx, iso, page, region_code, tag_rows
from sandbox.alibaba.things import Thing
from sandbox.alibaba.vpc import usable_vpc, usable_vswitch
from sandbox.alibaba.wire import ApiError

NAT, EIP = "nat_gateway", "public_ip"
_TRAILS = {NAT: "ACS::NAT::NatGateway", EIP: "ACS::EIP::EipAddress"}
_KINDS = {"Nat": NAT, "EcsInstance": "instance", "SlbInstance": "load_balancer"}


def create_nat_gateway(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    vpc, switch = usable_vpc(ctx, p.require("VpcId")), usable_vswitch(ctx, p.require("VSwitchId"))
    if switch.vpc != vpc.id:
        raise ApiError(400, "InvalidParameter.VSwitchId", f"{switch.id} is not in {vpc.id}.")
    made = things.add(
        ctx, NAT, ctx.cloud.new_id(f"ngw-{region_code(ctx.region)}", 17), p.get("Name"), takes="natgateway.create",
        touched=_TRAILS[NAT], tags=p.tags(), vpc=vpc.id, vswitch=switch.id, network=p.get("NetworkType", "internet"),
    )  # fmt: skip
    return {"NatGatewayId": made.id, "SnatTableIds": {"SnatTableId": [f"stb-{made.id.removeprefix('ngw-')}"]}}


def _find(ctx: Ctx, kind: str, parameter: str) -> Thing:
    code = "InvalidNatGatewayId.NotFound" if kind == NAT else "InvalidAllocationId.NotFound"
    found = things.find(
        ctx, kind, ctx.params.require(parameter), lambda: ApiError(404, code, f"Specified {parameter} does not exist.")
    )
    ctx.touched.append((_TRAILS[kind], found.id))
    return found


def _addresses(ctx: Ctx, owner: str) -> list[Thing]:
    return [t for t in things.living(ctx.estate, EIP, ctx.region) if t.values["instance"] == owner]


def describe_nat_gateways(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    rows = [
        t
        for t in things.with_tags(things.living(ctx.estate, NAT, ctx.region), p.structs("Tag"))
        if p.get("NatGatewayId", t.id) == t.id and p.get("Name", t.name) == t.name
    ]
    part, fields = page(ctx, rows, limit=50)
    return {"NatGateways": {"NatGateway": [_nat_row(ctx, t) for t in part]}, **fields}


def _nat_row(ctx: Ctx, t: Thing) -> dict[str, Any]:
    return {
        "NatGatewayId": t.id,
        "Name": t.name,
        "Status": "Deleting" if t.leaving else "Available" if t.ready else "Creating",
        "NatType": "Enhanced",
        "NetworkType": t.values["network"],
        "RegionId": t.region,
        "VpcId": t.values["vpc"],
        "CreationTime": iso(t.created_s),
        "NatGatewayPrivateInfo": {"VswitchId": t.values["vswitch"]},
        "IpLists": {
            "IpList": [
                {"AllocationId": e.id, "IpAddress": e.values["address"], "UsingStatus": "Idle"}
                for e in _addresses(ctx, t.id)
            ]
        },
        "Tags": {"Tag": tag_rows(t.tags)},
    }


def delete_nat_gateway(ctx: Ctx) -> dict[str, Any]:
    found = _find(ctx, NAT, "NatGatewayId")
    bound = _addresses(ctx, found.id)
    if bound and not ctx.params.flag("Force"):
        raise ApiError(400, "DependencyViolation.EIPS", "The NAT gateway has EIPs: unbind them first.")
    for eip in bound:
        eip.values.update(instance="", type="")
    things.remove(ctx, found, takes="natgateway.delete")
    return {}


# -- elastic addresses ---------------------------------------------------------------------------------------------


def allocate_eip_address(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    number = len([t for t in ctx.estate.things.values() if t.kind == EIP])
    made = things.add(
        ctx, EIP, ctx.cloud.new_id(f"eip-{region_code(ctx.region)}", 17), p.get("Name"), touched=_TRAILS[EIP],
        tags=p.tags(), address=f"198.19.{number // 250 % 250}.{number % 250 + 1}", instance="", type="",
        protection=p.repeated("SecurityProtectionTypes"), bandwidth=p.get("Bandwidth", "5"),
    )  # fmt: skip
    return {"AllocationId": made.id, "EipAddress": made.values["address"], "ResourceGroupId": "rg-default"}


def associate_eip_address(ctx: Ctx) -> dict[str, Any]:
    eip, owner = _find(ctx, EIP, "AllocationId"), ctx.params.require("InstanceId")
    kind = ctx.params.get("InstanceType", "EcsInstance")
    if eip.values["instance"]:
        raise ApiError(400, "IncorrectEipStatus", f"The status of EIP {eip.id} does not support this operation: InUse.")
    if kind not in _KINDS:
        raise ApiError(400, "InvalidParameter", f"The specified InstanceType {kind} is not valid.")
    if kind == "EcsInstance":
        find_machine(ctx, owner)
    else:
        missing = ApiError(404, "InvalidInstanceId.NotFound", f"The specified instance {owner} does not exist.")
        things.find(ctx, _KINDS[kind], owner, lambda: missing)
    eip.values.update(instance=owner, type=kind)
    return {}


def unassociate_eip_address(ctx: Ctx) -> dict[str, Any]:
    _find(ctx, EIP, "AllocationId").values.update(instance="", type="")
    return {}


def release_eip_address(ctx: Ctx) -> dict[str, Any]:
    eip = _find(ctx, EIP, "AllocationId")
    if eip.values["instance"]:
        raise ApiError(400, "IncorrectEipStatus", f"The status of EIP {eip.id} does not support this operation: InUse.")
    things.remove(ctx, eip)
    return {}


def describe_eip_addresses(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    rows = [
        t
        for t in things.with_tags(things.living(ctx.estate, EIP, ctx.region), p.structs("Tag"))
        if p.get("AllocationId", t.id) == t.id and p.get("EipName", t.name) == t.name
    ]
    part, fields = page(ctx, rows)
    shown = [
        {
            "AllocationId": t.id,
            "Name": t.name,
            "IpAddress": t.values["address"],
            "Status": "InUse" if t.values["instance"] else "Available",
            "InstanceId": t.values["instance"],
            "InstanceType": t.values["type"],
            "RegionId": t.region,
            "Bandwidth": t.values["bandwidth"],
            "InternetChargeType": "PayByTraffic",
            "ChargeType": "PostPaid",
            "AllocationTime": iso(t.created_s),
            "SecurityProtectionTypes": {"SecurityProtectionType": list(t.values["protection"])},
            "Tags": {"Tag": tag_rows(t.tags, "Key", "Value")},
        }
        for t in part
    ]
    return {"EipAddresses": {"EipAddress": shown}, **fields}
