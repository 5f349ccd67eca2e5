"""The three patch formats beside apply. Pure: object and patch in, new object out.

JSON Patch: RFC 6902; JSON Merge Patch: RFC 7386; strategic merge patch: the merge keys and directives documented in
kubernetes/community contributors/devel/sig-api-machinery/strategic-merge-patch.md.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.kubernetes import schema
from sandbox.kubernetes.errors import ApiError, bad_request

_MOST_OPERATIONS = 10_000
_DIRECTIVE = "$patch"
_ORDER, _DELETE_PRIMITIVES, _RETAIN = "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys"


def json_merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = json_merge(result.get(name), value)
    return result


# -- RFC 6902 ------------------------------------------------------------------------------------------------------


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902. ApiError 422 where an operation does not apply, 400 where it is none."""
    if not isinstance(operations, Sequence) or isinstance(operations, str):
        raise bad_request("a JSON patch is a list of operations")
    if len(operations) > _MOST_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", message)
    document = copy.deepcopy(target)
    for operation in operations:
        if not isinstance(operation, Mapping) or "op" not in operation or "path" not in operation:
            raise bad_request("a JSON patch operation has op and path")
        document = _operate(document, operation)
    return document


def _operate(document: Any, operation: Mapping[str, Any]) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _add(document, path, copy.deepcopy(operation.get("value")))
        case "remove":
            return _cut(document, path)
        case "replace":
            _lookup(document, path)
            return _add(_cut(document, path), path, copy.deepcopy(operation.get("value")))
        case "move":
            source = _pointer(operation.get("from", ""))
            moved = _lookup(document, source)
            return _add(_cut(document, source), path, moved)
        case "copy":
            return _add(document, path, copy.deepcopy(_lookup(document, _pointer(operation.get("from", "")))))
        case "test":
            if _lookup(document, path) != operation.get("value"):
                raise _refused(f"testing value {operation['path']} failed")
            return document
    raise bad_request(f"unknown JSON patch operation {operation['op']!r}")


def _refused(message: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {message}")


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str):
        raise bad_request(f"{text!r} is no JSON pointer")
    if text == "":
        return []
    if not text.startswith("/"):
        raise bad_request(f"{text!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _lookup(document: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            raise _refused(f"/{'/'.join(path)} does not exist")
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _lookup(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and (last == "-" or (last.isdigit() and int(last) <= len(parent))):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        raise _refused(f"/{'/'.join(path)} cannot be added")
    return document


def _cut(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    _lookup(document, path)
    parent, last = _lookup(document, path[:-1]), path[-1]
    del parent[int(last) if isinstance(parent, list) else last]
    return document


# -- strategic merge -----------------------------------------------------------------------------------------------


def strategic_merge(target: Any, patch: Any, model: str) -> Any:
    """Merges maps by field and the usual lists by their merge key; the rest is replaced."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    if patch.get(_DIRECTIVE) == "delete":
        return None
    for name, value in patch.items():
        if name.startswith((_RETAIN, _ORDER, _DELETE_PRIMITIVES)) and not isinstance(value, list):
            raise bad_request(f"{name} is to be a list")
    if patch.get(_DIRECTIVE) not in (None, "delete", "replace", "merge"):
        raise bad_request(f"Unknown patch directive {patch[_DIRECTIVE]!r}")
    clean = {k: v for k, v in patch.items() if not k.startswith("$")}
    if patch.get(_DIRECTIVE) == "replace":
        return copy.deepcopy(clean)
    result = dict(target) if isinstance(target, Mapping) else {}
    if _RETAIN in patch:
        result = {k: v for k, v in result.items() if k in patch[_RETAIN]}
    for name, value in clean.items():
        if value is None:
            result.pop(name, None)
            continue
        kind = schema.field_type(model, name)
        if isinstance(value, list):
            result[name] = _merge_list(result.get(name) or [], value, model, name)
        else:
            merged = strategic_merge(result.get(name), value, kind)
            if merged is None:
                result.pop(name, None)
            else:
                result[name] = merged
    _list_directives(result, patch, model)
    return result


def _merge_list(live: list[Any], patch: list[Any], model: str, name: str) -> list[Any]:
    if (model, name) in schema.SETS:
        return [*live, *(v for v in patch if v not in live)]
    key = schema.merge_key(model, name)
    if not key or any(isinstance(p, dict) and p.get(_DIRECTIVE) == "replace" for p in patch):
        return [copy.deepcopy(p) for p in patch if not (isinstance(p, dict) and p.keys() == {_DIRECTIVE})]
    item_type = schema.value_type(schema.field_type(model, name))
    result = list(live)
    for item in patch:
        value = item.get(key) if isinstance(item, dict) else None
        if value is None:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        index = next((i for i, v in enumerate(result) if isinstance(v, dict) and v.get(key) == value), None)
        if item.get(_DIRECTIVE) == "delete":
            result = [v for v in result if not (isinstance(v, dict) and v.get(key) == value)]
        elif index is None:
            result.append(strategic_merge({}, item, item_type))
        else:
            result[index] = strategic_merge(result[index], item, item_type)
    return result


def _list_directives(result: dict[str, Any], patch: Mapping[str, Any], model: str) -> None:
    """$setElementOrder/x sorts a merged list, $deleteFromPrimitiveList/x removes values."""
    for directive, value in patch.items():
        if directive.startswith(_DELETE_PRIMITIVES):
            name = directive.removeprefix(_DELETE_PRIMITIVES)
            result[name] = [v for v in result.get(name) or () if v not in value]
        elif directive.startswith(_ORDER):
            name = directive.removeprefix(_ORDER)
            key = schema.merge_key(model, name)
            wanted = [v.get(key) if isinstance(v, dict) else v for v in value]

            def rank(item: Any, key: str = key, wanted: list[Any] = wanted) -> int:
                ident = item.get(key) if isinstance(item, dict) else item
                return wanted.index(ident) if ident in wanted else len(wanted)

            if isinstance(result.get(name), list):
                result[name] = sorted(result[name], key=rank)
