"""LimitRanges: what a container is given where it asks for nothing, and what it may not ask for. Pure.

After kubernetes.io, "Limit Ranges", and the wording of the LimitRanger admission plugin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.kubernetes import quantities

Object = dict[str, Any]
ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = Mapping[str, Any]


def fill_in_range(limit_range: Object) -> None:
    """Defaults of a LimitRange's container items: default from max, defaultRequest from default, else min."""
    for item in (limit_range.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        default = {**(item.get("max") or {}), **(item.get("default") or {})}
        request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
        for name, value in (("default", default), ("defaultRequest", request)):
            if value:
                item[name] = value


def give_defaults(pod: Object, ranges: Sequence[Object]) -> None:
    """Fills in requests and limits, and says so in an annotation, as the plugin does."""
    told: list[str] = []
    for limit_range in ranges:
        for item in limit_range["spec"].get("limits") or ():
            if item.get("type") == "Container":
                told += _give(pod, item)
    if told:
        meta = pod["metadata"]
        text = f"LimitRanger plugin set: {'; '.join(told)}"
        meta["annotations"] = {**(meta.get("annotations") or {}), ANNOTATION: text}


def _give(pod: Object, item: Object) -> Iterator[str]:
    for group, word in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(group) or ():
            resources = container.setdefault("resources", {})
            for field, source in (("requests", "defaultRequest"), ("limits", "default")):
                have = resources.get(field) or {}
                more = {k: v for k, v in (item.get(source) or {}).items() if k not in have}
                if more:
                    resources[field] = {**have, **more}
                    what = "request" if field == "requests" else "limit"
                    yield f"{', '.join(sorted(more))} {what} for {word} {container['name']}"


def violations(kind: str, obj: Object, ranges: Sequence[Object]) -> list[str]:
    """Everything about a pod or claim that a LimitRange forbids, as the plugin words it."""
    found: list[str] = []
    for limit_range in ranges:
        for item in limit_range["spec"].get("limits") or ():
            found += _of_item(kind, obj, item)
    return found


def _of_item(kind: str, obj: Object, item: Object) -> Iterator[str]:
    spec, what = obj["spec"], item.get("type", "")
    if kind == "PersistentVolumeClaim" and what == kind:
        asked = (spec.get("resources") or {}).get("requests") or {}
        yield from _check(item, what, asked, {})
    elif kind == "Pod" and what == "Container":
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            resources = container.get("resources") or {}
            yield from _check(item, what, resources.get("requests") or {}, resources.get("limits") or {})
    elif kind == "Pod" and what == "Pod":
        yield from _check(item, what, _sum(spec, "requests"), _sum(spec, "limits"))


def _sum(spec: Object, field: str) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        for name, value in ((container.get("resources") or {}).get(field) or {}).items():
            total[name] = total.get(name, Decimal(0)) + quantities.parse(value)
    return total


def _check(item: Object, what: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in sorted((item.get("min") or {}).items()):
        start, least = f"minimum {name} usage per {what} is {bound}", quantities.parse(bound)
        if name not in requests:
            yield f"{start}.  No request is specified"
        elif _amount(requests[name]) < least:
            yield f"{start}, but request is {_shown(requests[name])}"
        elif name in limits and _amount(limits[name]) < least:
            yield f"{start}, but limit is {_shown(limits[name])}"
    for name, bound in sorted((item.get("max") or {}).items()):
        start, most = f"maximum {name} usage per {what} is {bound}", quantities.parse(bound)
        if what != "PersistentVolumeClaim" and name not in limits:
            yield f"{start}.  No limit is specified"
        elif name in limits and _amount(limits[name]) > most:
            yield f"{start}, but limit is {_shown(limits[name])}"
        elif name in requests and _amount(requests[name]) > most:
            yield f"{start}, but request is {_shown(requests[name])}"
    for name, bound in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        if name in requests and name in limits and _amount(requests[name]) > 0:
            ratio = _amount(limits[name]) / _amount(requests[name])
            if ratio > quantities.parse(bound):
                yield f"{name} max limit to request ratio per {what} is {bound}, but provided ratio is {ratio:f}"


def _amount(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else quantities.parse(value)


def _shown(value: Any) -> str:
    return quantities.canonical(f"{value:f}" if isinstance(value, Decimal) else value)
