"""What strangers reach through one list of firewall rules: ports by ports, after order, priority and denials. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.network.ranges import Addresses, addresses, union

PROTOCOLS = ("tcp", "udp")  # those whose ports rules speak of
FIRST_PORT, LAST_PORT = 0, 65535


@dataclass(frozen=True, slots=True)
class Opening:
    """Ports that one rule opens to strangers (or, of egress rules, at strangers). rules: its place in the list.

    sources: the blocks that let them in, as they were written.
    """

    protocol: str
    port_from: int
    port_to: int
    sources: tuple[str, ...]
    rules: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    place: int
    allows: bool
    protocol: str
    port_from: int
    port_to: int
    priority: int
    cidr: str
    addresses: Addresses

    def covers(self, protocol: str, port: int) -> bool:
        """A rule of any protocol may have ports all the same; the tables write all of them where it has none."""
        return self.speaks(protocol) and self.port_from <= port <= self.port_to

    def speaks(self, protocol: str) -> bool:
        return self.protocol in (protocol, "any")


def openings(rules: Sequence[Mapping[str, Any]], direction: str, lists: Mapping[str, Sequence[str]]) -> list[Opening]:
    """Everything that the rules of that direction open to strangers.

    lists: blocks by the name of their prefix list. A rule whose values are not known lets nobody in, and where it may
    be a denial, what comes after it in the order is not certain either, and left out.
    """
    known = _known(rules, direction, lists)
    found: list[Opening] = []
    for protocol in PROTOCOLS:
        open_by: dict[int, list[tuple[int, int]]] = {}
        for low, high in _segments(known, protocol):
            for rule in _judged(known, protocol, low):
                open_by.setdefault(rule.place, []).append((low, high))
        cidrs = {rule.place: rule.cidr for rule in known}
        found += [
            Opening(protocol, low, high, (cidrs[place],), (place,))
            for place, stretches in open_by.items()
            for low, high in union(stretches)
        ]
    return sorted(found, key=lambda o: (PROTOCOLS.index(o.protocol), o.port_from, o.rules))


def _judged(rules: Sequence[_Rule], protocol: str, port: int) -> list[_Rule]:
    """The rules that let strangers in there, alone or together.

    In their order: a denial holds for whom no rule before it has let in, and for all that come after it.
    """
    denied, let_in = Addresses(), Addresses()
    by: list[tuple[_Rule, Addresses]] = []
    for rule in rules:
        if not rule.covers(protocol, port):
            continue
        if rule.allows:
            new = rule.addresses.without(denied)
            let_in = let_in.joined(new)
            by.append((rule, new))
        else:
            denied = denied.joined(rule.addresses.without(let_in))
    if not let_in.strangers():
        return []
    return [rule for rule, new in by if new.strangers()] or [rule for rule, new in by if new.v4 or new.v6]


def _segments(rules: Sequence[_Rule], protocol: str) -> Iterator[tuple[int, int]]:
    """Stretches of ports over which no rule begins or ends."""
    edges = {FIRST_PORT, LAST_PORT + 1}
    for rule in rules:
        if rule.speaks(protocol):
            edges |= {max(rule.port_from, FIRST_PORT), min(rule.port_to, LAST_PORT) + 1}
    ordered = sorted(e for e in edges if FIRST_PORT <= e <= LAST_PORT + 1)
    for low, following in itertools.pairwise(ordered):
        yield low, following - 1


def _known(rules: Sequence[Mapping[str, Any]], direction: str, lists: Mapping[str, Sequence[str]]) -> list[_Rule]:
    """In order: the lower priority first; of the same priority, denials first (as Alibaba's manual has it)."""
    doubtful = [r for r in rules if _may_deny(r, direction)]
    found = []
    for place, rule in enumerate(rules):
        if rule.get("direction") != direction or not _settled(rule):
            continue
        allows = rule["action"] == "allow"
        if allows and any(not _goes_before(rule, other) for other in doubtful):
            continue
        blocks = [rule["cidr"]] if rule["cidr"] else lists.get(str(rule.get("prefix_list")), ())
        try:
            where = addresses(blocks)
        except ValueError:
            continue  # a block that nobody can read is a finding of its own
        written = rule["cidr"] or str(rule.get("prefix_list", ""))
        ports = (rule["port_from"], rule["port_to"])
        if rule["protocol"] == "any" and ports == (FIRST_PORT, FIRST_PORT):
            ports = (FIRST_PORT, LAST_PORT)  # nobody serves port 0: so a cloud writes that there are no ports
        found.append(_Rule(place, allows, rule["protocol"], *ports, rule.get("priority", 0), written, where))
    return sorted(found, key=lambda r: (r.priority, r.allows, r.place))


def _settled(rule: Mapping[str, Any]) -> bool:
    texts = all(isinstance(rule.get(f), str) for f in ("action", "protocol", "cidr"))
    return texts and all(isinstance(rule.get(f, 0), int) for f in ("port_from", "port_to", "priority"))


def _may_deny(rule: Mapping[str, Any], direction: str) -> bool:
    """Whether it is not certain that the rule denies nothing."""
    unsettled = not _settled(rule) or not isinstance(rule.get("direction"), str)
    return unsettled and rule.get("action") != "allow" and rule.get("direction") in (direction, {"$unknown": True})


def _goes_before(rule: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return isinstance(other.get("priority"), int) and rule.get("priority", 0) < other["priority"]
