"""Azure: bodies that we send and answers of the sandbox against Microsoft's published descriptions.

Callers: tests/conformance, page.py. Sources, in this order: ARM template schemas (PUT bodies), bicep's types (requests
and answers, with required, read-only and write-only members), the models of the installed SDK. Where a description is
older than the API version that the SDK sends, the members that came since are named in NEWER, each with its source.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tools.conformance.azure_models import model_problems, sdk_models
from tools.conformance.wire import Exchange

SCHEMAS = {
    "Microsoft.Compute": "Microsoft.Compute.2024-11-01.json",
    "Microsoft.ContainerService": "Microsoft.ContainerService.Aks.2026-05-01.json",
    "Microsoft.Network": "Microsoft.Network.2025-07-01.json",
}
BICEP = {
    "Microsoft.Compute": "microsoft.compute.2024-11-01.types.json",
    "Microsoft.ContainerService": "microsoft.containerservice.2026-05-01.types.json",
    "Microsoft.Network": "microsoft.network.2024-05-01.types.json",
}
NEWER = frozenset(
    {
        # KubernetesResourceObjectEncryptionProfile: in azure-mgmt-containerservice 41 (API 2026-08-01).
        "/properties/securityProfile/kubernetesResourceObjectEncryptionProfile",
    }
)
ARM_SCHEMAS, BICEP_TYPES, TYPED_SDK = "ARM schema", "bicep type", "typed SDK"


@dataclass(frozen=True, slots=True)
class Operation:
    """`PUT Microsoft.Network/virtualNetworks`; type without the verb; name of the resource, "" for a list."""

    verb: str
    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.verb} {self.type}"


def operation_of(exchange: Exchange) -> Operation:
    """What a request is about, as the fault table and the documentation name it."""
    parts = [p for p in exchange.path.split("/") if p]
    if "providers" not in (p.lower() for p in parts[:-1]):
        kinds = ["resourceGroups" if p.lower() == "resourcegroups" else p for p in parts[2::2]]
        name = parts[-1] if len(parts) % 2 == 0 else ""
        return Operation(exchange.method, "/".join(["Microsoft.Resources", *(kinds or ["subscriptions"])]), name)
    at = max(i for i, p in enumerate(parts) if p.lower() == "providers")
    namespace, rest = parts[at + 1], parts[at + 2 :]
    if not rest:  # a provider itself, with its types and where they are
        return Operation(exchange.method, "Microsoft.Resources/providers", namespace)
    if rest[0].lower() == "locations":
        return Operation(exchange.method, "/".join([namespace, "locations", *rest[2:3]]), "")
    kinds, odd = rest[0::2], len(rest) % 2 == 1
    return Operation(exchange.method, f"{namespace}/{'/'.join(kinds)}", "" if odd else rest[-1])


# -- ARM template schemas ----------------------------------------------------------------------------------------------


class Schemas:
    """Microsoft's draft-04 schemas of PUT bodies. data: .../clouds/azure."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "schemas_arm"
        self._documents = {namespace: self._load(name) for namespace, name in SCHEMAS.items()}
        every = [*self._documents.values(), self._load("common.definitions.json")]
        self._registry: Any = Registry().with_resources([(d["id"], Resource.from_contents(d, DRAFT4)) for d in every])

    def _load(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self._folder / name).read_text(encoding="utf-8"))
        for definition in document.get("definitions", {}).values():
            if "vmSize" in definition.get("properties", {}):
                definition["properties"]["vmSize"] = {"type": "string"}  # the published enumeration ends in 2020
        return document

    def has(self, type_: str) -> bool:
        namespace, _, kind = type_.partition("/")
        known = self._documents.get(namespace, {}).get("resourceDefinitions", {})
        return kind.replace("/", "_") in known

    def problems(self, type_: str, name: str, body: Mapping[str, Any]) -> list[str]:
        """Mistakes of a PUT body: against the schema, and members that no alternative of the schema names."""
        namespace, _, kind = type_.partition("/")
        document, key = self._documents[namespace], kind.replace("/", "_")
        schema = document["resourceDefinitions"][key]
        version = schema["properties"]["apiVersion"]["enum"][0]
        full = {**body, "name": name, "type": type_, "apiVersion": version}
        reference = {"$ref": f"{document['id']}/resourceDefinitions/{key}"}
        validator = jsonschema.Draft4Validator(reference, registry=self._registry)
        wrong = [f"/{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in validator.iter_errors(full)]
        unknown = _unknown(document, schema, full, "")
        return wrong + [f"{path}: unknown member" for path in unknown if path not in NEWER]


def _unknown(document: Any, schema: Any, value: Any, path: str) -> Iterator[str]:
    options = list(_alternatives(document, schema))
    if isinstance(value, list):
        items = [o["items"] for o in options if "items" in o]
        for entry in value:
            yield from _unknown(document, {"oneOf": items}, entry, path)
    if not isinstance(value, dict) or any(isinstance(o.get("additionalProperties"), dict) for o in options):
        return
    known = {k: v for o in options for k, v in o.get("properties", {}).items()}
    for key, inner in value.items():
        if key in known:
            yield from _unknown(document, known[key], inner, f"{path}/{key}")
        elif known:
            yield f"{path}/{key}"


def _alternatives(document: Any, schema: Any) -> Iterator[Any]:
    if "$ref" in schema:
        if schema["$ref"].startswith("#/definitions/"):
            yield from _alternatives(document, document["definitions"][schema["$ref"].rpartition("/")[2]])
        return
    yield schema
    for inner in [*schema.get("oneOf", ()), *schema.get("allOf", ())]:
        yield from _alternatives(document, inner)


# -- bicep's types -----------------------------------------------------------------------------------------------------

_REQUIRED, _READ_ONLY, _WRITE_ONLY = 1, 2, 4


class Bicep:
    """bicep's types: a list of types that refer to one another by number. data: .../clouds/azure."""

    def __init__(self, data: Path) -> None:
        self._types: dict[str, list[dict[str, Any]]] = {}
        self._bodies: dict[str, tuple[str, int]] = {}
        for namespace, name in BICEP.items():
            rows = json.loads((data / "types_bicep" / name).read_text(encoding="utf-8"))
            self._types[namespace] = rows
            for row in rows:
                if row["$type"] == "ResourceType":
                    self._bodies[row["name"].partition("@")[0].lower()] = (namespace, _number(row["body"]))

    def has(self, type_: str) -> bool:
        return type_.lower() in self._bodies

    def problems(self, type_: str, value: Any, *, answer: bool, whole: bool = True) -> list[str]:
        """What is not as described. answer: what Azure gives (nothing write-only), else what it takes.

        whole: required members must be there.
        """
        namespace, number = self._bodies[type_.lower()]
        rows = self._types[namespace]
        found = [p for p in _bicep(rows, number, value, "", answer, whole) if p.partition(": ")[0] not in NEWER]
        return [p for p in found if not p.startswith("/apiVersion: ")]


def _number(reference: Mapping[str, str]) -> int:
    return int(reference["$ref"].rpartition("/")[2])


def _bicep(rows: list[dict[str, Any]], number: int, value: Any, path: str, answer: bool, whole: bool) -> Iterator[str]:
    row = rows[number]
    match row["$type"]:
        case "ObjectType":
            yield from _object(rows, row, value, path, answer, whole)
        case "DiscriminatedObjectType":
            kind = value.get(row["discriminator"]) if isinstance(value, dict) else None
            if kind not in row["elements"]:
                yield f"{path}: no {row['discriminator']} of {sorted(row['elements'])}"
        case "ArrayType":
            if not isinstance(value, list):
                yield f"{path}: {type(value).__name__} where a list is described"
                return
            for entry in value:
                yield from _bicep(rows, _number(row["itemType"]), entry, path, answer, whole)
        case "UnionType":
            told = [list(_bicep(rows, _number(e), value, path, answer, whole)) for e in row["elements"]]
            if all(told):
                yield f"{path}: {value!r} is none of the values described"
        case kind:
            yield from _plain(kind, row, value, path)


def _plain(kind: str, row: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    """Values without parts; AnyType takes all."""
    if kind == "StringLiteralType" and value != row["value"]:
        yield f"{path}: {value!r} is not {row['value']!r}"
    elif kind == "StringType" and not isinstance(value, str):
        yield f"{path}: {type(value).__name__} where text is described"
    elif kind == "BooleanType" and not isinstance(value, bool):
        yield f"{path}: {type(value).__name__} where true or false is described"
    elif kind == "IntegerType":
        low, high = row.get("minValue"), row.get("maxValue")
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"{path}: {type(value).__name__} where a number is described"
        elif (low is not None and value < low) or (high is not None and value > high):
            yield f"{path}: {value} is not between {low} and {high}"


def _object(
    rows: list[dict[str, Any]], row: Mapping[str, Any], value: Any, path: str, answer: bool, whole: bool
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {type(value).__name__} where an object is described"
        return
    known, more = row.get("properties", {}), row.get("additionalProperties")
    for key, inner in value.items():
        here = f"{path}/{key}"
        if key not in known:
            if more is None:
                yield f"{here}: not described"
            else:
                yield from _bicep(rows, _number(more), inner, here, answer, whole)
        elif inner is None:
            continue
        elif answer and known[key]["flags"] & _WRITE_ONLY:
            yield f"{here}: is never given out"
        else:
            yield from _bicep(rows, _number(known[key]["type"]), inner, here, answer, whole)
    hidden = _WRITE_ONLY if answer else _READ_ONLY
    for key, member in known.items():
        if whole and key not in value and member["flags"] & _REQUIRED and not member["flags"] & hidden:
            yield f"{path}/{key}: is required"


# -- exchanges ---------------------------------------------------------------------------------------------------------


@cache
def _descriptions(data: Path) -> tuple[Schemas, Bicep]:
    return Schemas(data), Bicep(data)


class Checker:
    """Judges recorded exchanges. requests, answers: operation -> what it was judged by ("" for nothing)."""

    def __init__(self, data: Path) -> None:
        self._schemas, self._bicep = _descriptions(data)
        self.requests: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.wrong: list[str] = []

    def check(self, exchanges: list[Exchange]) -> None:
        for exchange in exchanges:
            operation = operation_of(exchange)
            name = str(operation)
            told: list[str] = []
            if exchange.body:
                by, problems = self._request(operation, exchange.json)
                self.requests[name] = by
                told += [f"request {p}" for p in problems]
            if exchange.answer:
                by, problems = self._answer(operation, exchange)
                if exchange.status < 400:
                    self.answers[name] = by
                told += [f"answer {p}" for p in problems]
            self.wrong += [f"{name} {p}" for p in told]

    def _request(self, operation: Operation, body: Any) -> tuple[str, list[str]]:
        if operation.verb == "PUT" and self._schemas.has(operation.type):
            problems = self._schemas.problems(operation.type, operation.name, body)
            if self._bicep.has(operation.type):
                full = {"name": operation.name, **body}
                problems += self._bicep.problems(operation.type, full, answer=False)
                return f"{ARM_SCHEMAS}, {BICEP_TYPES}", problems
            return ARM_SCHEMAS, problems
        model, _ = sdk_models(str(operation))
        return (TYPED_SDK, list(model_problems(body, model))) if model else ("", [])

    def _answer(self, operation: Operation, exchange: Exchange) -> tuple[str, list[str]]:
        body = exchange.answer_json
        if exchange.status >= 400:
            error = body.get("error") if isinstance(body, dict) else None
            good = isinstance(error, dict) and error.get("code") and error.get("message")
            return "", [] if good else ["an error without code and message"]
        listed = isinstance(body, dict) and set(body) <= {"value", "nextLink"}
        rows = body["value"] if listed else [body]
        if self._bicep.has(operation.type):
            return BICEP_TYPES, [p for r in rows for p in self._bicep.problems(operation.type, r, answer=True)]
        _, model = sdk_models(str(operation))
        return (TYPED_SDK, [p for r in rows for p in model_problems(r, model)]) if model else ("", [])
