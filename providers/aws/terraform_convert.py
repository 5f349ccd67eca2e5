"""Converters of this cloud's Terraform types: what a table's row cannot say by a path alone.

Callers: the terraform_*.py tables name them; policies.loaders calls them (model.terraform.Converter). Pure. Facts:
https://registry.terraform.io/providers/hashicorp/aws/latest/docs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from model import grants
from model.native import Native, Pending, Values, render, unknown
from model.terraform import Context, Converter

_PROTOCOLS: Final = {"-1": "any", "all": "any", "6": "tcp", "17": "udp", "1": "icmp", "58": "icmp", "icmpv6": "icmp"}
_OWN_KEY: Final = re.compile(r"(^|:)alias/aws/")
_PEERS: Final = (
    ("cidr_blocks", "cidr"),
    ("ipv6_cidr_blocks", "cidr"),
    ("cidr_block", "cidr"),
    ("ipv6_cidr_block", "cidr"),
    ("cidr_ipv4", "cidr"),
    ("cidr_ipv6", "cidr"),
    ("security_groups", "peer_group"),
    ("source_security_group_id", "peer_group"),
    ("referenced_security_group_id", "peer_group"),
    ("prefix_list_ids", "prefix_list"),
    ("prefix_list_id", "prefix_list"),
)


def place(native: Native) -> tuple[str, str]:
    """Partition and region, by the resource's own region, its provider's, or its zone."""
    region = native.values.get("region") or native.provider.get("region")
    if not isinstance(region, str):
        zone = native.values.get("availability_zone")
        region = zone[:-1] if isinstance(zone, str) and zone[-1:].isalpha() else ""
    partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
    return partition, str(region)


def default_tags(native: Native) -> Mapping[str, Any]:
    blocks = native.provider.get("default_tags")
    block = blocks[0] if isinstance(blocks, list) and blocks else blocks
    tags = block.get("tags") if isinstance(block, Mapping) else None
    return tags if isinstance(tags, Mapping) else {}


# -- network ---------------------------------------------------------------------------------------------------


def _number(value: Any) -> Any:
    try:
        return unknown() if isinstance(value, Pending) else int(value)
    except (TypeError, ValueError):
        return unknown()


def _protocol(value: Any) -> Any:
    if isinstance(value, Pending):
        return unknown()
    text = render(value).lower()
    return _PROTOCOLS.get(text, text or "any")


def _ports(block: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    protocol = _protocol(block.get("protocol", block.get("ip_protocol", "-1")))
    low, high = block.get("from_port"), block.get("to_port")
    if protocol == "any" or low is None or high is None or protocol == "icmp":
        return protocol, 0, 65535
    if str(low) == "-1":
        return protocol, 0, 65535
    return protocol, _number(low), _number(high)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None or value == "" else [value]


def _rules(block: Mapping[str, Any], direction: Any, context: Context, **more: Any) -> Iterator[dict[str, Any]]:
    """One rule per peer: a block of addresses, a group, the group itself, a prefix list."""
    protocol, low, high = _ports(block)
    rule: dict[str, Any] = {
        "direction": direction,
        "protocol": protocol,
        "port_from": low,
        "port_to": high,
        "cidr": "",
        "action": "allow",
        "priority": 0,
        "description": _text(block.get("description", "")),
        "peer_group": "",
        "prefix_list": "",
        **more,
    }
    for name, field in _PEERS:
        for peer in _listed(block.get(name)):
            yield rule | {field: _peer(peer, field), "$source": _source(block, name, context)}
    if block.get("self") is True:
        yield rule | {"peer_group": context.native.address, "$source": _source(block, "self", context)}


def _peer(peer: Any, field: str) -> Any:
    if isinstance(peer, Pending):
        return peer.ref if peer.ref and field != "cidr" else unknown()
    return getattr(peer, "ref", "") or render(peer) if field != "cidr" else render(peer)


def _text(value: Any) -> Any:
    return (value.text if value.partial else unknown()) if isinstance(value, Pending) else render(value)


def _source(block: Mapping[str, Any], name: str, context: Context) -> tuple[str, str]:
    where = block.where(name) if isinstance(block, Values) else context.native.position
    return where, context.native.address


def raw_group_rules(values: Any, context: Context) -> Any:
    """Rules that stand inside the group."""
    found: list[dict[str, Any]] = []
    for direction in ("ingress", "egress"):
        blocks = values.get(direction)
        if isinstance(blocks, Pending):
            found.append(_unknown_rule(direction, context, values))
            continue
        for block in _listed(blocks):
            if isinstance(block, Mapping):
                found += _rules(block, direction, context)
            else:
                found.append(_unknown_rule(direction, context, values))
    return found


def _unknown_rule(direction: Any, context: Context, values: Values) -> dict[str, Any]:
    """A rule of which nothing is known but that there may be one."""
    rule: dict[str, Any] = {name: unknown() for name in ("protocol", "port_from", "port_to", "cidr")}
    return {
        "direction": direction,
        **rule,
        "action": "allow",
        "priority": 0,
        "description": "",
        "peer_group": "",
        "prefix_list": "",
        "$source": (values.where(direction), context.native.address),
    }


def raw_one_rule(values: Any, context: Context, direction: str = "") -> Any:
    """A resource that is one rule of a group."""
    kind = values.get("type")
    found = direction or (unknown() if isinstance(kind, Pending) else render(kind))
    rules = list(_rules(values, found, context))
    return rules or [_unknown_rule(found, context, values)]


def raw_acl_rules(values: Any, context: Context) -> Any:
    found: list[dict[str, Any]] = []
    for direction in ("ingress", "egress"):
        blocks = values.get(direction)
        if isinstance(blocks, Pending):
            found.append(_unknown_rule(direction, context, values))
        for block in () if isinstance(blocks, Pending) else _listed(blocks):
            if isinstance(block, Mapping):
                action = _text(block.get("action", "allow"))
                more = {"action": action.lower() if isinstance(action, str) else action}
                found += _rules(block, direction, context, priority=_number(block.get("rule_no", 0)), **more)
    return found


def raw_acl_rule(values: Any, context: Context) -> Any:
    egress, action = values.get("egress", False), _text(values.get("rule_action", "allow"))
    direction = unknown() if isinstance(egress, Pending) else "egress" if egress in (True, "true") else "ingress"
    action = action.lower() if isinstance(action, str) else action
    return list(_rules(values, direction, context, action=action, priority=_number(values.get("rule_number", 0))))


def raw_prefix_cidrs(values: Any, _context: Context) -> Any:
    entries = values.get("entry")
    if isinstance(entries, Pending):
        return unknown()
    return [_text(e.get("cidr", "")) for e in _listed(entries) if isinstance(e, Mapping)]


# -- policies --------------------------------------------------------------------------------------------------


def raw_policy(value: Any, context: Context) -> Any:
    """Grants of a policy's text, of jsonencode, or of an aws_iam_policy_document that it names."""
    if value is None:
        return None
    if isinstance(value, Pending) and value.ref and not value.partial:
        source = context.find(value)
        if source is None or source.type != "aws_iam_policy_document":
            return unknown()
        return _document(source, context, 0)
    return grants.read(value)


