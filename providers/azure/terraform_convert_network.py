"""Converters of this cloud's Terraform types: rules of firewalls, and who is let in by address.

Callers and facts as in terraform_convert.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, Final

from model.native import Pending, Values, render, unknown
from model.terraform import Context, Converter
from providers.azure.terraform_convert import TRUE, first, listed

WORLD: Final = "0.0.0.0/0"
_ANYWHERE: Final = frozenset({"*", "internet", "any", WORLD, "0.0.0.0", "<nw>/0", "/0"})  # noqa: S104
_MOST_RULES: Final = 500


def raw_group_rules(values: Any, context: Context) -> Any:
    blocks = values.get("security_rule")
    if isinstance(blocks, Pending):
        return [_unknown_rule(values, context)]
    found = [_rule(b, context) for b in listed(blocks) if isinstance(b, Mapping)]
    return [rule for rules in found for rule in rules]


def raw_one_rule(values: Any, context: Context) -> Any:
    return _rule(values, context)


def _rule(block: Mapping[str, Any], context: Context) -> list[dict[str, Any]]:
    """One rule for each block of addresses and range of ports.

    The other side of an inbound rule is its source, of an outbound one its destination. Service tags such as
    VirtualNetwork are named lists of blocks.
    """
    direction = _text(block.get("direction", "Inbound"))
    inbound = not isinstance(direction, str) or direction.lower() == "inbound"
    side = "source" if inbound else "destination"
    peers = listed(block.get(f"{side}_address_prefix")) + listed(block.get(f"{side}_address_prefixes"))
    groups = listed(block.get(f"{side}_application_security_group_ids"))
    ports = listed(block.get("destination_port_range")) + listed(block.get("destination_port_ranges"))
    action, protocol = _text(block.get("access", "Allow")), _text(block.get("protocol", "*"))
    name = f"{side}_address_prefix"
    where = block.where(name if name in block else f"{name}es") if isinstance(block, Values) else ""
    rule = {
        "direction": ("ingress" if inbound else "egress") if isinstance(direction, str) else direction,
        "protocol": _protocol(protocol),
        "action": action.lower() if isinstance(action, str) else action,
        "priority": _number(block.get("priority", 0)),
        "description": _text(block.get("description", "")),
        "$source": (where or context.native.position, context.native.address),
    }
    sides = [*(_peer(p) for p in peers), *({"peer_group": _reference(g)} for g in groups)] or [{"cidr": unknown()}]
    pairs = list(product(sides, [_ports(p) for p in ports] or [(0, 65535)]))[:_MOST_RULES]
    empty = {"cidr": "", "peer_group": "", "prefix_list": ""}
    return [{**rule, **empty, **peer, "port_from": low, "port_to": high} for peer, (low, high) in pairs]


def _unknown_rule(values: Any, context: Context) -> dict[str, Any]:
    names = ("protocol", "port_from", "port_to", "cidr", "priority", "action", "direction")
    rest = {"description": "", "peer_group": "", "prefix_list": ""}
    return {n: unknown() for n in names} | rest | {"$source": (values.where("security_rule"), context.native.address)}


def _peer(value: Any) -> dict[str, Any]:
    if isinstance(value, Pending):
        return {"cidr": unknown()}
    text = render(value).strip()
    if text.lower() in _ANYWHERE:
        return {"cidr": WORLD}
    try:
        return {"cidr": str(ipaddress.ip_network(text, strict=False))}
    except ValueError:
        return {"cidr": text} if re.match(r"[\d.:a-fA-F]+/\d+$", text) else {"prefix_list": text}


def _ports(value: Any) -> tuple[Any, Any]:
    if isinstance(value, Pending):
        return unknown(), unknown()
    low, _, high = render(value).partition("-")
    if low.strip() == "*":
        return 0, 65535
    return _number(low), _number(high or low)


def _protocol(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return {"*": "any", "ah": "ah", "esp": "esp"}.get(value.lower(), value.lower())


def _number(value: Any) -> Any:
    try:
        return unknown() if isinstance(value, Pending) else int(value)
    except (TypeError, ValueError):
        return unknown()


def _text(value: Any) -> Any:
    return (value.text if value.partial else unknown()) if isinstance(value, Pending) else render(value)


def _reference(value: Any) -> Any:
    if isinstance(value, Pending):
        return value.ref or unknown()
    return "" if value is None else getattr(value, "ref", "") or render(value)


def raw_range_cidrs(values: Any, _context: Context) -> Any:
    """Blocks of a range of addresses; 0.0.0.0 to 0.0.0.0 stands for the cloud's own services, and is no block.

    https://learn.microsoft.com/azure/azure-sql/database/firewall-configure
    """
    low, high = (
        values.get("start_ip_address", values.get("start_ip")),
        values.get("end_ip_address", values.get("end_ip")),
    )
    if isinstance(low, Pending) or isinstance(high, Pending):
        return [unknown()]
    try:
        start, end = (ipaddress.ip_address(render(v).split("/")[0]) for v in (low, high))
        if int(start) == int(end) == 0:
            return []
        return [str(n) for n in ipaddress.summarize_address_range(start, end)]
    except (ValueError, TypeError):
        return [unknown()]


def raw_range_is_cloud(values: Any, _context: Context) -> Any:
    low, high = (
        values.get("start_ip_address", values.get("start_ip")),
        values.get("end_ip_address", values.get("end_ip")),
    )
    if isinstance(low, Pending) or isinstance(high, Pending):
        return None
    return True if render(low) == "0.0.0.0" and render(high) == "0.0.0.0" else None  # noqa: S104


def raw_default_deny(values: Any, _context: Context) -> Any:
    """Its firewall denies whom no rule names: by its own switch, or by network rules."""
    if values.get("public_network_access_enabled") in (False, "false"):
        return True
    if render(values.get("public_network_access", "")) == "Disabled":
        return True
    block = first(values.get("network_rules", values.get("network_acls", values.get("network_rule_set"))))
    action = block.get("default_action", "Allow")
    return unknown() if isinstance(action, Pending) else render(action) == "Deny"


def raw_blobs_blocked(values: Any, _context: Context) -> Any:
    """No blob can be public: by the switch for that, or because the account has no public endpoint."""
    if values.get("public_network_access_enabled") in (False, "false"):
        return True
    found = values.get("allow_nested_items_to_be_public", values.get("allow_blob_public_access", True))
    return unknown() if isinstance(found, Pending) else found not in TRUE


def raw_rule_ips(value: Any, _context: Context) -> Any:
    """Blocks that a rule set lets in; an address alone is a block of one."""
    found: list[Any] = []
    for item in listed(value):
        entry = item.get("ip_range", item.get("ip_mask", item.get("ip_address"))) if isinstance(item, Mapping) else item
        for one in listed(entry):
            found += (
                [unknown()] if isinstance(one, Pending) else [p.strip() for p in render(one).split(",") if p.strip()]
            )
    return [(f if isinstance(f, dict) or "/" in f else f"{f}/32") for f in found]


def raw_access(value: Any, _context: Context) -> Any:
    """public_network_access as a switch or as a word."""
    if isinstance(value, Pending):
        return unknown()
    return None if value is None else render(value).lower() in ("true", "enabled")


CONVERTERS: Final[Mapping[str, Converter]] = {
    name: function
    for name, function in list(globals().items())
    if name.startswith("raw_") and isinstance(function, Callable)  # type: ignore[arg-type]
}
