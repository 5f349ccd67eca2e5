"""Alibaba Cloud: every parameter that we send and every answer of the sandbox against the cloud's own descriptions.

Callers: tests/conformance, page.py. Parameters: openapi_meta, else the typed SDK's models; bodies of CS, which
openapi_meta calls a text: tea's request models, else the SDK's. Answers: tea's models, else the SDK's. Both are used
where both are there for the SDK knows members that came later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.alibaba.actions import ROA, RPC, VERSIONS
from tools.conformance.tea import PACKAGES, Model, Sdk, Tea, problems
from tools.conformance.wire import Exchange

META, TEA, TYPED_SDK, NO_PARAMETERS = "openapi_meta", "tea", "typed SDK", "no parameters"
# In no description, but in every RPC request: the gateway's own.
GATEWAY = frozenset(
    ("Action", "Version", "Format", "AccessKeyId", "SecurityToken", "Timestamp", "Signature", "SignatureMethod",
     "SignatureVersion", "SignatureNonce", "SignatureType", "RegionId")
)  # fmt: skip
_SDK_CORE = frozenset({"RegionId"})  # which aliyun-python-sdk-core adds to every ROA request
_VALUES = {
    "Integer": r"-?\d+", "Long": r"-?\d+", "Boolean": r"true|false", "Float": r"-?[\d.]+",
    "long": r"-?\d+", "boolean": r"true|false", "float": r"-?[\d.]+",
}  # fmt: skip


def served() -> list[str]:
    """All actions of the sandbox, `Ecs.RunInstances`."""
    return sorted({f"{s}.{n}" for s, n in RPC} | {f"{action.service}.{action.name}" for _, _, action in ROA})


def action_of(exchange: Exchange) -> str:
    """`Ecs.RunInstances`, `CS.CreateCluster`; "" for what the sandbox does not serve."""
    if exchange.path == "/":
        given = {**exchange.query, **exchange.form}
        return f"{VERSIONS.get(given.get('Version', ''), '')}.{given.get('Action', '')}"
    for method, pattern, action in ROA:
        if method == exchange.method and pattern.fullmatch(exchange.path):
            return f"{action.service}.{action.name}"
    return ""


def described(data: Path) -> list[str]:
    """All actions of which the reference data says anything, in the sandbox's spelling of services."""
    spelled = {name.lower(): name for name in PACKAGES}
    files = [*(data / "openapi_meta").glob("*.json"), *(data / "tea").glob("*.tea")]
    pairs = {tuple(path.stem.split(".")) for path in files}
    return sorted(f"{spelled.get(service, service)}.{action}" for service, action in pairs)


@cache
def _descriptions(data: Path) -> tuple[dict[str, list[dict[str, Any]]], dict[str, dict[str, Any]], dict[str, Sdk]]:
    """openapi_meta's parameters and tea's models by action; the typed SDKs by service."""
    spelled = {name.lower(): name for name in PACKAGES}
    meta, tea = {}, {}
    for path in (data / "openapi_meta").glob("*.json"):
        service, _, action = path.stem.partition(".")
        meta[f"{spelled.get(service, service)}.{action}"] = json.loads(path.read_text(encoding="utf-8"))["parameters"]
    for path in (data / "tea").glob("*.tea"):
        service, _, action = path.stem.partition(".")
        tea[f"{spelled.get(service, service)}.{action}"] = Tea(path).models
    return meta, tea, {service: Sdk(package) for service, package in PACKAGES.items()}


