"""Whether an object has the form of its kind: field names and JSON types, and the way the API writes it. Pure.

What Go's decoder does to a real object: unknown fields are told and dropped, nulls, empty lists and empty maps are
dropped, quantities are written canonically, a value of the wrong type is refused.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.kubernetes import openapi, quantities, schema

Object = dict[str, Any]
_JSON_NAMES = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
_GO_TYPES = {"str": "string", "int": "int32", "bool": "bool", "float": "float64", "datetime": "Time"}
_QUANTITY_MAPS: Final = frozenset(
    {
        "requests", "limits", "overhead", "capacity", "allocatable", "hard", "used", "min", "max", "default",
        "defaultRequest",
    }
)  # fmt: skip
_QUANTITIES: Final = frozenset({"sizeLimit", "divisor", "storage", "averageValue"})
_BITS: Final = {"int32": 32, "int64": 64, "int": 64}
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# Empty values that mean something: an empty list here is not the same as none.
_KEEP_EMPTY: Final = frozenset({("V1Deployment", "spec"), ("V1PodSpec", "containers")})


@dataclass(slots=True)
class Conformed:
    """obj: as the API would write it. unknown: paths of unknown fields. errors: what cannot be decoded."""

    obj: Object = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def conform(obj: Object, model: str) -> Conformed:
    """Checks and cleans a whole object against its model."""
    result = Conformed()
    result.obj = _struct(obj, model, "", result)
    return result


def _struct(obj: Object, model: str, path: str, result: Conformed) -> Object:
    known = schema.fields(model)
    clean: Object = {}
    for name, value in obj.items():
        where = f"{path}.{name}" if path else name
        if known is not None and name not in known:
            result.unknown.append(where)
            continue
        if value is None:
            continue
        kind = known[name] if known is not None else schema.ANY
        if name in _QUANTITY_MAPS and schema.is_map(kind) and isinstance(value, dict):
            child: Any = {k: _quantity(v, f"{where}.{k}", result) for k, v in value.items()}
        elif name in _QUANTITIES and kind in ("str", schema.ANY):
            child = _quantity(value, where, result)
        else:
            child = _value(value, kind, model, where, result)
            if child is not None and (said := _misfit(child, openapi.exact_types(model).get(name, "").lstrip("*"))):
                result.errors.append(f"{where}: {said}")
        empty = (schema.is_list(kind) or schema.is_map(kind)) and not child and child is not None
        if child is not None and not (empty and (model, name) not in _KEEP_EMPTY):
            clean[name] = child
    return clean


def _value(value: Any, kind: str, model: str, where: str, result: Conformed) -> Any:
    if schema.is_list(kind):
        if not isinstance(value, list):
            return _mismatch(value, kind, model, where, result)
        item = schema.value_type(kind)
        return [_value(v, item, model, f"{where}[{i}]", result) for i, v in enumerate(value)]
    if schema.is_map(kind):
        if not isinstance(value, dict):
            return _mismatch(value, kind, model, where, result)
        item = schema.value_type(kind)
        return {k: "" if v is None else _value(v, item, model, f"{where}.{k}", result) for k, v in value.items()}
    if schema.fields(kind) is not None:
        if not isinstance(value, dict):
            return _mismatch(value, kind, model, where, result)
        return _struct(value, kind, where, result)
    return value if _scalar_fits(value, kind) else _mismatch(value, kind, model, where, result)


def _misfit(value: Any, exact: str) -> str:
    """Why a value of the right JSON type cannot be Go's, or ""."""
    if exact.startswith(("[]", "map:")):
        bare = exact.partition("]" if exact.startswith("[]") else ":")[2]
        below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return next((said for v in below if (said := _misfit(v, bare))), "")
    number = isinstance(value, int) and not isinstance(value, bool)
    if exact in _BITS and number and not -(1 << _BITS[exact] - 1) <= value < 1 << _BITS[exact] - 1:
        return f"json: cannot unmarshal number {value} into Go value of type {exact}"
    if exact == "intstr" and not (isinstance(value, str) or (number and -(1 << 31) <= value < 1 << 31)):
        return f"json: cannot unmarshal {_JSON_NAMES.get(type(value), 'null')} into Go value of type int32"
    if exact in ("time", "microtime") and not (isinstance(value, str) and _TIME.fullmatch(value)):
        return f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}"'
    if exact == "bytes" and isinstance(value, str) and not _is_base64(value):
        return "illegal base64 data"
    return ""


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\n", ""), validate=True)
    except ValueError:
        return False
    return True


def _scalar_fits(value: Any, kind: str) -> bool:
    match kind:
        case "str" | "datetime" | "file":
            return isinstance(value, str)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _mismatch(value: Any, kind: str, model: str, where: str, result: Conformed) -> None:
    got = _JSON_NAMES.get(type(value), "null")
    struct = model.removeprefix("V1").removeprefix("CoreV1")
    wanted = _GO_TYPES.get(kind) or ("[]" if schema.is_list(kind) else "map" if schema.is_map(kind) else kind[2:])
    result.errors.append(f"json: cannot unmarshal {got} into Go struct field {struct}.{where} of type {wanted}")


def _quantity(value: Any, where: str, result: Conformed) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        result.errors.append(f"{where}: {value!r} is no quantity")
        return None
    try:
        return quantities.canonical(value)
    except ValueError:
        result.errors.append(
            f"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' ({where})"
        )
        return None
