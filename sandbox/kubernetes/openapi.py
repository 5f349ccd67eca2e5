"""The OpenAPI v3 documents: what `kubectl explain`, `apply` and `diff` read of the kinds that are served.

Fields, their meaning and which are required come from the official client's models at run time; the exact types from
protobuf_fields.json; how lists and maps merge from the table in schema.py. Callers: discovery. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sandbox.kubernetes import protobuf, schema
from sandbox.kubernetes.kinds import KINDS, ResourceKind

Object = dict[str, Any]
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_SPECIAL: Final[Mapping[str, tuple[str, Object]]] = {
    "quantity": (
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        {"oneOf": [{"type": "string"}, {"type": "number"}]},
    ),
    "intstr": (
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    ),
    "time": (f"{_META}.Time", {"format": "date-time", "type": "string"}),
    "microtime": (f"{_META}.MicroTime", {"format": "date-time", "type": "string"}),
    "fields": (f"{_META}.FieldsV1", {"type": "object"}),
    "raw": ("io.k8s.apimachinery.pkg.runtime.RawExtension", {"type": "object"}),
}
_SIMPLE: Final[Mapping[str, Object]] = {
    "string": {"type": "string"}, "bool": {"type": "boolean"}, "bytes": {"type": "string", "format": "byte"},
    "int32": {"type": "integer", "format": "int32"}, "int64": {"type": "integer", "format": "int64"},
    "int": {"type": "integer"}, "float64": {"type": "number", "format": "double"},
}  # fmt: skip
# Where the models know no type better than "object" or "str".
_FALLBACK: Final[Mapping[str, str]] = {"str": "string", "int": "int32", "bool": "bool", "float": "float64"}
_VERBS: Final[Mapping[str, tuple[str, ...]]] = {
    "get": (), "list": (), "post": ("dryRun", "fieldManager", "fieldValidation"),
    "put": ("dryRun", "fieldManager", "fieldValidation"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force"), "delete": ("dryRun",),
}  # fmt: skip


@cache
def messages() -> Mapping[str, str]:
    """Name of a client's model -> message of the protobuf table: `V1Pod` -> `core/v1.Pod`."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for message in protobuf.table():
        package, _, name = message.partition(".")
        group, _, version = package.partition("/")
        short, long = f"{version.upper()}{name}", f"{group.title()}{version.upper()}{name}"
        twice |= {short} & found.keys()
        found[short] = found[long] = message
    for name in twice:
        del found[name]
    return found


def schema_name(model: str) -> str:
    """`V1Pod` -> `io.k8s.api.core.v1.Pod`, as the published documents name it."""
    package, _, name = messages().get(model, f"core/v1.{model}").partition(".")
    group, _, version = package.partition("/")
    return f"{_META}.{name}" if group == "meta" else f"io.k8s.api.{group}.{version}.{name}"


