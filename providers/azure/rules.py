"""Firewall rules between the model and Azure. Pure, apart from building the SDK's SecurityRule.

Callers: firewall.py. A rule of Azure's may say several prefixes and ports; in the model it is as many rules. Rules
that we write are one to one; their names begin with `duoyun-` and, where the model gave no priority, `duoyun-auto-`.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from model.errors import InvalidRequest
from model.resources import Direction, FirewallRule, Verb
from providers.azure.names import word

AUTO = "duoyun-auto-"
GIVEN = "duoyun-rule-"
FIRST_PRIORITY, LAST_PRIORITY, STEP = 100, 4096, 10
_DESCRIPTION_MAX = 140
_ANYWHERE = {"*", "any", "internet", "0.0.0.0/0"}
ANY_IPV4, ANY_IPV6 = "0.0.0.0/0", "::/0"
RuleKey = tuple[str, str, int, int, str, str]


def expand(rule: Any) -> list[FirewallRule]:
    """One rule of Azure's as rules of the model; `*`, `Any` and `Internet` mean every IPv4 and every IPv6 address.

    Other service tags and application security groups stay as text in cidr. A rule that is narrower than the model
    can say (source ports, a certain destination) is reported with that in its description.
    """
    inbound = word(rule.direction).lower() == "inbound"
    near = "destination" if inbound else "source"
    far = "source" if inbound else "destination"
    protocol = {"*": "any"}.get(word(rule.protocol), word(rule.protocol).lower())
    description = rule.description or ""
    limits = _limits(rule, near)
    if limits:
        description = f"{description} ({limits})".strip()
    ours = str(rule.name).startswith(AUTO)
    return [
        FirewallRule(
            direction=Direction.INGRESS if inbound else Direction.EGRESS,
            protocol=protocol,
            port_from=low,
            port_to=high,
            cidr=cidr,
            action=Verb.ALLOW if word(rule.access).lower() == "allow" else Verb.DENY,
            priority=0 if ours else int(rule.priority),
            description=description,
        )
        for (low, high), cidr in itertools.product(_ports(rule, "destination"), _cidrs(rule, far))
    ]


def _ports(rule: Any, side: str) -> list[tuple[int, int]]:
    one, many = getattr(rule, f"{side}_port_range"), getattr(rule, f"{side}_port_ranges")
    found = []
    for text in many or [one or "*"]:
        low, _, high = str(text).partition("-")
        found.append((0, 65535) if text == "*" else (int(low), int(high or low)))
    return found


def _cidrs(rule: Any, side: str) -> list[str]:
    one, many = getattr(rule, f"{side}_address_prefix"), getattr(rule, f"{side}_address_prefixes")
    groups = getattr(rule, f"{side}_application_security_groups") or ()
    found: list[str] = []
    for text in many or ([one] if one else []):
        if text == ANY_IPV4:
            found.append(ANY_IPV4)
        elif text.lower() in _ANYWHERE:
            found += [ANY_IPV4, ANY_IPV6]
        else:
            found.append(_with_mask(text))
    found += [f"asg:{group.id.rsplit('/', 1)[-1]}" for group in groups]
    return list(dict.fromkeys(found))


def _with_mask(text: str) -> str:
    if "/" in text or not (text[0].isdigit() or ":" in text):
        return text
    return f"{text}/128" if ":" in text else f"{text}/32"


def _limits(rule: Any, near: str) -> str:
    """What the model cannot say of a rule."""
    parts = []
    if _ports(rule, "source") != [(0, 65535)]:
        parts.append("only from source ports " + ",".join(rule.source_port_ranges or [rule.source_port_range]))
    ends = _cidrs(rule, near)
    if ANY_IPV4 not in ends:
        parts.append(("only to " if near == "destination" else "only from ") + ",".join(ends))
    return ", ".join(parts)


def normalised(rules: Iterable[FirewallRule]) -> tuple[FirewallRule, ...]:
    """Sorted, the first of each key kept."""
    return tuple(sorted({rule.key: rule for rule in sorted(rules, reverse=True)}.values()))


def plan_rules(existing: Iterable[Any], desired: Iterable[FirewallRule]) -> list[Any]:
    """The rules a group shall have: existing ones that say only what is desired stay as they are, the rest is made.

    A priority of 0 gets the next free place from 100 in steps of 10, in the order of desired, per direction.
    """
    wanted = {rule.key: rule for rule in desired}
    kept, covered = [], set[RuleKey]()
    for rule in existing:
        said = {r.key: r for r in expand(rule)}
        fits = all(key in wanted and wanted[key].priority in (0, said[key].priority) for key in said)
        if fits and not said.keys() <= covered and not _limits_of(rule):
            kept.append(rule)
            covered |= said.keys()
    taken = {(word(r.direction).lower(), int(r.priority)) for r in kept}
    taken |= {(_direction(r).lower(), r.priority) for k, r in wanted.items() if k not in covered and r.priority}
    step = STEP if len(wanted) <= (LAST_PRIORITY - FIRST_PRIORITY) // STEP else 1
    free = {way: _free_priorities(way, taken, step) for way in ("inbound", "outbound")}
    made = []
    for key, rule in wanted.items():
        if key not in covered:
            made.append(_build(rule, rule.priority or next(free[_direction(rule).lower()])))
    return kept + made


def _limits_of(rule: Any) -> str:
    return _limits(rule, "destination" if word(rule.direction).lower() == "inbound" else "source")


def _direction(rule: FirewallRule) -> str:
    return "Inbound" if rule.direction is Direction.INGRESS else "Outbound"


def _free_priorities(direction: str, taken: set[tuple[str, int]], step: int) -> Iterator[int]:
    for priority in range(FIRST_PRIORITY, LAST_PRIORITY + 1, step):
        if (direction, priority) not in taken:
            yield priority
    raise InvalidRequest("a security group has room for no more rules", mend="merge rules, or split the group")


def _build(rule: FirewallRule, priority: int) -> Any:
    from azure.mgmt.network.models import SecurityRule

    every = (rule.port_from, rule.port_to) == (0, 65535)
    one = str(rule.port_from) if rule.port_from == rule.port_to else f"{rule.port_from}-{rule.port_to}"
    digest = hashlib.sha256("|".join(map(str, rule.key)).encode()).hexdigest()[:12]
    inbound = rule.direction is Direction.INGRESS
    return SecurityRule(
        name=(GIVEN if rule.priority else AUTO) + digest,
        direction=_direction(rule),
        access="Allow" if rule.action is Verb.ALLOW else "Deny",
        protocol="*" if rule.protocol == "any" else rule.protocol.capitalize(),
        priority=priority,
        source_port_range="*",
        destination_port_range="*" if every else one,
        source_address_prefix=rule.cidr if inbound else "*",
        destination_address_prefix="*" if inbound else rule.cidr,
        description=rule.description[:_DESCRIPTION_MAX] or None,
    )
