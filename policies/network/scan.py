"""Adds to documents what the network scan finds, so that rules can say what they think of it.

- a firewall_group gets `reach`: the ports that strangers reach through it, each with `protocol`, `port_from`,
  `port_to`, `sources` (blocks), `rules` (places in its rules), and in words: `of` (the machines) and `by` (the way in);
  and `reach_out`, the same for what it lets out;
- whatever has a list of its own (`allowed_cidrs`, `public_access_cidrs`) gets `strangers`: the blocks of it that let in
  more of the internet than anybody can own, together or one by one.

A group that stands before machines we know of opens only what every other list before one of these machines opens too
(a list at the subnet, say). A source that is another group is those machines' own addresses, never the internet. A
prefix list that is not among the documents makes its rule's block unknown. Pure. Callers: gate, tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.network.openings import Opening, openings
from policies.network.ranges import addresses

Document = Mapping[str, Any]
LISTS = ("allowed_cidrs", "public_access_cidrs")
UNKNOWN = {"$unknown": True}


def with_reach(documents: Sequence[Document]) -> list[Document]:
    """The documents, those that the scan concerns as copies with its fields. The given ones stay as they are."""
    groups = [d for d in documents if d.get("kind") == "firewall_group"]
    if not groups and not any(d.get(name) for d in documents for name in LISTS):
        return list(documents)
    scene = _Scene.of(documents, groups)
    return [_scanned(d, scene) for d in documents]


def _scanned(document: Document, scene: _Scene) -> Document:
    if document.get("kind") == "firewall_group":
        return _group(document, scene)
    blocks = [b for name in LISTS for b in _texts(document.get(name))]
    return {**document, "strangers": _strangers(blocks)} if blocks else document


def _strangers(blocks: Sequence[str]) -> list[str]:
    """Blocks that are the internet by themselves; all of them, where only together they are."""
    readable = []
    for block in blocks:
        try:
            readable.append((block, addresses([block])))
        except ValueError:
            continue  # a finding of its own
    wide = [block for block, where in readable if where.strangers()]
    if wide or not readable:
        return wide
    return [block for block, _ in readable] if addresses([b for b, _ in readable]).strangers() else []


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list | tuple) else []


# -- groups ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scene:
    """What stands around the groups. Keys are a place (partition and region) and a name.

    lists: prefix lists. machines: of a group, its machines. before: the lists that stand before a machine. opened: by
    direction, rules and lists, since many groups have the same rules.
    """

    lists: Mapping[str, Mapping[str, Sequence[str]]]
    machines: Mapping[tuple[str, str], Sequence[Document]]
    before: Mapping[str, Sequence[Document]]
    opened: dict[tuple[str, str, str], list[Opening]]

    @classmethod
    def of(cls, documents: Sequence[Document], groups: Sequence[Document]) -> _Scene:
        lists: dict[str, dict[str, Sequence[str]]] = {}
        named: dict[tuple[str, str], Document] = {}
        at_subnet: dict[tuple[str, str], list[Document]] = {}
        for group in groups:
            named[_place(group), str(group.get("name", ""))] = group
            for subnet in _texts(group.get("subnets")):
                at_subnet.setdefault((_place(group), subnet), []).append(group)
        machines: dict[tuple[str, str], list[Document]] = {}
        before: dict[str, list[Document]] = {}
        for document in documents:
            if document.get("class") == "prefix_list":
                lists.setdefault(_place(document), {})[str(document.get("name"))] = _texts(document.get("cidrs"))
            if document.get("kind") not in ("instance", "instance_group"):
                continue
            place = _place(document)
            subnets = (
                [document["subnet"]] if isinstance(document.get("subnet"), str) else _texts(document.get("subnets"))
            )
            own = named.get((place, str(document.get("firewall_group"))))
            guards = [own] if own else []
            guards += [g for s in subnets for g in at_subnet.get((place, s), ())]
            before[str(document.get("address"))] = guards
            for guard in guards:
                machines.setdefault((place, str(guard["name"])), []).append(document)
        return cls(lists, machines, before, {})

    def openings(self, group: Document, direction: str = "ingress") -> list[Opening]:
        rules, place = _rules(group), _place(group)
        key = (direction, repr(rules), place if place in self.lists else "")
        if key not in self.opened:
            self.opened[key] = openings(rules, direction, self.lists.get(place, {}))
        return self.opened[key]


def _place(document: Document) -> str:
    """Names are unique within it. Documents read from files have no address that tells it."""
    if isinstance(document.get("partition"), str):
        return f"{document['partition']}/{document.get('region')}"
    return "/".join(str(document.get("address", "")).split("/", 3)[:3])


def _rules(group: Document) -> list[Mapping[str, Any]]:
    rules = group.get("rules")
    return [r for r in rules if isinstance(r, Mapping)] if isinstance(rules, list | tuple) else []


def _group(group: Document, scene: _Scene) -> Document:
    lists = scene.lists.get(_place(group), {})
    reach = [row for o in scene.openings(group) for row in _rows(group, o, scene)]
    out = [_plain(o) for o in scene.openings(group, "egress")]
    rules = [_resolved(r, lists) for r in group["rules"]] if _rules(group) else group.get("rules", [])
    return {**group, "rules": rules, "reach": reach, "reach_out": out}


def _resolved(rule: Any, lists: Mapping[str, Sequence[str]]) -> Any:
    """A rule whose prefix list nobody has told us reads as one whose block is unknown."""
    if not isinstance(rule, Mapping) or rule.get("cidr") or not rule.get("prefix_list"):
        return rule
    return rule if str(rule["prefix_list"]) in lists else {**rule, "cidr": UNKNOWN}


def _plain(opening: Opening) -> dict[str, Any]:
    return {
        "protocol": opening.protocol,
        "port_from": opening.port_from,
        "port_to": opening.port_to,
        "sources": list(opening.sources),
        "rules": list(opening.rules),
    }


def _rows(group: Document, opening: Opening, scene: _Scene) -> list[dict[str, Any]]:
    """None where the machines behind the group are known and something else keeps strangers from all of them."""
    machines = scene.machines.get((_place(group), str(group.get("name"))), ())
    if not machines:
        return [{**_plain(opening), "of": "", "by": ""}]
    reached: dict[tuple[int, int], tuple[dict[str, None], dict[str, None]]] = {}  # dicts for their order
    for machine in machines:
        others = [g for g in scene.before[str(machine.get("address"))] if g is not group]
        left = [(opening.port_from, opening.port_to)]
        for other in others:
            left = _both(left, opening.protocol, scene.openings(other)) if _certain(other) else left
        for ports in left:
            names, ways = reached.setdefault(ports, ({}, {str(group.get("name")): None}))
            names[str(machine.get("name"))] = None
            ways.update({str(g.get("name")): None for g in others})
    return [
        {
            **_plain(opening),
            "port_from": low,
            "port_to": high,
            "of": f" of {_and(names)}",
            "by": f" through {_and(ways)}",
        }
        for (low, high), (names, ways) in sorted(reached.items())
    ]


def _and(names: Mapping[str, None]) -> str:
    return " and ".join(names)


def _both(ports: Sequence[tuple[int, int]], protocol: str, others: Sequence[Opening]) -> list[tuple[int, int]]:
    found = []
    for low, high in ports:
        for other in others:
            if other.protocol == protocol and other.port_from <= high and other.port_to >= low:
                found.append((max(low, other.port_from), min(high, other.port_to)))
    return found


def _certain(group: Document) -> bool:
    """Whether all rules of a list are known: only then may it be said to keep somebody out."""
    return isinstance(group.get("rules"), list | tuple) and not any(
        value == UNKNOWN for rule in _rules(group) for value in rule.values()
    )
