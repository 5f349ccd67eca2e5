"""What form of answer a client asks for: whole objects, a Table, or metadata alone; as JSON or YAML. Pure.

Callers: the HTTP layer. Source: kubernetes.io/docs/reference/using-api/api-concepts, "Alternate representations of
resources". Protobuf is never answered: who asks for it also takes JSON, or is told 406.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sandbox.kubernetes.errors import ApiError

OBJECT, TABLE, PARTIAL, DISCOVERY = "object", "table", "partial", "discovery"
_SHAPES: Final[Mapping[str, str]] = {
    "": OBJECT, "Table": TABLE, "PartialObjectMetadata": PARTIAL, "PartialObjectMetadataList": PARTIAL,
    "APIGroupDiscoveryList": DISCOVERY,
}  # fmt: skip
_GROUPS: Final[Mapping[str, str]] = {
    TABLE: "meta.k8s.io", PARTIAL: "meta.k8s.io", DISCOVERY: "apidiscovery.k8s.io",
}  # fmt: skip
_VERSIONS: Final[Mapping[str, frozenset[str]]] = {
    TABLE: frozenset({"v1", "v1beta1"}), PARTIAL: frozenset({"v1", "v1beta1"}), DISCOVERY: frozenset({"v2"}),
}  # fmt: skip
_JSON: Final = frozenset({"application/json", "application/*", "*/*"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """shape: OBJECT, TABLE, PARTIAL or DISCOVERY; version: of the Table; yaml: written as YAML."""

    shape: str = OBJECT
    version: str = "v1"
    yaml: bool = False


def wanted(accept: str) -> Wanted:
    """The first clause that can be served. ApiError 406 where none can."""
    if not accept.strip():
        return Wanted()
    for clause in accept.split(","):
        media, *rest = (part.strip() for part in clause.split(";"))
        options = dict(part.split("=", 1) for part in rest if "=" in part)
        shape = _SHAPES.get(options.get("as", ""))
        if shape is None or (media not in _JSON and media != "application/yaml"):
            continue
        version = options.get("v", "v1")
        if shape != OBJECT and (options.get("g") != _GROUPS[shape] or version not in _VERSIONS[shape]):
            continue
        return Wanted(shape, version, media == "application/yaml")
    raise ApiError(
        406, "NotAcceptable", "only the following media types are accepted: application/json, application/yaml"
    )
