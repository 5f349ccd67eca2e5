"""Label and field selectors, as query strings and as objects. Pure.

Grammar: kubernetes.io/docs/concepts/overview/working-with-objects/labels (equality- and set-based requirements).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.kubernetes.errors import bad_request

Matches = Callable[[Mapping[str, Any]], bool]
_SET = re.compile(r"\s*([A-Za-z0-9._/-]+)\s+(in|notin)\s*\(([^)]*)\)\s*")
_EQUAL = re.compile(r"\s*([A-Za-z0-9._/-]+)\s*(==|=|!=)\s*([A-Za-z0-9._-]*)\s*")
_EXISTS = re.compile(r"\s*(!?)\s*([A-Za-z0-9._/-]+)\s*")
_SPLIT = re.compile(r",(?![^(]*\))")


def parse_labels(text: str) -> Matches:
    """`a=b,c in (d,e),!f` -> predicate over labels. ApiError 400 where it does not parse."""
    tests = [_label_requirement(part) for part in _SPLIT.split(text) if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _label_requirement(part: str) -> Matches:
    if match := _SET.fullmatch(part):
        key, values = match[1], {v.strip() for v in match[3].split(",")}
        if match[2] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.fullmatch(part):
        key, value = match[1], match[3]
        if match[2] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.fullmatch(part):
        key, wanted = match[2], not match[1]
        return lambda labels: (key in labels) is wanted
    raise bad_request(f"unable to parse requirement: {part.strip()!r} is no label requirement")


def match_selector(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """A LabelSelector object; None matches nothing, the empty one everything."""
    if selector is None:
        return False
    if any(labels.get(k) != v for k, v in (selector.get("matchLabels") or {}).items()):
        return False
    return all(match_expression(e, labels) for e in selector.get("matchExpressions") or ())


def match_expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """One matchExpressions entry; Gt and Lt compare integers (node affinity)."""
    key, operator, values = expression.get("key", ""), expression.get("operator"), expression.get("values") or ()
    value = labels.get(key)
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case "Gt" | "Lt" if value is not None and re.fullmatch(r"-?\d+", value) and values:
            return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
    return False


# Fields that a selector may name, beside the name and the namespace; the real API indexes no others.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "Pod": (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    "Event": (
        *(
            f"involvedObject.{name}"
            for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        ),
        "reason", "reportingComponent", "source", "type",
    ),
    "Secret": ("type",),
    "Namespace": ("status.phase",),
    "Node": ("spec.unschedulable",),
    "ReplicaSet": ("status.replicas",),
    "Job": ("status.successful",),
    "Service": ("spec.clusterIP", "spec.type"),
}  # fmt: skip


def parse_fields(text: str, kind: str = "") -> Matches:
    """`metadata.name=a,status.phase!=Running` -> predicate over the whole object.

    ApiError 400 where it does not parse, or names a field by which that kind cannot be asked for.
    """
    tests: list[tuple[tuple[str, ...], bool, str]] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = re.fullmatch(r"([A-Za-z0-9.\[\]'/_-]+?)\s*(==|=|!=)\s*(.*)", part)
        if match is None:
            raise bad_request(f"invalid field selector: {part!r}")
        if kind and match[1] not in ("metadata.name", "metadata.namespace", *_FIELDS.get(kind, ())):
            raise bad_request(f"field label not supported: {match[1]}")
        tests.append((tuple(match[1].split(".")), match[2] != "!=", match[3]))

    def holds(obj: Mapping[str, Any]) -> bool:
        return all((_field(obj, path) == value) is wanted for path, wanted, value in tests)

    return holds


def _field(obj: Mapping[str, Any], path: tuple[str, ...]) -> str:
    value: Any = obj
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
