"""What a container is given from outside itself: its environment, and whether its volumes can be mounted. Pure.

Order, references and messages as in a kubelet: envFrom before env, later ones win, `$(NAME)` expands; a reference to
what is missing keeps the container from being created unless it is optional. Callers: nodes.worker.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from sandbox.kubernetes import quantities
from sandbox.kubernetes.kinds import CONFIGMAPS, SECRETS, ResourceKind

Object = Mapping[str, Any]
Lookup = Callable[[ResourceKind, str], Object | None]
"""(kind, name) -> the object of that name in the pod's namespace."""
_REFERENCE = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
_FIELD_KEY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """Something that the container refers to is not there. The message is the kubelet's."""


def _data(kind: ResourceKind, found: Object) -> dict[str, str]:
    rows = found.get("data") or {}
    if kind is CONFIGMAPS:
        return dict(rows)
    return {k: base64.b64decode(v).decode(errors="replace") for k, v in rows.items()}


def _source(kind: ResourceKind, reference: Object, lookup: Lookup) -> dict[str, str] | None:
    """The referenced data; None where it is missing and may be. ConfigError where it may not."""
    found = lookup(kind, reference.get("name", ""))
    if found is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{kind.kind.lower()} "{reference.get("name", "")}" not found')
    return _data(kind, found)


def environment(container: Object, pod: Object, lookup: Lookup) -> dict[str, str]:
    """The variables of a container. ConfigError where a reference cannot be followed."""
    found: dict[str, str] = {}
    for row in container.get("envFrom") or ():
        for name, kind in (("configMapRef", CONFIGMAPS), ("secretRef", SECRETS)):
            if name in row:
                data = _source(kind, row[name], lookup) or {}
                found |= {f"{row.get('prefix', '')}{k}": v for k, v in data.items()}
    for row in container.get("env") or ():
        if "valueFrom" not in row:
            found[row["name"]] = _expand(row.get("value", ""), found)
        elif (value := _value_from(row["valueFrom"], container, pod, lookup)) is not None:
            found[row["name"]] = value
    return found


def _expand(text: str, known: Mapping[str, str]) -> str:
    def put(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else known.get(match[2], match[0])

    return _REFERENCE.sub(put, text) if "$" in text else text


def _value_from(source: Object, container: Object, pod: Object, lookup: Lookup) -> str | None:
    for name, kind in (("configMapKeyRef", CONFIGMAPS), ("secretKeyRef", SECRETS)):
        if name not in source:
            continue
        reference = source[name]
        data = _source(kind, reference, lookup)
        if data is None:
            return None
        if reference["key"] not in data:
            if reference.get("optional"):
                return None
            where = f"{pod['metadata']['namespace']}/{reference.get('name', '')}"
            raise ConfigError(f"couldn't find key {reference['key']} in {kind.kind} {where}")
        return data[reference["key"]]
    if "fieldRef" in source:
        return _field(source["fieldRef"].get("fieldPath", ""), pod)
    if "resourceFieldRef" in source:
        return _resource(source["resourceFieldRef"], container, pod)
    return None


def _field(path: str, pod: Object) -> str:
    if match := _FIELD_KEY.fullmatch(path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    value: Any = pod
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)


def _resource(reference: Object, container: Object, pod: Object) -> str:
    name = reference.get("containerName")
    of = next((c for c in pod["spec"]["containers"] if c["name"] == name), container) if name else container
    field, _, resource = reference.get("resource", "").partition(".")
    amount = quantities.parse(((of.get("resources") or {}).get(field) or {}).get(resource, "0"))
    divisor = quantities.parse(reference.get("divisor", "1") or "1") or Decimal(1)
    return str(int(-(-amount // divisor)))


def unmountable(pod: Object, lookup: Lookup) -> str:
    """Why a volume of the pod cannot be set up, as the event FailedMount says it; empty where all can."""
    for volume in pod["spec"].get("volumes") or ():
        for kind, reference in _sources(volume):
            why = "" if reference.get("optional") else _missing(kind, reference, lookup)
            if why:
                return f'MountVolume.SetUp failed for volume "{volume["name"]}" : {why}'
    return ""


def _missing(kind: ResourceKind, reference: Object, lookup: Lookup) -> str:
    found = lookup(kind, reference["name"])
    if found is None:
        return f'{kind.kind.lower()} "{reference["name"]}" not found'
    have = {**(found.get("data") or {}), **(found.get("binaryData") or {})}
    word = "config" if kind is CONFIGMAPS else "secret"
    absent = [i["key"] for i in reference.get("items") or () if i["key"] not in have]
    return f"references non-existent {word} key: {absent[0]}" if absent else ""


def _sources(volume: Object) -> Iterator[tuple[ResourceKind, Object]]:
    if "configMap" in volume:
        yield CONFIGMAPS, volume["configMap"]
    if "secret" in volume:
        yield SECRETS, {**volume["secret"], "name": volume["secret"].get("secretName", "")}
    for row in (volume.get("projected") or {}).get("sources") or ():
        for name, kind in (("configMap", CONFIGMAPS), ("secret", SECRETS)):
            if name in row:
                yield kind, row[name]
