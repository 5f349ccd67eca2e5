"""References between documents as the model has them: by logical name within a partition and region.

Callers: mapping. While a document is made, a reference reads as the address of the resource that it names. Names that
are not unique in their place (copies made by count, modules used twice) become their addresses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_NAMED: Final = frozenset({"network", "subnet", "firewall_group", "cluster", "load_balancer"})
_SINGLE: Final = ("network", "subnet", "firewall_group", "cluster")
_MANY: Final = ("subnets", "firewall_groups", "load_balancers")


def link(documents: Sequence[dict[str, Any]]) -> None:
    """Changes the documents in place."""
    named = [d for d in documents if d["kind"] in _NAMED or d.get("class") == "prefix_list"]
    counts = Counter(map(_key, named))
    for document in named:
        if counts[_key(document)] > 1:
            document["name"] = document["address"]
    names = {d["address"]: d["name"] for d in named}
    for document in named:  # the first of several stands for a reference without an index
        if document["address"].endswith("[0]"):
            names.setdefault(document["address"][:-3], document["name"])
    if not names:
        return
    for document in documents:
        for field in _SINGLE:
            if isinstance(document.get(field), str):
                document[field] = names.get(document[field], document[field])
        for field in _MANY:
            if isinstance(document.get(field), list):
                document[field] = [_name(v, names) for v in document[field]]
        _link_rules(document.get("rules"), names)


def _key(document: Mapping[str, Any]) -> tuple[Any, ...]:
    return document["kind"], document.get("class"), document["partition"], document["region"], document["name"]


def _name(value: Any, names: Mapping[str, str]) -> Any:
    return names.get(value, value) if isinstance(value, str) else value


def _link_rules(rules: Any, names: Mapping[str, str]) -> None:
    for rule in rules if isinstance(rules, Iterable) else ():
        if isinstance(rule, dict):
            for field in ("peer_group", "prefix_list"):
                if rule.get(field):
                    rule[field] = _name(rule[field], names)
