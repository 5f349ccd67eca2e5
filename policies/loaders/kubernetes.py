"""Kubernetes manifests to documents, as orchestrator makes them for what it deploys.

Callers: policies.loaders. Helm's and kustomize's output, several documents in one text, `List` objects. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from model.resource_base import Kind

if TYPE_CHECKING:
    from model.spec.yaml_source import Document, Node

_MOST_SOURCES: Final = 400
"""Paths of one object whose places are kept; a config map of thousands of lines needs none of them."""


def is_object(node: Node) -> bool:
    value = node.value
    return isinstance(value, dict) and "apiVersion" in value and "kind" in value


def documents(document: Document) -> Iterator[dict[str, Any]]:
    """One document per object; the items of a List each on their own."""
    yield from _of_node(document.file, document.root)


def _of_node(file: str, node: Node) -> Iterator[dict[str, Any]]:
    kind = node.value["kind"].value
    items = node.value.get("items")
    if isinstance(kind, str) and kind.endswith("List") and items is not None and isinstance(items.value, list):
        for item in items.value:
            if is_object(item):
                yield from _of_node(file, item)
        return
    manifest = node.plain()
    sources: dict[str, dict[str, str]] = {}
    address = address_of(manifest)
    _places(file, node, "", address, sources)
    yield of_manifest(manifest, f"{file}:{node.line}") | {"sources": sources}


def address_of(manifest: Mapping[str, Any]) -> str:
    """`kubernetes/namespace/Kind/name`; `-` where there is no namespace or no name."""
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name = metadata.get("name") or metadata.get("generateName") or "-"
    return f"kubernetes/{metadata.get('namespace') or '-'}/{manifest.get('kind')}/{name}"


def of_manifest(manifest: Mapping[str, Any], position: str) -> dict[str, Any]:
    metadata = manifest.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    address = address_of(manifest)
    return {
        "kind": str(Kind.KUBERNETES_OBJECT),
        "name": "-/" + address.split("/", 1)[1],
        "tags": dict(labels) if isinstance(labels, Mapping) else {},
        "address": address,
        "partition": "",
        "region": "",
        "country": None,
        "icp": None,
        "service": str(labels.get("app.kubernetes.io/name", "")) if isinstance(labels, Mapping) else "",
        "site": "",
        "public": False,
        "ownership": "own",
        "position": position,
        "manifest": manifest,
        "delegated": [],
        "sources": {},
    }


def _places(file: str, node: Node, path: str, address: str, sources: dict[str, dict[str, str]]) -> None:
    """file:line of each part of the manifest, by its dotted path (`spec.containers[0].image`), breadth before depth."""
    waiting = [(node, path)]
    while waiting and len(sources) < _MOST_SOURCES:
        current, at = waiting.pop(0)
        if isinstance(current.value, dict):
            for name, child in current.value.items():
                inner = f"{at}.{name}" if at else name
                line = current.keys[name][0] if name in current.keys else child.line
                sources[f"manifest.{inner}"] = {"address": address, "position": f"{file}:{line}"}
                waiting.append((child, inner))
        elif isinstance(current.value, list):
            for index, child in enumerate(current.value):
                inner = f"{at}[{index}]"
                sources[f"manifest.{inner}"] = {"address": address, "position": f"{file}:{child.line}"}
                waiting.append((child, inner))
