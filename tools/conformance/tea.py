"""Alibaba Cloud's descriptions as one kind of tree: .tea files, and the source of the official typed SDKs.

Callers: alibaba.py. A node is the name of a type, a list of one node, a dict of wire name -> node, or a Model that is
read when it is needed. The SDKs are parsed, not imported: one import of their models takes seconds.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

PACKAGES = {
    "Ecs": "alibabacloud_ecs20140526",
    "Vpc": "alibabacloud_vpc20160428",
    "CS": "alibabacloud_cs20151215",
    "Sts": "alibabacloud_sts20150401",
    "Actiontrail": "alibabacloud_actiontrail20200706",
    "Slb": "alibabacloud_slb20140515",
    "Ess": "alibabacloud_ess20220222",
    "Alidns": "alibabacloud_alidns20150109",
    "cr": "alibabacloud_cr20181201",
    "Kms": "alibabacloud_kms20160120",
    "cas": "alibabacloud_cas20200407",
    "Rds": "alibabacloud_rds20140815",
    "Dds": "alibabacloud_dds20151201",
    "polardb": "alibabacloud_polardb20170801",
    "R-kvstore": "alibabacloud_r_kvstore20150101",
    "Mns-open": "alibabacloud_mns_open20220119",
    "alikafka": "alibabacloud_alikafka20190916",
    "RocketMQ": "alibabacloud_rocketmq20220801",
    "Ram": "alibabacloud_ram20150501",
    "ResourceCenter": "alibabacloud_resourcecenter20221201",
    "Nas": "alibabacloud_nas20170626",
}
"""Service -> the package of its typed SDK: development dependencies."""
_TEXT = {"str": "string", "int": "long", "bool": "boolean", "float": "float", "Any": "any"}


class Tea:
    """The models of one .tea file."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"'(?:[^'\\]|\\.)*'", lambda m: m[0] if re.fullmatch(r"'\w+'", m[0]) else "''", text)
        self._tokens: list[str] = re.findall(r"'\w*'|[A-Za-z_][\w.]*|[{}\[\]():?=,]|\S", text)
        self._at = 0
        self.models: dict[str, Any] = {}
        while self._at < len(self._tokens):
            self._take("model")
            name = self._next()
            if self._peek() == "=":
                self._next()
            self.models[name] = self._fields()

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, wanted: str) -> None:
        assert self._next() == wanted, f"{wanted} expected before {self._tokens[self._at : self._at + 5]}"

    def _fields(self) -> dict[str, Any]:
        self._take("{")
        fields: dict[str, Any] = {}
        while self._peek() != "}":
            if self._peek() == ",":
                self._next()
                continue
            self._next()
            if self._peek() == "?":
                self._next()
            self._take(":")
            kind = self._type()
            fields[self._wire_name()] = kind
        self._next()
        return fields

    def _type(self) -> Any:
        if self._peek() == "{":
            return self._fields()
        if self._peek() == "[":
            self._next()
            inner = self._type()
            if self._peek() == "(":
                self._skip_parentheses()
            self._take("]")
            return [inner]
        name = self._next()
        if name == "map":
            self._take("[")
            self._next()
            self._take("]")
            self._next()
        return name

    def _wire_name(self) -> str:
        start = self._at
        self._skip_parentheses()
        words = self._tokens[start : self._at]
        return words[words.index("name") + 2].strip("'")

    def _skip_parentheses(self) -> None:
        self._take("(")
        depth = 1
        while depth:
            depth += {"(": 1, ")": -1}.get(self._next(), 0)


class Sdk:
    """The models of one typed SDK. Raises ModuleNotFoundError where it is not installed."""

    def __init__(self, package: str) -> None:
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise ModuleNotFoundError(f"no module {package}", name=package)
        folder = Path(next(iter(found.submodule_search_locations))) / "models"
        self._files = {path.stem.replace("_", ""): path for path in folder.glob("_*.py")}
        self._classes: dict[str, ast.ClassDef] = {}

    def model(self, name: str) -> Model | None:
        """`CreateVSwitchRequest`, or None where the SDK has none of that name."""
        return Model(self, name) if self.source(name) else None

    def source(self, name: str) -> ast.ClassDef | None:
        if name not in self._classes:
            path = self._files.get(name.lower())
            if path is None:
                return None
            tree = ast.parse(path.read_text(encoding="utf-8"))
            self._classes |= {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        return self._classes.get(name)


class Model:
    """One class of an SDK."""

    def __init__(self, sdk: Sdk, name: str) -> None:
        self._sdk, self.name = sdk, name

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """Wire name -> node: types from the constructor, names from from_map."""
        source = self._sdk.source(self.name)
        assert source is not None, self.name
        methods = {node.name: node for node in source.body if isinstance(node, ast.FunctionDef)}
        types = {a.arg: a.annotation for a in methods["__init__"].args.args if a.annotation is not None}
        names: dict[str, str] = {}
        for node in ast.walk(methods["from_map"]):
            if isinstance(node, ast.If):
                self._name(node, names)
        return {wire: self._node(types[attribute]) for attribute, wire in names.items()}

    @staticmethod
    def _name(node: ast.If, names: dict[str, str]) -> None:
        """`if m.get('X') is not None: ... self.x ...`."""
        asked = next((n for n in ast.walk(node.test) if isinstance(n, ast.Call)), None)
        found = [
            inner.attr
            for statement in node.body
            for inner in ast.walk(statement)
            if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "self"
        ]
        if asked is not None and found and asked.args and isinstance(asked.args[0], ast.Constant):
            names.setdefault(found[0], str(asked.args[0].value))

    def _node(self, hint: ast.expr) -> Any:
        if isinstance(hint, ast.Subscript):
            outer = ast.unparse(hint.value)
            return [self._node(hint.slice)] if outer == "List" else "map"
        name = ast.unparse(hint)
        if name in _TEXT:
            return _TEXT[name]
        inner = name.rpartition(".")[2]
        if self._sdk.source(self.name) is not None and self._sdk.source(inner) is None:
            return "any"
        return Model(self._sdk, inner)


_JSON: Mapping[str, Any] = {
    "string": str, "boolean": bool, "int32": int, "integer": int, "long": int, "int64": int,
    "float": (int, float), "double": (int, float),
}  # fmt: skip


def problems(value: Any, node: Any, where: str) -> list[str]:
    """What of a JSON value is not as described: unknown members and wrong types."""
    if isinstance(node, Model):
        node = node.fields
    if isinstance(node, Mapping):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        unknown = [f"{where}.{k} is not described" for k in value if k not in node]
        return unknown + [p for k, v in value.items() if k in node for p in problems(v, node[k], f"{where}.{k}")]
    if isinstance(node, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [p for item in value for p in problems(item, node[0], f"{where}[]")]
    wanted = _JSON.get(node)
    if wanted is not None and (not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)):
        return [f"{where} is {type(value).__name__}, described as {node}"]
    return []
