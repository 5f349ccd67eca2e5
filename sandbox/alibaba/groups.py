"""Ecs 2014-05-26: security groups and their rules.

Callers: sandbox/alibaba/server.py. As documented: adding a rule that exists and revoking one that does not succeed
without effect; answers show protocols in capitals and policies as Accept and Drop.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Mapping
from typing import Any

from sandbox.alibaba.state import Ctx, Group, Rule, has_tags, iso, region_code, tag_rows, token_page
from sandbox.alibaba.vpc import usable_vpc
from sandbox.alibaba.wire import ApiError

_PROTOCOLS = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "icmpv6": "ICMPv6", "gre": "GRE", "all": "ALL"}
RULE_LIMIT = 200


def create_security_group(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    kind = p.get("SecurityGroupType", "normal")
    if kind not in ("normal", "enterprise"):
        raise ApiError(400, "InvalidParameter.SecurityGroupType", f"SecurityGroupType {kind} is not valid.")
    name = p.get("SecurityGroupName")
    if name and not re.fullmatch(r"(?!https?://)[^\W\d_][\w.:\-]{1,127}", name):
        raise ApiError(400, "InvalidSecurityGroupName.Malformed", "Specified security group name is not valid.")
    group = Group(
        id=ctx.cloud.new_id(f"sg-{region_code(ctx.region)}", 17),
        region=ctx.region,
        vpc=usable_vpc(ctx, p.require("VpcId")).id,
        name=name,
        description=p.get("Description"),
        tags=p.tags(),
        created_s=time.time(),
        kind=kind,
    )
    ctx.estate.groups[group.id] = group
    ctx.touched.append(("ACS::ECS::SecurityGroup", group.id))
    return {"SecurityGroupId": group.id}


def find_group(ctx: Ctx, group_id: str) -> Group:
    group = ctx.estate.groups.get(group_id)
    if group is None or group.region != ctx.region:
        raise ApiError(404, "InvalidSecurityGroupId.NotFound", "The specified SecurityGroupId does not exist.")
    return group


def describe_security_groups(ctx: Ctx) -> dict[str, Any]:
    p, tags = ctx.params, ctx.params.structs("Tag")
    ids = [str(i) for i in p.json_list("SecurityGroupIds")] + [i for i in (p.get("SecurityGroupId"),) if i]
    rows = [
        g
        for g in ctx.estate.groups.values()
        if g.region == ctx.region
        and (not ids or g.id in ids)
        and p.get("VpcId", g.vpc) == g.vpc
        and p.get("SecurityGroupName", g.name) == g.name
        and has_tags(g.tags, tags)
    ]
    part, fields = token_page(ctx, rows)
    shown = [
        {
            "SecurityGroupId": g.id,
            "SecurityGroupName": g.name,
            "Description": g.description,
            "VpcId": g.vpc,
            "SecurityGroupType": g.kind,
            "CreationTime": iso(g.created_s),
            "RuleCount": len(g.rules),
            "EcsCount": sum(g.id in m.groups for m in ctx.estate.machines.values()),
            "ServiceManaged": False,
            "ResourceGroupId": "",
            "Tags": {"Tag": tag_rows(g.tags)},
        }
        for g in part
    ]
    return {"SecurityGroups": {"SecurityGroup": shown}, "RegionId": ctx.region, **fields}


def describe_security_group_attribute(ctx: Ctx) -> dict[str, Any]:
    group = find_group(ctx, ctx.params.require("SecurityGroupId"))
    direction = ctx.params.get("Direction", "all")
    rules = [r for r in group.rules if direction in ("all", r.direction)]
    if ctx.params.get("MaxResults"):
        rules, fields = token_page(ctx, rules, limit=1000)
        fields = {"NextToken": fields["NextToken"]}
    else:
        fields = {"NextToken": ""}
    return {
        "SecurityGroupId": group.id,
        "SecurityGroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc,
        "RegionId": group.region,
        "InnerAccessPolicy": "Accept" if group.kind == "normal" else "Drop",
        "Permissions": {"Permission": [_rule_row(r) for r in rules]},
        **fields,
    }


def _rule_row(r: Rule) -> dict[str, Any]:
    ingress = r.direction == "ingress"
    return {
        "SecurityGroupRuleId": r.id,
        "Direction": r.direction,
        "IpProtocol": r.protocol,
        "PortRange": r.port_range,
        "SourcePortRange": "",
        "Policy": r.policy,
        "Priority": str(r.priority),
        "NicType": "intranet",
        "SourceCidrIp": r.cidr if ingress else "",
        "DestCidrIp": "" if ingress else r.cidr,
        "Ipv6SourceCidrIp": r.ipv6_cidr if ingress else "",
        "Ipv6DestCidrIp": "" if ingress else r.ipv6_cidr,
        "SourceGroupId": r.group if ingress else "",
        "DestGroupId": "" if ingress else r.group,
        "SourceGroupName": "",
        "DestGroupName": "",
        "SourceGroupOwnerAccount": "",
        "DestGroupOwnerAccount": "",
        "SourcePrefixListId": r.prefix_list if ingress else "",
        "SourcePrefixListName": "",
        "DestPrefixListId": "" if ingress else r.prefix_list,
        "DestPrefixListName": "",
        "Description": r.description,
        "CreateTime": iso(r.created_s),
    }


def authorize_ingress(ctx: Ctx) -> dict[str, Any]:
    return _authorize(ctx, "ingress")


def authorize_egress(ctx: Ctx) -> dict[str, Any]:
    return _authorize(ctx, "egress")


def _authorize(ctx: Ctx, direction: str) -> dict[str, Any]:
    group = find_group(ctx, ctx.params.require("SecurityGroupId"))
    new = {rule.key: rule for rule in (_rule(ctx, values, direction) for values in _permissions(ctx))}
    for rule in group.rules:
        new.pop(rule.key, None)
    if len(group.rules) + len(new) > RULE_LIMIT:
        raise ApiError(403, "AuthorizationLimitExceed", "The limit of authorization records in the group is reached.")
    group.rules.extend(new.values())
    ctx.touched.append(("ACS::ECS::SecurityGroup", group.id))
    return {}


def _permissions(ctx: Ctx) -> list[Mapping[str, str]]:
    """Permissions.N.* where it is given, else the single rule in the request itself."""
    many = ctx.params.structs("Permissions")
    if len(many) > 100:
        raise ApiError(400, "InvalidParam.Permissions", "At most 100 permissions can be given at once.")
    return list(many) or [ctx.params.values]


def _rule(ctx: Ctx, values: Mapping[str, str], direction: str) -> Rule:
    peer = "Source" if direction == "ingress" else "Dest"
    protocol = values.get("IpProtocol", "").lower()
    if protocol not in _PROTOCOLS:
        raise ApiError(400, "InvalidIpProtocol.Malformed", f"The specified IpProtocol {protocol!r} is not valid.")
    policy = values.get("Policy", "accept").lower()
    if policy not in ("accept", "drop"):
        raise ApiError(400, "InvalidPolicy.Malformed", f"The specified Policy {policy!r} is not valid.")
    priority = values.get("Priority") or "1"
    if not priority.isdigit() or not 1 <= int(priority) <= 100:
        raise ApiError(400, "InvalidPriority.ValueNotSupported", f"The specified Priority {priority} is not in 1..100.")
    rule = Rule(
        id=ctx.cloud.new_id(f"sgr-{region_code(ctx.region)}", 17),
        direction=direction,
        protocol=_PROTOCOLS[protocol],
        port_range=_port_range(values.get("PortRange", ""), protocol),
        policy=policy.capitalize(),
        priority=int(priority),
        cidr=_cidr(values.get(f"{peer}CidrIp", ""), 4),
        ipv6_cidr=_cidr(values.get(f"Ipv6{peer}CidrIp", ""), 6),
        group=values.get(f"{peer}GroupId", ""),
        prefix_list=values.get(f"{peer}PrefixListId", ""),
        description=values.get("Description", ""),
        created_s=time.time(),
    )
    if not (rule.cidr or rule.ipv6_cidr or rule.group or rule.prefix_list):
        raise ApiError(400, f"MissingParameter.{peer}", f"The parameter {peer}CidrIp or {peer}GroupId is missing.")
    if rule.group:
        find_group(ctx, rule.group)
    return rule


def _port_range(text: str, protocol: str) -> str:
    if not text:
        raise ApiError(400, "MissingParameter.PortRange", "The parameter PortRange is mandatory.")
    match = re.fullmatch(r"(-?\d{1,5})/(-?\d{1,5})", text)
    if match is None:
        raise ApiError(400, "InvalidPortRange.Malformed", f"The specified PortRange {text} is not valid.")
    low, high = int(match[1]), int(match[2])
    if protocol in ("tcp", "udp"):
        if not 1 <= low <= high <= 65535 and (low, high) != (-1, -1):
            raise ApiError(400, "InvalidPortRange.Malformed", f"The specified PortRange {text} is not in 1..65535.")
    elif (low, high) != (-1, -1):
        raise ApiError(400, "InvalidPortRange.Malformed", f"PortRange of protocol {protocol} must be -1/-1.")
    return "1/65535" if protocol in ("tcp", "udp") and low == -1 else text


def _cidr(text: str, version: int) -> str:
    if not text:
        return ""
    try:
        net = ipaddress.ip_network(text, strict=False)
    except ValueError as exc:
        raise ApiError(400, "InvalidParam.SourceCidrIp", f"The specified CIDR block {text} is not valid.") from exc
    if net.version != version:
        raise ApiError(400, "InvalidParam.SourceCidrIp", f"{text} is no IPv{version} block.")
    return str(net.network_address) if "/" not in text else str(net)


def revoke_ingress(ctx: Ctx) -> dict[str, Any]:
    return _revoke(ctx, "ingress")


def revoke_egress(ctx: Ctx) -> dict[str, Any]:
    return _revoke(ctx, "egress")


def _revoke(ctx: Ctx, direction: str) -> dict[str, Any]:
    group = find_group(ctx, ctx.params.require("SecurityGroupId"))
    ids = set(ctx.params.repeated("SecurityGroupRuleId"))
    if ids:
        group.rules = [r for r in group.rules if r.id not in ids]
    else:
        keys = {_rule(ctx, values, direction).key for values in _permissions(ctx)}
        group.rules = [r for r in group.rules if r.key not in keys]
    ctx.touched.append(("ACS::ECS::SecurityGroup", group.id))
    return {}


def modify_rule(ctx: Ctx) -> dict[str, Any]:
    """ModifySecurityGroupRule and ModifySecurityGroupEgressRule, as far as priority and description go."""
    group = find_group(ctx, ctx.params.require("SecurityGroupId"))
    rule_id = ctx.params.require("SecurityGroupRuleId")
    rule = next((r for r in group.rules if r.id == rule_id), None)
    if rule is None:
        raise ApiError(404, "InvalidSecurityGroupRule.RuleNotExist", f"The rule {rule_id} does not exist.")
    rule.description = ctx.params.get("Description", rule.description)
    rule.priority = ctx.params.integer("Priority", rule.priority, low=1, high=100)
    ctx.touched.append(("ACS::ECS::SecurityGroup", group.id))
    return {}


def modify_security_group_attribute(ctx: Ctx) -> dict[str, Any]:
    group = find_group(ctx, ctx.params.require("SecurityGroupId"))
    group.name = ctx.params.get("SecurityGroupName", group.name)
    group.description = ctx.params.get("Description", group.description)
    ctx.touched.append(("ACS::ECS::SecurityGroup", group.id))
    return {}


def delete_security_group(ctx: Ctx) -> dict[str, Any]:
    group = find_group(ctx, ctx.params.require("SecurityGroupId"))
    used = any(group.id in m.groups for m in ctx.estate.machines.values())
    if used or any(c.group == group.id for c in ctx.estate.clusters.values()):
        raise ApiError(403, "DependencyViolation", "There is still instance(s) in the specified security group.")
    others = (o for o in ctx.estate.groups.values() if o.id != group.id)
    if any(r.group == group.id for o in others for r in o.rules):
        raise ApiError(403, "DependencyViolation", "The specified security group has been authorized in another one.")
    del ctx.estate.groups[group.id]
    ctx.touched.append(("ACS::ECS::SecurityGroup", group.id))
    return {}
