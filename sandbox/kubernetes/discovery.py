"""What a client asks before its first call: version, groups, resources, and the OpenAPI v3 documents.

Callers: the HTTP layer. Groups and resources are told in the old form (a document a group) and in the aggregated one
(KEP-3352), which kubectl asks for. Pure. Non-goals: OpenAPI v2, which needs protobuf answers and which no kubectl of
the last releases asks for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sandbox.kubernetes import openapi, reviews
from sandbox.kubernetes.kinds import KINDS, VERBS, ResourceKind

Object = dict[str, Any]
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SUB_KINDS: Mapping[str, tuple[str, str, str]] = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
}
_SUB_VERBS: Mapping[str, tuple[str, ...]] = {
    "log": ("get",), "eviction": ("create",), "finalize": ("update",), "portforward": ("create", "get"),
    "proxy": ("create", "delete", "get", "patch", "update"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """An answer as JSON text. etag: for what a client may keep."""

    text: str
    etag: str = ""
    media_type: str = "application/json"


def version(release: str) -> Object:
    """/version. release like `1.31`."""
    major, _, minor = release.partition(".")
    minor = minor.partition(".")[0]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.0",
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.24",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def answer(path: str, release: str, *, aggregated: bool = False) -> Document | None:
    """The document at a path, or None where there is none."""
    if aggregated and path in ("/api", "/apis"):
        return _aggregated(path)
    if path == "/version":
        return _plain(version(release))
    return _static(path)


def _plain(body: Object) -> Document:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return Document(text, f'"{hashlib.sha256(text.encode()).hexdigest().upper()}"')


@cache
def _aggregated(path: str) -> Document:
    names = dict.fromkeys(g for g, _v in _group_versions() if bool(g) == (path == "/apis"))
    groups = [_group_discovery(name) for name in names]
    body = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": groups}
    plain = _plain(body)
    return Document(plain.text, plain.etag, _AGGREGATED)


@cache
def _static(path: str) -> Document | None:
    body = _body(path.strip("/").split("/"))
    return None if body is None else _plain(body)


def _body(parts: list[str]) -> Object | None:
    match parts:
        case ["api"]:
            address = {"clientCIDR": "0.0.0.0/0", "serverAddress": ""}
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}
        case ["apis"]:
            names = dict.fromkeys(g for g, _v in _group_versions() if g)
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(g) for g in names]}
        case ["apis", group] if any(g == group for g, _v in _group_versions()):
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        case ["api", "v1"]:
            return _resources("", "v1")
        case ["apis", group, name] if (group, name) in _group_versions():
            return _resources(group, name)
        case ["openapi", "v3"]:
            pairs = ((openapi.api_path(g, v), _document_url(g, v)) for g, v in _group_versions())
            return {"paths": {path: {"serverRelativeURL": url} for path, url in pairs}}
        case ["openapi", "v3", "api", "v1"]:
            return openapi.document("", "v1")
        case ["openapi", "v3", "apis", group, name] if (group, name) in _group_versions():
            return openapi.document(group, name)
    return None


def _group_versions() -> list[tuple[str, str]]:
    return [*dict.fromkeys((k.group, k.version) for k in KINDS), *((g, "v1") for g in reviews.RESOURCES)]


def _group(group: str) -> Object:
    versions = [{"groupVersion": f"{group}/{v}", "version": v} for g, v in _group_versions() if g == group]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _document_url(group: str, name: str) -> str:
    path = openapi.api_path(group, name)
    found = _static(f"/openapi/v3/{path}")
    return f"/openapi/v3/{path}?hash={found.etag.strip(chr(34)) if found else ''}"


# -- a document a group --------------------------------------------------------------------------------------------


def _resources(group: str, name: str) -> Object:
    rows: list[Object] = []
    for kind in _kinds(group, name):
        row: Object = {
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": list(VERBS),
        }  # fmt: skip
        if kind.short_names:
            row["shortNames"] = list(kind.short_names)
        if kind.categories:
            row["categories"] = list(kind.categories)
        rows.append(row)
        rows += [_subresource(kind, sub) for sub in kind.subresources]
    for plural, review in reviews.RESOURCES.get(group, ()):
        rows.append({
            "name": plural, "singularName": review.lower(), "namespaced": False, "kind": review, "verbs": ["create"],
        })  # fmt: skip
    group_version = f"{group}/{name}" if group else name
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": rows}


def _kinds(group: str, name: str) -> list[ResourceKind]:
    return [k for k in KINDS if (k.group, k.version) == (group, name)]


def _subresource(kind: ResourceKind, sub: str) -> Object:
    row: Object = {"name": f"{kind.plural}/{sub}", "singularName": "", "namespaced": kind.namespaced}
    if sub in _SUB_KINDS:
        group, version_, name = _SUB_KINDS[sub]
        row |= {"group": group, "version": version_, "kind": name}
    else:
        row["kind"] = kind.kind
    return row | {"verbs": list(_SUB_VERBS.get(sub, ("get", "patch", "update")))}


# -- aggregated ----------------------------------------------------------------------------------------------------


def _group_discovery(group: str) -> Object:
    versions = [
        {"version": v, "resources": _resource_discoveries(group, v), "freshness": "Current"}
        for g, v in _group_versions()
        if g == group
    ]
    meta = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
    return {"metadata": meta, "versions": versions}


def _resource_discoveries(group: str, name: str) -> list[Object]:
    rows: list[Object] = []
    for kind in _kinds(group, name):
        row: Object = {
            "resource": kind.plural,
            "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "singularResource": kind.singular,
            "verbs": list(VERBS),
        }
        if kind.short_names:
            row["shortNames"] = list(kind.short_names)
        if kind.categories:
            row["categories"] = list(kind.categories)
        if kind.subresources:
            row["subresources"] = [_subresource_discovery(kind, sub) for sub in kind.subresources]
        rows.append(row)
    for plural, review in reviews.RESOURCES.get(group, ()):
        rows.append({
            "resource": plural, "responseKind": {"group": group, "version": name, "kind": review},
            "scope": "Cluster", "singularResource": review.lower(), "verbs": ["create"],
        })  # fmt: skip
    return rows


def _subresource_discovery(kind: ResourceKind, sub: str) -> Object:
    group, version_, name = _SUB_KINDS.get(sub, (kind.group, kind.version, kind.kind))
    return {
        "subresource": sub,
        "responseKind": {"group": group, "version": version_, "kind": name},
        "verbs": list(_SUB_VERBS.get(sub, ("get", "patch", "update"))),
    }