def _document(source: Native, context: Context, depth: int) -> Any:
    """https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document"""
    found: list[dict[str, Any]] = []
    for name in ("source_policy_documents", "source_json", "override_policy_documents", "override_json"):
        for value in _listed(source.values.get(name)):
            other = context.find(value) if getattr(value, "ref", "") and depth < 10 else None
            read = _document(other, context, depth + 1) if other is not None else grants.read(value)
            found += read if isinstance(read, list) else []
    statements = source.values.get("statement")
    if isinstance(statements, Pending):
        return unknown()
    for block in _listed(statements):
        grant = _statement(block)
        if isinstance(block, Values):
            grant["$source"] = (block.where(""), source.address)
        found.append(grant)
    return found


def _statement(block: Mapping[str, Any]) -> dict[str, Any]:
    principals = [p for b in _listed(block.get("principals")) for p in grants.texts(b.get("identifiers"))]
    excluded = [p for b in _listed(block.get("not_principals")) for p in grants.texts(b.get("identifiers"))]
    grant: dict[str, Any] = {
        "effect": grants.text_of(block.get("effect", "Allow"), lower=True),
        "actions": grants.texts(block.get("actions")),
        "not_actions": grants.texts(block.get("not_actions")),
        "resources": grants.texts(block.get("resources")),
        "principals": principals or (["*"] if excluded else []),
        "conditions": [],
        "claims": [],
    }
    for condition in _listed(block.get("condition")):
        test, name = render(condition.get("test")), render(condition.get("variable"))
        grants.add_condition(grant, test, name, condition.get("values"))
    return grant


def raw_policies(value: Any, context: Context, path: str = "policy") -> Any:
    """Grants of all inline policies of a role or group."""
    if isinstance(value, Pending):
        return unknown()
    found: list[dict[str, Any]] = []
    for block in _listed(value):
        read = raw_policy(block.get(path) if isinstance(block, Mapping) else block, context)
        found += read if isinstance(read, list) else []
    return found


_QUESTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "any_principal": grants.any_principal,
    "any_action": grants.any_action,
    "public_write": grants.public_write,
    "tls_only": grants.tls_only,
    "foreign_principals": grants.foreign_principals,
}


def raw_says(value: Any, context: Context, question: str, *, only: Any = None) -> Any:
    """What a policy's grants say to a question of model.grants; None where there is no policy, or no answer `only`."""
    found = raw_policy(value, context)
    answer = None if found is None else _QUESTIONS[question](found)
    return answer if only is None or answer == only or isinstance(answer, dict) else None


def raw_says_yes(value: Any, context: Context, question: str) -> Any:
    """True or nothing, for a field that something else may make true."""
    return raw_says(value, context, question, only=True)


def raw_arn_accounts(value: Any, _context: Context) -> Any:
    """Whether managed policies are attached by these names: AWS's administrator policy as a grant."""
    names = [render(v) for v in _listed(value)] if not isinstance(value, Pending) else []
    every = [n for n in names if n.endswith((":policy/AdministratorAccess", ":policy/PowerUserAccess"))]
    everything = {"effect": "allow", "actions": ["*"], "not_actions": [], "resources": ["*"], "principals": []}
    return [everything | {"conditions": [], "claims": []} for _ in every]


# -- single questions ------------------------------------------------------------------------------------------


def raw_all_true(values: Any, _context: Context, *names: str) -> Any:
    found = [values.get(n) for n in names]
    if any(f in (None, False, "false") for f in found):
        return False
    return unknown() if any(isinstance(f, Pending) for f in found) else True


def raw_disks_encrypted(values: Any, _context: Context, *paths: str) -> Any:
    """Whether every disk that is described is encrypted; the root disk counts though it is not described."""
    answers: list[Any] = []
    for path in paths:
        name, required = path.rstrip("!"), path.endswith("!")
        blocks = values.get(name)
        if isinstance(blocks, Pending):
            answers.append(unknown())
            continue
        blocks = _listed(blocks)
        if not blocks and required:
            answers.append(False)
        for block in blocks:
            if "mapping" in name and isinstance(block, Mapping) and not block.get("ebs"):
                continue  # it names a device, and no disk
            inner = block.get("ebs", block) if isinstance(block, Mapping) else block
            inner = inner[0] if isinstance(inner, list) and inner else inner
            answers.append(_disk_encrypted(inner))
    if False in answers:
        return False
    return unknown() if any(isinstance(a, dict) for a in answers) else True


def _disk_encrypted(block: Any) -> Any:
    if not isinstance(block, Mapping):
        return unknown()
    if block.get("no_device") or "virtual_name" in block or (block.get("snapshot_id") and "encrypted" not in block):
        return True if "snapshot_id" not in block else None
    value = block.get("encrypted", False)
    return unknown() if isinstance(value, Pending) else value in (True, "true")


def raw_imds_v2(value: Any, _context: Context) -> Any:
    """metadata_options: tokens required, or the endpoint switched off; left out, version 1 is answered."""
    block = value[0] if isinstance(value, list) and value else value
    if isinstance(block, Pending):
        return unknown()
    if not isinstance(block, Mapping):
        return False
    tokens, endpoint = block.get("http_tokens", "optional"), block.get("http_endpoint", "enabled")
    if "required" in (tokens,) or endpoint == "disabled":
        return True
    return unknown() if isinstance(tokens, Pending) or isinstance(endpoint, Pending) else False


def raw_reference(value: Any, context: Context) -> Any:
    """As everywhere; an alias of the cloud's own keys (`alias/aws/s3`) is no key that a user chose."""
    if isinstance(value, list):
        return raw_reference(value[0], context) if value else ""
    if isinstance(value, Pending):
        return value.text if value.partial else value.ref or unknown()
    if isinstance(value, Mapping):
        return unknown()
    found = None if value is None else getattr(value, "ref", "") or render(value)
    return "" if found and _OWN_KEY.search(found) else found


_FUNCTIONS = (
    *(raw_group_rules, raw_one_rule, raw_acl_rules, raw_acl_rule, raw_prefix_cidrs, raw_policy, raw_policies),
    *(raw_reference, raw_says, raw_says_yes, raw_arn_accounts, raw_all_true, raw_disks_encrypted, raw_imds_v2),
)
CONVERTERS: Final[Mapping[str, Converter]] = {f.__name__: f for f in _FUNCTIONS}
