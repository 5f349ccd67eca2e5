"""Which resource a URL means. Pure.

Forms: kubernetes.io/docs/reference/using-api/api-concepts, "Resource URIs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.kubernetes.kinds import BY_PATH, NAMESPACES, ResourceKind


@dataclass(frozen=True, slots=True)
class Target:
    """name is empty for a collection; namespace is empty for all of them. rest: path below a proxy subresource."""

    kind: ResourceKind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""

    @property
    def resource(self) -> str:
        """`deployments` or `deployments/scale`, as rules and faults name it."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


_TRUE = frozenset({"1", "t", "T", "true", "True", "TRUE"})


def is_true(query: Mapping[str, str], name: str) -> bool:
    """A query's flag, in any of the spellings that Go accepts; the official client writes `True`."""
    return query.get(name, "") in _TRUE


def parse(path: str) -> Target | None:
    """None where the path means no resource that is served."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not (group == "" and rest[2] in NAMESPACES.subresources):
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, version, rest[0]))
    if kind is None or (namespace and not kind.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if kind.namespaced and name and not namespace:
        return None
    if subresource and subresource not in kind.subresources:
        return None
    if len(rest) > 3 and subresource != "proxy":
        return None
    return Target(kind, namespace, name, subresource, "/".join(rest[3:]))
