"""What a client asks before its first call: version, groups, resources, and the OpenAPI v3 document.

The document is generated from the models' fields and our table of merge keys; it advertises fieldValidation, which
the API enforces. Pure. Non-goals: descriptions, aggregated discovery.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from sandbox.kubernetes import schema
from sandbox.kubernetes.kinds import KINDS, VERBS, ResourceKind

Object = dict[str, Any]


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


def _group_versions() -> list[tuple[str, str]]:
    return [*dict.fromkeys((k.group, k.version) for k in KINDS), ("authorization.k8s.io", "v1")]


def answer(path: str, release: str) -> Object | None:
    """The discovery document at a path, or None where there is none."""
    parts = path.strip("/").split("/")
    match parts:
        case ["version"]:
            return version(release)
        case ["api"]:
            address = {"clientCIDR": "0.0.0.0/0", "serverAddress": ""}
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}
        case ["apis"]:
            groups = [_group(g, v) for g, v in _group_versions() if g]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group]:
            found = next((_group(g, v) for g, v in _group_versions() if g == group), None)
            return found and {"kind": "APIGroup", "apiVersion": "v1", **found}
        case ["api", "v1"]:
            return _resources("", "v1")
        case ["apis", group, name] if (group, name) in _group_versions():
            return _resources(group, name)
        case ["openapi", "v3"]:
            return {
                "paths": {_api_path(g, v): {"serverRelativeURL": _document_url(g, v)} for g, v in _group_versions()}
            }
        case ["openapi", "v3", "api", "v1"]:
            return _document("", "v1")
        case ["openapi", "v3", "apis", group, name] if (group, name) in _group_versions():
            return _document(group, name)
    return None


def _group(group: str, name: str) -> Object:
    entry = {"groupVersion": f"{group}/{name}", "version": name}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def _resources(group: str, name: str) -> Object:
    rows: list[Object] = []
    for kind in KINDS:
        if (kind.group, kind.version) != (group, name):
            continue
        row: Object = {
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(VERBS),
        }
        if kind.short_names:
            row["shortNames"] = list(kind.short_names)
        if kind.categories:
            row["categories"] = list(kind.categories)
        rows.append(row)
        rows += [_subresource(kind, sub) for sub in kind.subresources]
    if group == "authorization.k8s.io":
        rows.append(
            {
                "name": "selfsubjectaccessreviews",
                "singularName": "selfsubjectaccessreview",
                "namespaced": False,
                "kind": "SelfSubjectAccessReview",
                "verbs": ["create"],
            }
        )
    group_version = f"{group}/{name}" if group else name
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": rows}


def _subresource(kind: ResourceKind, sub: str) -> Object:
    row: Object = {
        "name": f"{kind.plural}/{sub}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": {"scale": "Scale", "eviction": "Eviction"}.get(sub, kind.kind),
        "verbs": {
            "log": ["get"],
            "eviction": ["create"],
            "finalize": ["update"],
            "proxy": ["create", "delete", "get", "patch", "update"],
        }.get(sub, ["get", "patch", "update"]),
    }
    if sub == "scale":
        row |= {"group": "autoscaling", "version": "v1"}
    if sub == "eviction":
        row |= {"group": "policy", "version": "v1"}
    return row


# -- OpenAPI v3 ----------------------------------------------------------------------------------------------------


def _api_path(group: str, name: str) -> str:
    return f"apis/{group}/{name}" if group else f"api/{name}"


def _document_url(group: str, name: str) -> str:
    text = json.dumps(_document(group, name), sort_keys=True)
    return f"/openapi/v3/{_api_path(group, name)}?hash={hashlib.sha256(text.encode()).hexdigest()[:32].upper()}"


@cache
def _document(group: str, name: str) -> Object:
    paths: Object = {}
    schemas: Object = {}
    for kind in KINDS:
        if (kind.group, kind.version) != (group, name):
            continue
        base = f"/{_api_path(group, name)}" + ("/namespaces/{namespace}" if kind.namespaced else "")
        paths[f"{base}/{kind.plural}"] = {"post": _operation(kind, "post")}
        paths[f"{base}/{kind.plural}/{{name}}"] = {verb: _operation(kind, verb) for verb in ("get", "put", "patch")}
        _schema(kind.model, schemas)
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        schemas[_schema_name(kind.model)]["x-kubernetes-group-version-kind"] = [gvk]
    info = {"title": "Kubernetes", "version": "sandbox"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _operation(kind: ResourceKind, verb: str) -> Object:
    names = () if verb == "get" else ("dryRun", "fieldManager", "fieldValidation")
    names = (*names, "force") if verb == "patch" else names
    action = {"post": "post", "get": "get", "put": "put", "patch": "patch"}[verb]
    operation: Object = {
        "parameters": [
            {"name": n, "in": "query", "schema": {"type": "boolean" if n == "force" else "string"}} for n in names
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    }
    return operation


def _schema_name(model: str) -> str:
    return f"io.k8s.api.{model}"


def _schema(model: str, schemas: Object) -> None:
    name = _schema_name(model)
    known = schema.fields(model)
    if name in schemas or known is None:
        return
    schemas[name] = {"type": "object"}
    properties: Object = {}
    for field, kind in known.items():
        entry = _property(kind, schemas)
        keys = schema.list_keys(model, field)
        if keys:
            entry |= {
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": list(keys),
                "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-patch-merge-key": schema.merge_key(model, field),
            }
        properties[field] = entry
    schemas[name]["properties"] = properties
    if model in schema.ATOMIC_MODELS:
        schemas[name]["x-kubernetes-map-type"] = "atomic"


def _property(kind: str, schemas: Object) -> Object:
    if schema.is_list(kind):
        return {"type": "array", "items": _property(schema.value_type(kind), schemas)}
    if schema.is_map(kind):
        return {"type": "object", "additionalProperties": _property(schema.value_type(kind), schemas)}
    if schema.fields(kind) is not None:
        _schema(kind, schemas)
        return {"allOf": [{"$ref": f"#/components/schemas/{_schema_name(kind)}"}], "default": {}}
    simple = {"str": "string", "int": "integer", "bool": "boolean", "float": "number"}.get(kind)
    if simple:
        return {"type": simple}
    return {"type": "string", "format": "date-time"} if kind == "datetime" else {}
