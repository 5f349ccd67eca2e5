"""A document in the making: a resource's fields before and after the tables have spoken, and where it is read from.

Callers: mapping. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, Final

from model.native import Native, Pending, Values, unknown
from model.resource_base import Kind
from model.resources import KINDS
from model.terraform import CloudTable, Type
from policies.loaders.converters import plain

LISTS: Final = frozenset(
    {
        *("rules", "grants", "trust", "listeners", "targets", "subnets", "zones", "public_ips", "answers", "domains"),
        *("load_balancers", "public_access_cidrs", "delegated", "replicas", "sends_to"),
    }
)
"""Fields that several parts of a resource may add to."""
_ENVELOPE: Final = {"country": None, "icp": None, "site": "", "ownership": "own"}


@cache
def _template(kind: Kind) -> Mapping[str, Any]:
    """A kind's fields where nobody has said anything yet: None, and empty texts and lists where rules walk them."""
    found: dict[str, Any] = {}
    for item in fields(KINDS[kind]):
        kind_of = str(item.type)
        if item.name == "tags" or kind_of.startswith("Mapping"):
            found[item.name] = {}
        elif item.name in LISTS:
            found[item.name] = []
        elif kind_of == "str":
            found[item.name] = item.default if item.default is not MISSING else ""
        else:
            found[item.name] = None
    if "machine_image" in found:
        found["machine_image"] = ""
    return found


class Document:
    """A document in the making."""

    __slots__ = ("data", "joined", "native", "sources", "type")

    def __init__(self, native: Native, row: Type, place: tuple[str, str]) -> None:
        template = _template(row.kind)
        self.native, self.type = native, row
        self.joined: set[str] = set()
        self.sources: dict[str, dict[str, str]] = {}
        self.data: dict[str, Any] = {
            "kind": str(row.kind),
            **{k: v.copy() if isinstance(v, list | dict) else v for k, v in template.items()},
            **_ENVELOPE,
            "address": native.address,
            "partition": place[0],
            "region": place[1],
            "position": native.position,
            "sources": self.sources,
        }
        self.data.pop("settings", None)  # a managed service's words stand beside its other fields
        self.data["service"] = ""
        if row.kind is Kind.MANAGED_SERVICE:
            self.data["class"] = row.service or "other"
        else:
            self.data.setdefault("public", False)
        self.data["native_type"] = native.type
        if native.change:
            self.data["change"] = native.change

    def put(self, field: str, value: Any) -> None:
        self.data[field] = value

    def get(self, field: str) -> Any:
        return self.data.get(field)


def name_and_tags(document: Document, table: CloudTable | None) -> None:
    native = document.native
    name = first_of(native.values, document.type.name)[0]
    document.data["name"] = str(name) if isinstance(name, str) else native.name
    tags = native.values.get("tags")
    if tags is None:
        tags = native.values.get("tags_all")
    given = table.default_tags(native) if table else {}
    if isinstance(tags, Pending):
        document.data["tags"] = unknown()
    elif isinstance(tags, dict):
        document.data["tags"] = {k: plain(v) for k, v in {**given, **tags}.items()}
    elif given:
        document.data["tags"] = {k: plain(v) for k, v in given.items()}
    if "tags" in native.values:
        document.sources["tags"] = {"address": native.address, "position": native.values.where("tags")}


def first_of(values: Values, path: str) -> tuple[Any, Values, str]:
    """The value at the first of `a.b|c` that is written, the block that holds it, and its name there."""
    if "." not in path and "|" not in path:
        return values.get(path), values, path
    for one in path.split("|"):
        holder: Any = values
        *before, last = one.split(".")
        for step in before:
            value = holder.get(step)
            inner = value[0] if isinstance(value, list) and value else value
            if isinstance(inner, Pending):
                return inner, holder, step
            if not isinstance(inner, dict):
                holder = None
                break
            if not isinstance(inner, Values):
                inner = Values(inner, file=holder.file, line=holder.lines.get(step, holder.line))
            holder = inner
        if holder is not None and holder.get(last) is not None:
            return holder[last], holder, last
    return None, values, ""