def api_path(group: str, version: str) -> str:
    """`apis/apps/v1`."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


@cache
def document(group: str, version: str) -> Object:
    """The document of one group and version."""
    paths: Object = {}
    schemas: Object = {}
    for kind in KINDS:
        if (kind.group, kind.version) != (group, version):
            continue
        base = f"/{api_path(group, version)}" + ("/namespaces/{namespace}" if kind.namespaced else "")
        one = f"{base}/{kind.plural}/{{name}}"
        paths[f"{base}/{kind.plural}"] = {
            "get": _operation(kind, "list"), "post": _operation(kind, "post"), **_parameters(kind, named=False),
        }  # fmt: skip
        paths[one] = {v: _operation(kind, v) for v in ("get", "put", "patch", "delete")} | _parameters(kind, named=True)
        if kind.has_status:
            paths[f"{one}/status"] = {v: _operation(kind, v) for v in ("get", "put", "patch")}
        _add(kind.model, schemas)
        found = schemas[schema_name(kind.model)]
        found["x-kubernetes-group-version-kind"] = [_gvk(kind)]
        for name in ("apiVersion", "kind"):
            found["properties"].setdefault(name, {"type": "string"})
    info = {"title": "Kubernetes", "version": "unversioned"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _gvk(kind: ResourceKind) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _parameters(kind: ResourceKind, *, named: bool) -> Object:
    names = (("name",) if named else ()) + (("namespace",) if kind.namespaced else ())
    rows = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]
    return {"parameters": rows} if rows else {}


def _operation(kind: ResourceKind, verb: str) -> Object:
    types = {n: "boolean" if n == "force" else "string" for n in _VERBS[verb]}
    parameters = [{"name": n, "in": "query", "schema": {"type": kind_}} for n, kind_ in types.items()]
    content = {"schema": {"$ref": f"#/components/schemas/{schema_name(kind.model)}"}}
    answers = {"description": "OK"} | ({} if verb in ("list", "delete") else {"content": {"application/json": content}})
    return {
        "parameters": parameters,
        "responses": {"200": answers},
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": _gvk(kind),
    }


def _add(model: str, schemas: Object) -> None:
    """The schema of a model and of everything that it refers to."""
    name = schema_name(model)
    known = schema.fields(model)
    if name in schemas or known is None:
        return
    found: Object = {"type": "object"}
    schemas[name] = found
    exact, meaning = exact_types(model), schema.meanings(model)
    properties: Object = {}
    for field, kind in known.items():
        entry = _property(kind, exact.get(field, ""), schemas)
        if text := meaning.get(field):
            entry["description"] = text
        properties[field] = entry | _merging(model, field, kind)
    found["properties"] = properties
    if required := [f for f in known if f in schema.required(model)]:
        found["required"] = required
    if model in schema.ATOMIC_MODELS:
        found["x-kubernetes-map-type"] = "atomic"


def _merging(model: str, field: str, kind: str) -> Object:
    found: Object = {}
    if keys := schema.list_keys(model, field):
        found = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
    elif (model, field) in schema.SETS:
        found = {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}
    elif schema.is_list(kind):
        found = {"x-kubernetes-list-type": "atomic"}
    elif (model, field) in schema.ATOMIC_MAPS:
        found = {"x-kubernetes-map-type": "atomic"}
    retains = (model, field) in schema.PATCH_RETAIN_KEYS
    if key := schema.merge_key(model, field):
        strategy = "merge,retainKeys" if retains else "merge"
        return found | {"x-kubernetes-patch-strategy": strategy, "x-kubernetes-patch-merge-key": key}
    return found | ({"x-kubernetes-patch-strategy": "retainKeys"} if retains else {})


@cache
def exact_types(model: str) -> Mapping[str, str]:
    """JSON field -> Go's type, for the fields of a model; inlined structs are followed."""
    message = messages().get(model)
    return _inlined(message) if message else {}


def _inlined(message: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, kind in protobuf.table().get(message, {}).values():
        found |= {name: kind} if name else _inlined(kind.lstrip("*"))
    return found


def _property(kind: str, exact: str, schemas: Object) -> Object:
    """kind: as the client's models say it; exact: as Go says it, "" where that is not known."""
    bare = exact.lstrip("*")
    if schema.is_list(kind):
        return {"type": "array", "items": _element(schema.value_type(kind), bare.removeprefix("[]"), schemas)}
    if schema.is_map(kind):
        item = schema.value_type(kind)
        if not bare.startswith("map:"):
            return {"type": "object"} if item == schema.ANY else {"type": "object", "additionalProperties": {}}
        return {"type": "object", "additionalProperties": _element(item, bare.removeprefix("map:"), schemas)}
    return _element(kind, bare, schemas)


def _element(kind: str, exact: str, schemas: Object) -> Object:
    if exact in _SPECIAL:
        name, special = _SPECIAL[exact]
        schemas.setdefault(name, dict(special))
        return {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}
    if schema.fields(kind) is not None:
        _add(kind, schemas)
        return {"allOf": [{"$ref": f"#/components/schemas/{schema_name(kind)}"}], "default": {}}
    if kind == "datetime":
        return _element(schema.ANY, "time", schemas)
    if exact == "items" or schema.is_list(kind):
        return {"type": "array", "items": {"type": "string"}}
    return dict(_SIMPLE.get(exact) or _SIMPLE.get(_FALLBACK.get(kind, ""), {}))