class Checker:
    """Judges recorded exchanges. requests, answers: action -> what it was judged by ("" for nothing)."""

    def __init__(self, data: Path) -> None:
        self._meta, self._tea, self._sdks = _descriptions(data)
        self.requests: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.wrong: list[str] = []
        self.parameters = 0

    def check(self, exchanges: list[Exchange]) -> None:
        for exchange in exchanges:
            if exchange.headers.get("authorization", "").startswith("OSS4-"):
                continue  # OSS speaks XML: no description of it here
            action = action_of(exchange)
            if not action or action.endswith("."):
                self.wrong.append(f"{exchange.method} {exchange.path} is no action")
                continue
            told = self._request(action, exchange)
            if exchange.status < 400:
                told += self._answer(action, exchange.answer_json)
            else:
                told += _error(action, exchange)
            self.wrong += told

    # -- requests ----------------------------------------------------------------------------------------------

    def _request(self, action: str, exchange: Exchange) -> list[str]:
        given = {**exchange.query, **exchange.form}
        rpc = exchange.path == "/"
        own = {k: v for k, v in given.items() if k not in (GATEWAY if rpc else _SDK_CORE)}
        self.parameters += len(own)
        model = self._model(action, "Request")
        by, told = [], list[str]()
        if action in self._meta and not action.startswith("CS."):
            by.append(META)
            told += self._by_meta(action, given, own)
        elif own:
            by.append(TYPED_SDK if model else "")
            told += [p for k, v in own.items() for p in _parameter(k, v, model, action)] if model else []
        if not rpc and exchange.body:
            tea = self._tea.get(action, {}).get(f"{action.partition('.')[2]}Request")
            by += [TEA] * (tea is not None) + [TYPED_SDK] * (model is not None)
            told += _either(exchange.json, [tea, model], action)
        elif not own:
            by.append(NO_PARAMETERS)
        self.requests[action] = ", ".join(dict.fromkeys(b for b in by if b)) or self.requests.get(action, "")
        return told

    def _by_meta(self, action: str, given: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
        rows = {self._spelled(action, p["name"]): p for p in self._meta[action]}
        told = [f"{action}.{n} is required" for n, p in rows.items() if p["required"] and not _is_given(n, given)]
        for name, value in own.items():
            first, *rest = _base(name).split(".")
            row = rows.get(first) or rows.get(_base(name))
            if row is None and name != "ClientToken":
                told.append(f"{action} has no parameter {name}")
            elif row is not None:
                told += _meta_value(row, rest, name, value, action)
        return told

    def _spelled(self, action: str, name: str) -> str:
        """A parameter as we send it: openapi_meta's ESS is of 2014, whose lists have no plural (Tag: Tags)."""
        model = self._model(action, "Request")
        fields = model.fields if model is not None else {}
        return f"{name}s" if action.startswith("Ess.") and name not in fields and f"{name}s" in fields else name

    def _model(self, action: str, suffix: str) -> Model | None:
        service, _, name = action.partition(".")
        return self._sdks[service].model(f"{name}{suffix}")

    # -- answers -----------------------------------------------------------------------------------------------

    def _answer(self, action: str, body: Any) -> list[str]:
        name = f"{action.partition('.')[2]}ResponseBody"
        tea, model = self._tea.get(action, {}).get(name), self._model(action, "ResponseBody")
        listed = self._model(action, "Response")
        model_node: Any = listed.fields.get("body") if listed is not None else model  # some answers are lists
        self.answers[action] = ", ".join([TEA] * (tea is not None) + [TYPED_SDK] * (model_node is not None))
        if isinstance(body, dict):
            body = {k: v for k, v in body.items() if k not in ("RequestId", "request_id")}
        return _either(body, [tea, model_node], action)


def _either(value: Any, nodes: list[Any], where: str) -> list[str]:
    """Mistakes by the description that has the fewest: the older one lacks what came later."""
    told = [problems(value, node, where) for node in nodes if node is not None]
    return min(told, key=len, default=[])


def _base(parameter: str) -> str:
    """`Tag.2.Key` -> `Tag.Key`, `InstanceId.1` -> `InstanceId`."""
    return re.sub(r"\.\d+(?=\.|$)", "", parameter)


def _is_given(name: str, given: Mapping[str, str]) -> bool:
    return any(k == name or k.startswith(f"{name}.") for k in given)


def _meta_value(row: Mapping[str, Any], rest: list[str], name: str, value: str, action: str) -> list[str]:
    if _base(name) in (row["name"], f"{row['name']}s"):
        rest = []
    parts = row.get("sub_parameters") or []
    if rest and parts:
        inner = next((p for p in parts if p["name"] == ".".join(rest)), None)
        return [f"{action} has no parameter {name}"] if inner is None else _matches(inner["type"], name, value, action)
    return _matches(row["type"], name, value, action) if not rest else []


def _matches(kind: str, name: str, value: str, action: str) -> list[str]:
    pattern = _VALUES.get(kind)
    good = pattern is None or re.fullmatch(pattern, value) is not None
    return [] if good else [f"{action}.{name} is {value!r}, described as {kind}"]


def _parameter(name: str, value: str, model: Model, action: str) -> list[str]:
    """A flat parameter against a model: `Tag.1.Key` is Tag, a list of structures with Key."""
    node: Any = model
    for part in _base(name).split("."):
        node = node[0] if isinstance(node, list) else node
        fields = node.fields if isinstance(node, Model) else {}
        if part not in fields:
            return [f"{action} has no parameter {name}"]
        node = fields[part]
    node = node[0] if isinstance(node, list) else node
    return _matches(node, name, value, action) if isinstance(node, str) else []


def _error(action: str, exchange: Exchange) -> list[str]:
    """Errors have a code, a message and a request id; CS writes them in lower case."""
    found = {str(k).lower().replace("_", "") for k in exchange.answer_json or {}}
    missing = {"code", "message", "requestid"} - found
    return [f"{action}: an error without {', '.join(sorted(missing))}"] if missing else []
